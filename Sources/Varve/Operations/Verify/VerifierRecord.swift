import VarveFormat

extension VerifierRun {
    /// Writes what was found about the snapshots into the repository: a record for each result. Where nothing can be
    /// written, as on read-only media, the result is known to the caller alone.
    func record(_ subjects: [Subject], _ list: SnapshotList, _ time: Timestamp) {
        guard !subjects.isEmpty,
            let session = try? Session.openWriter(on: repository.backend, program: repository.options.program)
        else { return }
        defer { session.close() }
        let isData = options.level == .data && options.subset?.isEverything ?? true
        let level = isData ? Verifier.Level.data : .structure
        var tips = list.tips
        var sequence = list.nextSequence
        for result in ["ok", "damaged", "incomplete"] {
            let ids = subjects.filter { Self.word($0.hit) == result }.map(\.id).sorted()
            guard !ids.isEmpty else { continue }
            let record = Record(
                repositoryID: repository.id, .verified(level: level.rawValue, result: result), subjects: ids,
                time: time, tips: tips, sequence: sequence)
            guard let name = try? put(record, session.id) else { return }
            tips = [name]
            sequence += 1
        }
    }

    private func put(_ record: Record, _ session: SessionID) throws(StoreError) -> FileID {
        let sealed = SealedFile(keys: repository.keys, repository: repository.id)
        let bytes = try sealed.seal(.record, record.encode())
        let name = SHA256Digest.of(bytes)
        try repository.backend.putIfAbsent(RepositoryPath.file(.record, name), bytes, session: session)
        return name
    }

    private static func word(_ hit: DamageMap.Hit) -> String {
        if hit.contains(.damaged) { return "damaged" }
        return hit.contains(.missing) ? "incomplete" : "ok"
    }
}
