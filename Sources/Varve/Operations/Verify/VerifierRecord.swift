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
        var writer = StatementWriter(repository, session: session, list: list)
        for result in ["ok", "damaged", "incomplete"] {
            let ids = subjects.filter { Self.word($0.hit) == result }.map(\.id)
            guard !ids.isEmpty else { continue }
            let statement = Statement.verified(level: level.rawValue, result: result)
            guard (try? writer.write(statement, subjects: ids, time: time)) != nil else { return }
        }
    }

    private static func word(_ hit: DamageMap.Hit) -> String {
        if hit.contains(.damaged) { return "damaged" }
        return hit.contains(.missing) ? "incomplete" : "ok"
    }
}
