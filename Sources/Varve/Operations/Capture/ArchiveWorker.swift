import CSys
import Glibc
import VarveFormat

/// One thread of a capture: takes a task and does all of it (list, stat, read, cut, hash, compress, seal, append to its
/// own packs), so that nothing waits in queues between stages.
final class ArchiveWorker {
    static let batchFileCount = 256
    static let batchByteCount: UInt64 = 4 << 20

    let run: ArchiveRun
    let content: ContentWriter
    let writesBlobs: Bool
    var counters = ArchiveRun.Counters()
    private var componentCounts: [ComponentCounts]
    var owners = OwnerMemo()
    /// Batches that were read, and wait for others so that many chunks are hashed at once.
    var unfinished: [ReadBatch] = []

    init(run: ArchiveRun, content: ContentWriter) {
        self.run = run
        self.content = content
        componentCounts = Array(repeating: ComponentCounts(), count: run.components.count)
        writesBlobs = !run.options.isDryRun
    }

    /// Does one task.
    func perform(_ task: ArchiveTask) throws(StoreError) {
        try run.progress.check()
        let current: [UInt8]
        switch task {
        case .directory(let node):
            current = node.path
            try scan(node)
        case .slice(let node):
            current = node.path
            try startSlice(node)
        case .files(let node, let slots):
            current = node.path
            try captureFiles(node, slots)
        case .streams(let node, let streams):
            current = streams.first?.stream.path ?? node.path
            try captureStreams(node, streams)
        case .help(let exchange):
            current = []
            try content.help(exchange)
        case .linked(let node):
            current = node.path
            try advance(node)
        }
        addUp(current: current)
    }

    /// Finishes the files that were read. To be called before this worker waits for anything.
    func settle() throws(StoreError) {
        try content.flush()
        var batches: [ReadBatch] = []
        swap(&batches, &unfinished)
        for batch in batches { try finish(batch) }
        content.forgetContents()
        addUp(current: batches.last?.node.path ?? [])
    }

    private func addUp(current: [UInt8]) {
        counters.blobsNew += content.newBlobCount
        counters.blobsTotal += content.blobCount
        counters.bytesAdded += content.addedBytes
        content.resetCounts()
        run.add(counters, current: current)
        counters = ArchiveRun.Counters()
        guard !componentCounts.isEmpty else { return }
        run.components.add(componentCounts)
        for index in componentCounts.indices { componentCounts[index] = ComponentCounts() }
    }

    /// Counts something for a component.
    func tally(_ component: @autoclosure () -> Int?, _ change: (inout ComponentCounts) -> Void) {
        guard !componentCounts.isEmpty, let component = component() else { return }
        change(&componentCounts[component])
    }

    /// Opens and lists a directory, and starts its first slice.
    private func scan(_ node: DirectoryNode) throws(StoreError) {
        var operation = "list"
        do throws(StoreError) {
            switch node.kind {
            case .implied: try openImplied(node)
            case .captured(let source, _, _):
                if node.path == source.path, writesBlobs {
                    operation = "prepare"
                    try run.components.prepare(source.component)
                    operation = "list"
                }
                try openCaptured(node, source)
            }
        } catch {
            if error.isFatalForCapture { throw error }
            keepUnlisted(node, operation, error)
        }
        try startSlice(node)
    }

    /// A directory that could not be listed is reported and stays in the tree, empty, as long as it is there at all.
    private func keepUnlisted(_ node: DirectoryNode, _ operation: String, _ error: StoreError) {
        let isForStreams = node.isImplied && run.forest.holdsOnlyStreams(node.path)
        if !isForStreams { run.report(node.displayPath, operation, error) }
        guard isForStreams || error.errno != ENOENT, let parent = node.parent else { return }
        let stat = parent.state.withLock { state -> FileStat? in
            let index = node.position.slice - state.encodedSliceCount
            return state.slices.indices.contains(index) ? state.slices[index].slots[node.position.slot].stat : nil
        }
        guard let stat, stat.isDirectory else { return }
        let attributes = self.attributes(stat, xattrs: [], inodeFlags: [], isImplied: node.isImplied)
        node.state.withLock { $0.attributes = attributes }
    }

    /// A directory above the sources: attributes only; its names are those that lead to them.
    private func openImplied(_ node: DirectoryNode) throws(StoreError) {
        let descriptor = try openDirectory(node, flags: SYS_O_PATH | O_DIRECTORY)
        let handle = DirectoryHandle(owning: descriptor)
        let stat = try FileStat.of(descriptor)
        let attributes = self.attributes(stat, xattrs: [], inodeFlags: [], isImplied: true)
        // A source that is a file is looked up here.
        let caches = run.caches
        var names = NameList()
        for (name, target) in run.forest.names(in: node.path) {
            guard case .source = target else { continue }
            try name.withBytes { (bytes) throws(StoreError) in try names.append(bytes, type: SYS_DT_UNKNOWN) }
        }
        let candidates = databaseCandidates(names)
        node.state.withLock { state in
            state.handle = handle
            state.attributes = attributes
            state.databaseCandidates = candidates
            state.cursor = caches.complete?.directory(node.path)
            state.resumeCursor = caches.interrupted?.directory(node.path)
        }
        if node.parent == nil { openParentTree(node) }
    }

    private func openCaptured(_ node: DirectoryNode, _ source: CaptureSource) throws(StoreError) {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK
        var descriptor: Int32
        do {
            descriptor = try openDirectory(node, flags: flags | SYS_O_NOATIME)
        } catch {
            guard error.errno == EPERM else { throw error }
            descriptor = try openDirectory(node, flags: flags)
        }
        let handle = DirectoryHandle(owning: descriptor)
        let stat = try FileStat.of(descriptor)
        let attributes = self.attributes(
            stat, xattrs: run.xattrs(.descriptor(descriptor), node.path),
            inodeFlags: run.inodeFlags(descriptor, node.path), isImplied: false)
        var names = NameList()
        if run.ownDirectories.contains(HardLinkTable.FileIdentity(stat)) {
            run.notice("the repository and the caches are not captured: " + String(decoding: node.path, as: UTF8.self))
            counters.skipped += 1
            tally(source.component) { $0.skipped += 1 }
        } else if node.path == source.path || !run.isForeign(descriptor, stat, source) {
            names = try listDirectory(descriptor)
        } else {
            counters.skipped += 1
            tally(source.component) { $0.skipped += 1 }
            for name in run.forest.nestedNames(in: node.path) {
                try name.withBytes { (bytes) throws(StoreError) in try names.append(bytes, type: SYS_DT_UNKNOWN) }
            }
            names.sort()
        }
        if node.parent == nil { openParentTree(node) }
        let path = node.path
        let cursor = run.caches.complete?.directory(path)
        let resumeCursor = run.caches.interrupted?.directory(path)
        let candidates = databaseCandidates(names)
        let listed = names
        node.state.withLock { state in
            state.handle = handle
            state.attributes = attributes
            state.names = listed
            state.databaseCandidates = candidates
            state.cursor = cursor
            state.resumeCursor = resumeCursor
        }
    }

    private func openDirectory(_ node: DirectoryNode, flags: Int32) throws(StoreError) -> Int32 {
        guard let parent = node.parent else { return try sysOpen(AT_FDCWD, [UInt8(ascii: "/")], flags) }
        guard let handle = parent.state.withLock({ $0.handle }) else {
            throw StoreError(.missing, "its directory could not be opened")
        }
        return try sysOpen(handle.descriptor, node.name, flags)
    }

    /// Opens a name relative to a directory.
    func sysOpen(_ directory: Int32, _ name: [UInt8], _ flags: Int32) throws(StoreError) -> Int32 {
        try Syscalls.check(Syscalls.withName(name) { sys_openat(directory, $0, flags, 0) }, "open", nil)
    }
}
