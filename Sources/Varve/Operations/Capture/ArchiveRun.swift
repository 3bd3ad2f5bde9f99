import Glibc
import Synchronization
import VarveFormat

/// Everything that the workers of one capture share.
final class ArchiveRun: Sendable {
    /// What a capture counts. Workers count for themselves and add up after each task.
    struct Counters: Sendable {
        var files: Int64 = 0
        var directories: Int64 = 0
        var symlinks: Int64 = 0
        var specials: Int64 = 0
        var filesNew: Int64 = 0
        var filesChanged: Int64 = 0
        var filesUnmodified: Int64 = 0
        var excluded: Int64 = 0
        var skipped: Int64 = 0
        var blobsNew: Int64 = 0
        var blobsTotal: Int64 = 0
        var bytesTotal: UInt64 = 0
        var bytesRead: UInt64 = 0
        var bytesAdded: UInt64 = 0
        /// Bytes read although stat says that nothing changed: what quick would not have read.
        var bytesUnchanged: UInt64 = 0
        /// Bytes read of files whose stat had not changed, however lately they were written.
        var bytesUnmodified: UInt64 = 0

        mutating func add(_ other: Counters) {
            files += other.files
            directories += other.directories
            symlinks += other.symlinks
            specials += other.specials
            filesNew += other.filesNew
            filesChanged += other.filesChanged
            filesUnmodified += other.filesUnmodified
            excluded += other.excluded
            skipped += other.skipped
            blobsNew += other.blobsNew
            blobsTotal += other.blobsTotal
            bytesTotal += other.bytesTotal
            bytesRead += other.bytesRead
            bytesAdded += other.bytesAdded
            bytesUnchanged += other.bytesUnchanged
            bytesUnmodified += other.bytesUnmodified
        }
    }

    private struct Log {
        var errors: [CaptureError] = []
        var errorCount: Int64 = 0
        var notices: [String] = []
    }

    static let errorLimit = 1_000

    let repository: Repository
    let options: Archiver.Options
    let progress: Progress
    let index: BlobIndex
    let stack = WorkStack<ArchiveTask>()
    let links = HardLinkTable()
    let owners = OwnerNames()
    let components: CaptureComponents
    /// Names that lead to the sources, by the path of the directory that holds them.
    let forest: SourceForest
    /// What earlier captures found, and what this one finds.
    let caches: CaptureCaches
    let checkpoints: CheckpointClock
    let readLimiter: ReadLimiter?
    /// (device, inode) of directories that are never captured.
    let ownDirectories: Set<HardLinkTable.FileIdentity>
    /// The walk met a directory that waits for hard-link keys.
    let waiting = Mutex<[DirectoryNode]>([])
    /// The finished root tree.
    let root = Mutex<BlobID?>(nil)

    /// Knows whether all blobs of a long file are there.
    let lists: ListChecker
    /// What is known about the databases that were captured, by their paths.
    let databases = Mutex<[[UInt8]: JSONValue]>([:])
    /// What the parent snapshot says about its databases.
    let parentDatabases: [[UInt8]: JSONValue]
    /// The parent snapshot's trees, where size and modification time are enough; else nil.
    let parentTree: ParentTree?
    /// What the parent snapshot has, for databases; nil if they are to be stored without it.
    let parentContents: ParentContents?
    private let reached = Mutex<Set<[UInt8]>>([])
    private let linksKnown = Atomic(false)
    private let fileParameters: ChunkParameters
    private let largeParameters: ChunkParameters
    private let counters = Mutex(Counters())
    private let log = Mutex(Log())

    init(
        repository: Repository, options: Archiver.Options, progress: Progress, index: BlobIndex, forest: SourceForest,
        caches: CaptureCaches, parent: Snapshot?
    ) throws(StoreError) {
        self.repository = repository
        self.options = options
        self.progress = progress
        self.index = index
        self.forest = forest
        components = CaptureComponents(options.components, directories: options.paths)
        self.caches = caches
        checkpoints = CheckpointClock(interval: options.isDryRun ? 0 : options.checkpointInterval)
        readLimiter = options.readLimit.map { ReadLimiter(bytesPerSecond: $0) }
        var own: Set<HardLinkTable.FileIdentity> = []
        for path in options.ownDirectories {
            if let stat = try? FileStat.at(AT_FDCWD, path) {
                own.insert(HardLinkTable.FileIdentity(stat))
            }
        }
        ownDirectories = own
        // Packs without an index file are not looked into: a writer must not rely on them.
        let loader = repository.loader(index, cacheBytes: 6 << 20, searchesUnindexedPacks: false)
        lists = ListChecker(index: index, loader: loader)
        parentDatabases = options.contentProvider == nil ? [:] : Self.databases(of: parent)
        parentTree = Self.parentTree(options, caches, parent, loader)
        parentContents = options.storesDeltas
            ? parent.map { ParentContents(root: $0.manifest.treeRoot, loader: loader) } : nil
        fileParameters = try ChunkParameters(repository.config.chunker.file)
        largeParameters = try ChunkParameters(repository.config.chunker.large)
    }

    private static func parentTree(
        _ options: Archiver.Options, _ caches: CaptureCaches, _ parent: Snapshot?, _ loader: BlobLoader
    ) -> ParentTree? {
        guard options.kind == .quick, options.trustsModificationTime, caches.complete == nil, let parent
        else { return nil }
        return ParentTree(root: parent.manifest.treeRoot, loader: loader)
    }

    /// The directory `/`: a source itself, or above the sources.
    func makeRoot() -> DirectoryNode {
        var kind = DirectoryNode.Kind.implied
        if forest.rootIsSource, let stat = try? FileStat.at(AT_FDCWD, [UInt8(ascii: "/")]) {
            kind = sourceKind([], stat)
        }
        return DirectoryNode(parent: nil, position: .init(), name: [], kind: kind)
    }

    /// What a source is captured under.
    func sourceKind(_ path: [UInt8], _ stat: FileStat) -> DirectoryNode.Kind {
        let source = CaptureSource(path: path, device: stat.device, options: options, components: components)
        let rules = PathRules(root: path.isEmpty ? [UInt8(ascii: "/")] : path, rules: source.exclusions.rules)
        return .captured(source, rules, rules.initial)
    }

    /// Whether the walk must not enter: another file system under --one-file-system, or one that holds no files.
    func isForeign(_ descriptor: Int32, _ stat: FileStat, _ source: CaptureSource) -> Bool {
        guard stat.device != source.device else { return false }
        if source.staysOnFileSystem { return true }
        return SpecialFileSystems.virtualType(descriptor, device: stat.device) != nil
    }

    /// Notes that a source inside another one was found.
    func reach(_ path: [UInt8]) {
        reached.withLock { _ = $0.insert(path) }
    }

    /// Reports the sources inside other sources that the walk did not come to.
    func reportUnreached() {
        let reached = reached.withLock { $0 }
        for path in forest.nested.subtracting(reached).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            report(
                CaptureError(
                    path: path, operation: "stat", errno: ENOENT,
                    message: "was not found in the source that it lies in, or lies behind a symbolic link there"))
        }
    }

    /// Throws if the capture was asked to stop, or stops because of an error elsewhere.
    func checkGoing() throws(StoreError) {
        try progress.check()
        if let error = stack.error { throw error }
    }

    /// The walk is over, so all members of every hard-link set are known: what waited for that.
    func releaseWaiting() -> [ArchiveTask] {
        linksKnown.store(true, ordering: .releasing)
        return waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting.map { .linked($0) }
        }
    }

    var linksAreKnown: Bool { linksKnown.load(ordering: .acquiring) }

    /// How files of a size are cut (FORMAT.md section 13).
    func parameters(forSize size: UInt64) -> ChunkParameters {
        size < repository.config.chunker.largeFrom ? fileParameters : largeParameters
    }

    /// How a database is cut; nil for any other file (FORMAT.md section 13).
    func databaseParameters(_ descriptor: Int32, size: UInt64) -> ChunkParameters? {
        size < UInt64(fileParameters.minimum) ? nil : DatabasePages.parameters(descriptor)
    }

    var totals: Counters { counters.withLock { $0 } }

    /// The component that a name of a directory belongs to.
    func component(of name: [UInt8], in node: DirectoryNode) -> Int? {
        if node.isImplied || !forest.nested.isEmpty, let owner = components.owner(of: node.path(of: name)) {
            return owner
        }
        return node.source?.component
    }

    /// Notes that everything in a directory was read, which may have been a source.
    func finishedReading(_ node: DirectoryNode) {
        guard let source = node.source, source.path == node.path else { return }
        components.finishedReading(source.component, source.path)
    }

    /// Adds what a worker counted, and shows it.
    func add(_ local: Counters, current: [UInt8]) {
        let sum = counters.withLock { counters in
            counters.add(local)
            return counters
        }
        progress.update { values in
            values.filesDone = Int(sum.files)
            values.bytesDone = sum.bytesTotal
            values.bytesRead = sum.bytesRead
            values.bytesStored = sum.bytesAdded
            values.currentPath = current
        }
    }

    /// Notes something that could not be captured as it is; the capture goes on.
    func report(_ path: [UInt8], _ operation: String, _ error: StoreError) {
        report(CaptureError(path: path, operation: operation, errno: error.errno ?? 0, message: error.message))
    }

    func report(_ error: CaptureError) {
        components.countError(error.path)
        log.withLock { log in
            log.errorCount += 1
            if log.errors.count < Self.errorLimit { log.errors.append(error) }
        }
        progress.update { $0.errors += 1 }
    }

    /// Says something once.
    func notice(_ text: String) {
        log.withLock { log in if !log.notices.contains(text) { log.notices.append(text) } }
    }

    var errors: (list: [CaptureError], count: Int64, notices: [String]) {
        log.withLock { ($0.errors, $0.errorCount, $0.notices) }
    }
}
