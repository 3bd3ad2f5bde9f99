import CSys
package import Varve
package import VarveFormat

/// A test restore: brings a snapshot back into a sandbox, compares what is there with what was stored, lets the user's
/// own check look at it, and says in the repository how that ended.
package struct Drill: Sendable {
    /// How a drill is done.
    package struct Options: Sendable {
        /// The directory in which the sandbox is made.
        package var place: [UInt8]
        /// Restore only this share of the files; nil for all.
        package var part: RestorePart?
        /// A command for the shell, run in the sandbox; it fails if it does not exit with 0.
        package var check: String?
        /// Leave the sandbox there.
        package var keepsSandbox = false
        /// Whether the result becomes a record of the repository.
        package var recordsResult = true
        /// Worker threads; 0 for those of the repository.
        package var threads = 0

        /// Makes the defaults.
        package init(place: [UInt8]) { self.place = place }
    }

    /// What a drill found.
    package struct Report: Sendable {
        /// How many differences are named.
        package static let differenceLimit = 1_000

        /// What was restored.
        package let restore: RestoreReport
        /// Paths whose content, type or existence is not that of the snapshot, the first of them.
        package fileprivate(set) var differences: [TreeDifference.Change] = []
        /// How many there are.
        package fileprivate(set) var differencesTotal = 0
        /// Paths with other attributes, as owners are for an ordinary user.
        package fileprivate(set) var attributesTotal = 0
        /// What could not be compared.
        package fileprivate(set) var failures: [StoreError] = []
        /// How the user's check ended; nil without one, or if nothing was there to check.
        package fileprivate(set) var check: DrillResult.Outcome?
        /// Why the check failed.
        package fileprivate(set) var checkError: StoreError?
        /// The end of what the check wrote to standard output.
        package fileprivate(set) var checkOutput: [UInt8] = []
        /// The restored tree, if it was left there.
        package fileprivate(set) var sandbox: [UInt8]?
        /// Why the result could not be recorded.
        package fileprivate(set) var recordError: StoreError?
        /// Seconds that it took.
        package fileprivate(set) var duration = 0.0

        fileprivate init(_ restore: RestoreReport) { self.restore = restore }

        /// Whether the databases are what the snapshot says of them; nil if none was looked at.
        package var databases: DrillResult.Outcome? {
            if restore.databasesFailed > 0 { return .failed }
            return restore.databasesChecked > 0 ? .ok : nil
        }

        /// Whether the snapshot, or the part of it, can be restored.
        package var isProven: Bool {
            restore.errorsTotal == 0 && differencesTotal == 0 && failures.isEmpty && check != .failed
        }
    }

    private static let outputLimit = 64 << 10

    private let repository: Repository
    private let snapshot: Snapshot
    private let options: Options
    private let progress: Progress

    /// Prepares a drill.
    package init(repository: Repository, snapshot: Snapshot, options: Options, progress: Progress) {
        self.repository = repository
        self.snapshot = snapshot
        self.options = options
        self.progress = progress
    }

    /// Restores, compares and checks. What is wrong is in the report.
    ///
    /// - Throws: `noSpace`, `interrupted`, what keeps the sandbox from being made or the snapshot from being opened.
    package func run() throws(StoreError) -> Report {
        let start = Timestamp.now()
        let sandbox = try RestoreSandbox(in: options.place)
        var report: Report
        do throws(StoreError) {
            report = Report(try restore(into: sandbox))
            try compare(with: sandbox, &report)
            check(in: sandbox, &report)
            try progress.check()
        } catch {
            try? sandbox.remove()
            throw error
        }
        if options.keepsSandbox { report.sandbox = sandbox.tree } else { try sandbox.remove() }
        report.duration = Timestamp.now().seconds(since: start)
        if options.recordsResult { record(&report, start) }
        return report
    }

    private func restore(into sandbox: RestoreSandbox) throws(StoreError) -> RestoreReport {
        var restoring = Restorer.Options()
        restoring.target = sandbox.tree
        restoring.part = options.part
        restoring.threads = options.threads
        restoring.checker = SQLiteChecker(snapshot.manifest.databases, .everything)
        return try Restorer(
            repository: repository, snapshot: snapshot, options: restoring, progress: progress
        ).run()
    }

    /// Reads everything once more, and by another way than the restore: from the tree that the snapshot should be to
    /// what the file system shows.
    private func compare(with sandbox: RestoreSandbox, _ report: inout Report) throws(StoreError) {
        progress.update { $0.phase = "comparing" }
        var found = report
        found.failures = try TreeDifference(repository: repository, progress: progress).compare(
            snapshot, withDirectory: sandbox.tree
        ) { change in
            if change.kind == .removed, change.oldType != .directory,
                let part = options.part, !part.contains(change.path)
            {
                return
            }
            if change.kind == .modified, change.aspects.isDisjoint(with: [.content, .target, .device]) {
                found.attributesTotal += 1
                return
            }
            found.differencesTotal += 1
            if found.differences.count < Report.differenceLimit { found.differences.append(change) }
        }
        report = found
    }

    /// Runs the user's check in the restored tree. Its standard error is the program's.
    private func check(in sandbox: RestoreSandbox, _ report: inout Report) {
        guard let check = options.check else { return }
        progress.update { $0.phase = "checking" }
        // The tree is an argument: its path may hold any byte.
        let script = #"cd "$1" && VARVE_DRILL_DIRECTORY=$1 && export VARVE_DRILL_DIRECTORY && eval "$2""#
        let arguments = ["/bin/sh", "-c", script, "sh"].map { Array($0.utf8) } + [sandbox.tree, Array(check.utf8)]
        do throws(StoreError) {
            let process = try ChildProcess(arguments)
            while true {
                let part = try DescriptorReader.read(process.descriptor, atMost: Self.outputLimit)
                if part.isEmpty { break }
                report.checkOutput = Array((report.checkOutput + part).suffix(Self.outputLimit))
            }
            try process.finish()
            report.check = .ok
        } catch {
            report.check = .failed
            report.checkError = error
        }
    }

    private func record(_ report: inout Report, _ start: Timestamp) {
        let result = DrillResult(
            outcome: report.isProven ? .ok : .failed, files: report.restore.filesRestored,
            bytes: Int(clamping: report.restore.bytesWritten),
            part: options.part.map { "\($0.number)/\($0.count)" }, check: report.check, databases: report.databases)
        do throws(StoreError) {
            try SnapshotEditor(repository: repository).record(result, about: snapshot.id, time: start)
        } catch {
            report.recordError = error
        }
    }
}
