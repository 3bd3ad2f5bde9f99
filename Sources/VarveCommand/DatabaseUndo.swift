import Varve
import VarveApp
import VarveFormat

/// The undo of a finished restore of PostgreSQL databases: what was there before comes back from the safety snapshot by
/// a restore like any other.
struct DatabaseUndo {
    /// Files were restored with the databases, and have to be undone with them.
    let includesFiles: Bool
    private let memory: PostgresMemory
    private let name: String
    private let done: PostgresMemory.Note

    /// nil if the last finished restore in place had no databases.
    ///
    /// - Parameter files: the last restore of files that can be taken back.
    init?(_ memory: PostgresMemory?, _ files: RestoreUndo.Subject?) throws(StoreError) {
        guard let memory, let (name, note) = try memory.finished(), let ended = note.ended else { return nil }
        if let files, files.time > ended { return nil }
        self.memory = memory
        self.name = name
        done = note
        includesFiles = files.map { $0.time >= note.began } ?? false
    }

    /// The restore that brings the databases back.
    ///
    /// - Throws: `notFound` if the safety snapshot was deleted; `refused` if there was none, or the repository is
    ///   another one.
    func restore(
        _ repository: Repository, noSafety: Bool, _ context: Context
    ) throws(StoreError) -> DatabaseRestore {
        guard done.repository == repository.id.hex else {
            throw StoreError(
                .refused, "the last restore came from another repository (\(done.repository))",
                remedy: "give that one with --repo")
        }
        let list = try repository.snapshots().snapshots
        let wanted = done.safety ?? done.snapshot
        guard let snapshot = list.first(where: { $0.id.hex == wanted }) else {
            throw StoreError(
                .notFound, "the safety snapshot \(wanted.prefix(12)) of the last restore was deleted",
                remedy: "bring it back with varve undelete if its space was not reclaimed")
        }
        guard done.safety != nil || !done.members.contains(where: \.existed) else {
            throw StoreError(
                .refused, "the last restore was made without a safety snapshot: the old database is not in it",
                remedy: "psql -l shows whether it was kept, with _before_ in its name")
        }
        let components = SnapshotComponent.all(snapshot.manifest)
        var targets: [PostgresRestore.Target] = []
        for member in done.members {
            var server = try DatabaseRestore.server(context)(member.component, member.database)
            server.address.database = member.database
            guard member.existed else {
                targets.append(PostgresRestore.Target(component: member.component, server: server, record: nil))
                continue
            }
            let place = server
            targets += try PostgresRestore.targets(
                components.filter { $0.name == member.component }, of: snapshot.manifest
            ) { _, _ throws(StoreError) in place }
        }
        var options = PostgresRestore.Options()
        options.savesOld = !noSafety
        options.isUndo = true
        return DatabaseRestore(repository, snapshot, targets, options, memory: memory, context)
    }

    /// Undoes a restore that had no files.
    func run(noSafety: Bool, _ context: Context) throws(StoreError) -> ExitStatus {
        let output = context.output
        let databases = done.members.map(\.database).joined(separator: ", ")
        let what = "the restore of \(databases) from snapshot \(done.snapshot.prefix(12)) of \(done.began.rfc3339)"
        output.note(output.safe("\(context.settings.isDryRun ? "would undo" : "undoing") \(what)"))
        if context.settings.isDryRun { return .ok }
        try Confirmation.ask("Undoing it", context)
        let repository = try context.openRepository()
        let restore = try restore(repository, noSafety: noSafety, context)
        let report = try context.withProgress(onStop: { restore.stop() }) { progress throws(StoreError) in
            try restore.run(progress, Restorer.Options(), stopsLater: false) { settings throws(StoreError) in
                try settings.beforeCommit?()
                return RestoreReport()
            }
        }
        try forget()
        guard let id = SnapshotID(hex: done.snapshot) else { return .ok }
        var summary = RestoreSummary(report: report, snapshot: id, target: nil, verb: "undone")
        summary.more = restore.show("undone")
        return summary.show(output)
    }

    /// It was undone.
    func forget() throws(StoreError) { try memory.remove(name) }
}
