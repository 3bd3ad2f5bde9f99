package import VarveFormat

/// Where a new statement stands in the graph of statements: behind everything that its writer saw.
package struct StatementPlace: Sendable {
    let tips: [FileID]
    let sequence: Int

    /// Behind everything in a list.
    package init(after list: SnapshotList) {
        tips = list.tips
        sequence = list.nextSequence
    }
}

/// Writes records within a writer's session, one behind the other in the graph of statements.
package struct StatementWriter {
    /// So that the longest record stays well below its limit (FORMAT.md section 14).
    private static let subjectLimit = 100_000

    private let repository: Repository
    private let session: SessionID
    private var tips: [FileID]
    private var sequence: Int

    /// - Parameter list: read in this session or before it; records stand behind everything in it.
    package init(_ repository: Repository, session: Session, list: SnapshotList) {
        self.init(repository, session: session, behind: StatementPlace(after: list))
    }

    /// - Parameter place: found in this session or before it.
    package init(_ repository: Repository, session: Session, behind place: StatementPlace) {
        self.repository = repository
        self.session = session.id
        tips = place.tips
        sequence = place.sequence
    }

    /// Writes a record about at least one subject, or several where one cannot hold them all. It is durable when this
    /// returns.
    ///
    /// - Returns: the name of the last one.
    /// - Throws: `sessionLost` if somebody judged the session dead.
    @discardableResult
    package mutating func write(
        _ statement: Statement, subjects: [SnapshotID], time: Timestamp = .now()
    ) throws(StoreError) -> FileID {
        var rest = subjects.sorted()[...]
        repeat {
            let record = Record(
                repositoryID: repository.id, statement, subjects: Array(rest.prefix(Self.subjectLimit)), time: time,
                tips: tips, sequence: sequence)
            let bytes = try repository.sealed.seal(.record, record.encode())
            let name = SHA256Digest.of(bytes)
            try repository.backend.putIfAbsent(RepositoryPath.file(.record, name), bytes, session: session)
            tips = [name]
            sequence += 1
            rest = rest.dropFirst(Self.subjectLimit)
        } while !rest.isEmpty
        return tips[0]
    }
}
