import Glibc
import VarveFormat

/// Captures what a restore in place is about to overwrite or delete, and nothing else.
struct SafetySnapshot {
    let repository: Repository
    let options: Restorer.Options
    let progress: Progress

    private static let remedy = "make it writable, or give --no-safety if what is overwritten may be lost"

    /// Refuses before anything is prepared if no snapshot can be made.
    ///
    /// - Throws: `refused` if the repository cannot be written.
    func checkRepository() throws(StoreError) {
        do throws(StoreError) {
            try Session.openWriter(on: repository.backend, program: repository.options.program).close()
        } catch { throw Self.refusal(error) }
    }

    /// Makes the snapshot.
    ///
    /// - Throws: `refused` if the repository cannot be written or something cannot be read; `noSpace`; `interrupted`.
    func make(of paths: [[UInt8]], before journal: RestoreJournal) throws(StoreError) -> SnapshotID {
        var capture = Archiver.Options()
        capture.paths = paths
        capture.host = options.host
        capture.origin = .safety
        capture.tags = ["safety"]
        capture.name = try freeName(journal)
        capture.description =
            (journal.isUndo ? "before the undo to " : "before the restore of ") + journal.snapshot.hex.prefix(12)
        capture.checkpointInterval = 0
        capture.allowsEmpty = true
        let report: ArchiveReport
        do throws(StoreError) {
            report = try Archiver(repository: repository, options: capture, progress: progress).run()
        } catch { throw Self.refusal(error) }
        guard let id = report.snapshotID, report.manifest.errorsTotal == 0 else {
            let first = report.errors.first
            throw StoreError(
                .refused,
                "what would be overwritten could not be saved" + (first.map { ": \($0.message)" } ?? ""),
                path: first?.path, remedy: "make it readable, or give --no-safety; nothing was changed")
        }
        return id
    }

    /// `pre-restore-`, what is restored, and a number from the second such snapshot on.
    private func freeName(_ journal: RestoreJournal) throws(StoreError) -> String {
        let taken = Set(try repository.snapshots().snapshots.compactMap(\.manifest.name))
        let name = "pre-\(journal.isUndo ? "undo" : "restore")-\(journal.snapshot.hex.prefix(12))"
        if !taken.contains(name) { return name }
        var number = 2
        while taken.contains("\(name)-\(number)") { number += 1 }
        return "\(name)-\(number)"
    }

    private static func refusal(_ error: StoreError) -> StoreError {
        let isReadOnly = error.code == .denied || [EROFS, EACCES, EPERM].contains(error.errno ?? 0)
        guard isReadOnly else { return error }
        return StoreError(
            .refused, "no safety snapshot can be made: the repository cannot be written", path: error.path,
            remedy: Self.remedy, errno: error.errno)
    }
}
