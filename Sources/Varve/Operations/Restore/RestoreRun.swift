import Glibc
import Synchronization
import VarveFormat

/// A blob's place in a frame and in a file.
struct BlobUse: Sendable {
    let id: BlobID
    /// In the frame.
    let offset: Int32
    let length: Int32
    let fileOffset: UInt64
    /// How often it stands there in a row.
    let count: UInt64
    let file: RestoreFile
}

/// What a restore needs of a frame. The uses of one file follow one another.
struct FrameUses: Sendable {
    let location: FrameLocation
    var uses: [BlobUse] = []
}

/// What a worker does from start to end.
enum RestoreTask: Sendable {
    /// Decodes frames, hashes their blobs together and writes them wherever they belong.
    case frames([FrameUses])
    /// The same, one by one: a base before the delta frames that need it.
    case chain([FrameUses])
    /// Entries that need no frame.
    case loose([LooseEntry])

    /// Blobs that it writes.
    var useCount: Int {
        switch self {
        case .frames(let frames), .chain(let frames): frames.reduce(0) { $0 + $1.uses.count }
        case .loose: 0
        }
    }
}

/// An entry that needs no frame.
enum LooseEntry: Sendable {
    /// An empty file, a symbolic link or a special file.
    case make(RestoreFile)
    /// A file that is there with the size and time of the snapshot.
    case compare(RestoreFile)
    /// What is there has the content of the snapshot, perhaps not the attributes.
    case refresh(RestoreFile)
    /// Another name of a file.
    case link(RestoreFile, to: RestoreFile)
}

/// Everything that the threads of one restore share.
final class RestoreRun: Sendable {
    /// Tasks that wait for a worker: each holds what it writes, but not the frame.
    static let queueCapacity = 48
    /// No more tasks are handed over while those that are not finished need so many blobs: a frame of tiny files has
    /// thousands of them, each with a path and attributes in memory.
    private static let useLimit = 32_768
    static let errorLimit = 1_000

    let content: SnapshotContent
    let options: Restorer.Options
    let progress: Progress
    let root: SafeRoot
    /// In place: what the restore is going to change. Nothing else is changed while there is one.
    let transaction: RestoreTransaction?
    let metadata: MetadataWriter
    let owners = OwnerNames()
    /// Directories that each thread keeps open.
    let openDirectoryLimit: Int
    let tasks = BoundedQueue<RestoreTask>(capacity: RestoreRun.queueCapacity)

    private let report: Mutex<RestoreReport>
    private let stopped = Mutex<StoreError?>(nil)
    private let isStoppedFlag = Atomic(false)
    private struct Unfinished {
        var tasks = 0
        var uses = 0
    }

    /// Tasks that were handed over and are not finished.
    private let unfinished = Monitor(Unfinished())
    private let again = Mutex<[RestoreFile]>([])
    /// Of a dry run.
    private let forecast = Mutex(RestorePlanSummary())
    /// Device files that only root can make: the first, and how many.
    private let devices = Mutex<(path: [UInt8], count: Int)?>(nil)
    /// What the checker will look at.
    let checks = Mutex(PendingChecks())
    /// Members of hard-link sets whose flags must wait until all links are made.
    private let locked = Mutex<[RestoreFile]>([])

    init(
        content: SnapshotContent, options: Restorer.Options, progress: Progress, root: SafeRoot, threadCount: Int,
        transaction: RestoreTransaction? = nil
    ) {
        self.content = content
        self.options = options
        self.progress = progress
        self.root = root
        self.transaction = transaction
        let ownership: MetadataWriter.Ownership =
            options.restoresOwner ? (options.numericIDs ? .numbers : .names) : .unchanged
        metadata = MetadataWriter(ownership: ownership, names: owners)
        report = Mutex(RestoreReport())
        // Packs, the file that each thread writes and what the program has open need some 40 descriptors.
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let spare = Int(clamping: limit.rlim_cur) - 40
        openDirectoryLimit = min(max(spare / (threadCount + 1), 2), 6)
    }

    // MARK: stopping

    /// Whether the restore is to end: what is left of its tasks is given up.
    var isStopped: Bool {
        if isStoppedFlag.load(ordering: .relaxed) { return true }
        guard progress.isCancelled else { return false }
        stop(StoreError(.interrupted, "interrupted"))
        return true
    }

    /// Ends the restore; the first error counts.
    func stop(_ error: StoreError) {
        stopped.withLock { $0 = $0 ?? error }
        isStoppedFlag.store(true, ordering: .relaxed)
    }

    func checkStopped() throws(StoreError) {
        if let error = stopped.withLock({ $0 }) { throw error }
    }

    // MARK: tasks

    /// Hands a task over; waits while the workers have enough to do.
    func push(_ task: RestoreTask) {
        let uses = task.useCount
        unfinished.wait { state -> Void? in
            guard state.uses < Self.useLimit else { return nil }
            state.tasks += 1
            state.uses += uses
            return ()
        }
        tasks.push(task)
    }

    /// - Parameter useCount: of the task.
    func finishTask(useCount: Int) {
        unfinished.withLock { state in
            state.tasks -= 1
            state.uses -= useCount
        }
    }

    /// Waits until no task is left that might ask for another plan.
    func waitForTasks() { unfinished.wait { $0.tasks == 0 ? () : nil } }

    /// Asks the planner to plan the content of a file, whatever is there under its name.
    func planAgain(_ file: RestoreFile) { again.withLock { $0.append(file) } }

    func takeAgain() -> [RestoreFile] {
        again.withLock { again in
            defer { again = [] }
            return again
        }
    }

    // MARK: the report

    func count(_ change: (inout RestoreReport) -> Void) { report.withLock { change(&$0) } }

    var finishedReport: RestoreReport { report.withLock { $0 } }

    /// Notes what would happen.
    func foresee(_ count: (inout RestorePlanSummary) -> Void, change: () -> RestorePlanSummary.Change?) {
        forecast.withLock { forecast in
            count(&forecast)
            guard forecast.changes.count < Self.errorLimit, let change = change() else { return }
            forecast.changes.append(change)
        }
    }

    var finishedForecast: RestorePlanSummary { forecast.withLock { $0 } }

    func report(_ path: [UInt8], _ failure: RestoreFailure) {
        if options.isDryRun { foresee { $0.failing += 1 } change: { .init(path: path, action: .fail) } }
        if failure.error.errno == ENOSPC || failure.error.errno == EDQUOT { return stop(failure.error.at(path)) }
        let remedy = failure.error.remedy.map { " (\($0))" } ?? ""
        let error = RestoreError(
            path: path, operation: failure.operation, message: failure.error.message + remedy,
            isDamage: failure.isDamage, errno: failure.error.errno ?? 0)
        report.withLock { report in
            report.errorsTotal += 1
            if failure.isDamage { report.damagedTotal += 1 }
            if report.errors.count < Self.errorLimit { report.errors.append(error) }
        }
        progress.update { $0.errors += 1 }
    }

    func report(_ path: [UInt8], _ operation: String, _ error: StoreError) {
        report(path, RestoreFailure(operation, error))
    }

    /// A device file that this user cannot make.
    func reportDevice(_ path: [UInt8]) {
        devices.withLock { devices in devices = (devices?.path ?? path, (devices?.count ?? 0) + 1) }
    }

    /// Reports what is reported once for all files.
    func reportSummaries() {
        if let devices = devices.withLock({ $0 }) {
            let message = "\(devices.count) device files could not be made: only root can"
            report(devices.path, "device", StoreError(.denied, message, errno: EPERM))
        }
        for (loss, count) in metadata.losses.sorted(by: { $0.key.description < $1.key.description }) {
            notice("\(loss.description) (\(count) files)")
        }
    }

    func notice(_ text: String) {
        report.withLock { report in if !report.notices.contains(text) { report.notices.append(text) } }
    }

    // MARK: hard links

    func lockLater(_ file: RestoreFile) { locked.withLock { $0.append(file) } }

    var lockedFiles: [RestoreFile] { locked.withLock { $0 } }
}
