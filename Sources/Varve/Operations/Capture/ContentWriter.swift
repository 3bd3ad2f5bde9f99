import CSys
import Glibc
import VarveFormat

/// Reads, cuts, hashes and stores the bytes of files, many small files at a time so that the hasher's lanes stay full.
/// One for each worker.
final class ContentWriter {
    /// What is read.
    enum Kind {
        /// A file, with its status when it was opened.
        case file(FileStat)
        /// Standard input or a command's output, and who sees its bytes too.
        case stream(tap: (@Sendable (UnsafeRawBufferPointer) throws(StoreError) -> Void)?)
        /// What a provider has for a file.
        case provided(any ProvidedContent)
    }

    /// A file that was read.
    struct FileRead {
        /// Which file it is, for `finish`.
        let file: Int
        /// Bytes of the content, holes included.
        let byteCount: UInt64
        /// Bytes that were read.
        let readCount: UInt64
        /// The file had as many bytes as its status said.
        var isWhole = true
        /// Why reading stopped before the end. Failures of the repository are thrown instead.
        var error: StoreError?
    }

    /// A chunk in the arena that has no id yet.
    struct Chunk {
        let start: Int
        let count: Int
        let file: Int
        /// The parent's page in the place of a page.
        let predecessor: BlobID?
    }

    static let readSize = 256 << 10
    private static let arenaSize = 1 << 20
    /// Files of this length and more are shared with workers that have nothing else to do.
    private static let sharedLength: UInt64 = 16 << 20
    /// A file whose status says that it is empty, as in /proc, is read up to here.
    private static let unsizedLimit: UInt64 = 64 << 20
    /// Sparse files of this length and more are asked for their holes.
    private static let sparseLength: UInt64 = 1 << 20

    let run: ArchiveRun
    private let hasher: BlobHasher
    let chunker: Chunker
    /// Both nil in a dry run, which stores nothing.
    private let data: PackWriter?
    private let tree: PackWriter?
    /// In front of these; nil where nothing is stored as what changed.
    private let dataDeltas: DeltaWriter?
    private let treeDeltas: DeltaWriter?
    /// Called now and then while a long file is read.
    private let whileReading: () throws(StoreError) -> Void
    private let listFanout: Int
    private let readSize: Int

    var arena: UnsafeMutableRawBufferPointer
    var used = 0
    /// Where the bytes start that are not in a chunk yet.
    var uncut = 0
    var chunks: [Chunk] = []
    var ids: [BlobID] = []
    var buffers: [UnsafeRawBufferPointer] = []
    /// The parent's pages in the places of `buffers`; empty if there are none.
    var predecessors: [BlobID?] = []
    private var contents: [FileBlobs] = []
    var zeros: ZeroChunk?
    /// The content that is being read, if it does not come from a descriptor.
    private var provided: (any ProvidedContent)?
    /// Who sees the bytes of the stream that is being read.
    private var tap: (@Sendable (UnsafeRawBufferPointer) throws(StoreError) -> Void)?
    /// The long file that is being read.
    var shared: SharedFile?
    /// What the parent snapshot has of the file that is being read.
    var pages: ParentPages?
    private(set) var newBlobCount: Int64 = 0
    var blobCount: Int64 = 0
    private(set) var addedBytes: UInt64 = 0

    init(
        run: ArchiveRun, data: PackWriter?, tree: PackWriter?, dataDeltas: DeltaWriter? = nil,
        treeDeltas: DeltaWriter? = nil, whileReading: @escaping () throws(StoreError) -> Void = {}
    ) {
        self.run = run
        self.whileReading = whileReading
        hasher = run.repository.keys.blobHasher
        chunker = run.repository.keys.chunker
        listFanout = run.repository.config.listFanout
        // A slow limit must not keep a reader waiting for long at a time.
        readSize = run.options.readLimit.map { Int(min(UInt64(Self.readSize), max(4_096, $0 / 8))) } ?? Self.readSize
        self.data = data
        self.tree = tree
        self.dataDeltas = dataDeltas
        self.treeDeltas = treeDeltas
        arena = .allocate(byteCount: Self.arenaSize, alignment: 64)
    }

    deinit { arena.deallocate() }

    /// Forgets the contents, which were all handed out.
    func forgetContents() { contents.removeAll(keepingCapacity: true) }

    /// Whether enough is waiting to be hashed and stored that it is worth while.
    var isWellFilled: Bool { used >= Self.arenaSize / 2 }

    /// Counts from zero again.
    func resetCounts() {
        newBlobCount = 0
        blobCount = 0
        addedBytes = 0
    }

    /// Reads an open file or stream to its end. Its ids are complete after `flush`.
    ///
    /// - Parameter parent: the pages of a database as the parent snapshot has them.
    func read(
        _ descriptor: Int32, _ kind: Kind, parameters: ChunkParameters, parent: ParentPages? = nil
    ) throws(StoreError) -> FileRead {
        var expected: UInt64?
        var extents = Extents()
        provided = nil
        if case .provided(let content) = kind {
            provided = content
            expected = content.size
        }
        if case .stream(let tap) = kind { self.tap = tap }
        defer {
            provided = nil
            tap = nil
        }
        if case .file(let stat) = kind {
            // A file that claims to be empty may be one of /proc.
            if stat.size > 0 { expected = stat.size }
            if stat.size >= Self.sparseLength, stat.blocks * 512 < stat.size { extents = Extents(of: descriptor) }
        }
        let file = contents.count
        contents.append(FileBlobs(parent: parent))
        uncut = used
        pages = parent
        defer { pages = nil }
        try reserve(for: parameters)
        guard let expected, expected >= Self.sharedLength, data != nil else {
            return try read(descriptor, file, parameters, expected: expected, isFile: kind.isFile, &extents)
        }
        try makeRoom()
        let sharing = SharedFile(file: file)
        shared = sharing
        defer {
            sharing.exchange.close()
            shared = nil
        }
        let result = try read(descriptor, file, parameters, expected: expected, isFile: true, &extents)
        try finishShared(sharing)
        return result
    }

    private func read(
        _ descriptor: Int32, _ file: Int, _ parameters: ChunkParameters, expected: UInt64?, isFile: Bool,
        _ extents: inout Extents
    ) throws(StoreError) -> FileRead {
        var total: UInt64 = 0
        var readCount: UInt64 = 0
        while true {
            if let expected, total < expected, let hole = extents.hole(at: total, end: expected) {
                try appendZeros(hole, file, parameters)
                total += hole
                continue
            }
            if arena.count - used < min(Self.readSize, arena.count / 4) { try makeRoom() }
            var wanted = min(arena.count - used, readSize)
            if let expected {
                // One byte more than expected tells whether the file ends here.
                let rest = expected - total + 1
                if rest < UInt64(wanted) { wanted = Int(rest) }
                if let length = extents.dataLength(at: total), length < UInt64(wanted) { wanted = Int(length) }
            }
            if !isFile { try waitForInput(descriptor) }
            let count: Int
            do throws(StoreError) {
                count = try readBytes(descriptor, count: wanted, at: total)
            } catch {
                // What was read and not cut is dropped; it belongs to no chunk.
                uncut = used
                return FileRead(file: file, byteCount: total, readCount: readCount, error: error)
            }
            run.readLimiter?.wait(for: count)
            readCount += UInt64(count)
            total += UInt64(count)
            used += count
            var isWhole = true
            if let expected, total > expected {
                // It grows: no more of it than its status said, or there might be no end.
                used -= 1
                total -= 1
                isWhole = false
            } else if expected == nil, isFile, total > Self.unsizedLimit {
                isWhole = false
            }
            let isEnd = count == 0 || !isWhole || (total == expected && count < wanted)
            if isEnd || used - uncut >= parameters.maximum { cut(file, parameters, isFinal: isEnd) }
            if isEnd {
                isWhole = isWhole && (expected == nil || total == expected)
                return FileRead(file: file, byteCount: total, readCount: readCount, isWhole: isWhole)
            }
            if wanted == readSize { try run.checkGoing() }
        }
    }

    /// Reads behind what is in the arena.
    private func readBytes(_ descriptor: Int32, count: Int, at offset: UInt64) throws(StoreError) -> Int {
        let target = UnsafeMutableRawBufferPointer(rebasing: arena[used..<used + count])
        if let provided { return try provided.read(into: target, at: offset) }
        let count = try Syscalls.check(sys_read(descriptor, target.baseAddress, count), "read the file", nil)
        if let tap, count > 0 { try tap(UnsafeRawBufferPointer(rebasing: target[..<count])) }
        return count
    }

    /// Waits until a stream has bytes or ends, and notices meanwhile that the caller wants to stop.
    private func waitForInput(_ descriptor: Int32) throws(StoreError) {
        while sys_wait_readable(descriptor, 200) == 0 { try run.checkGoing() }
    }

    /// Stores all chunks and completes the contents.
    func flush() throws(StoreError) { try makeRoom() }

    /// The content of a file that was read, with list blobs for a long one; after `flush`, and once.
    func finish(_ file: Int) throws(StoreError) -> FileContent {
        let blobs = contents[file]
        contents[file] = FileBlobs()
        return try blobs.finish(fanout: listFanout) { (encoded) throws(StoreError) in
            try storeList(encoded, blobs.parent)
        }
    }

    /// Stores a list blob of a file, the first level of a database's as what changed since the parent snapshot.
    private func storeList(_ bytes: [UInt8], _ parent: ParentPages?) throws(StoreError) -> BlobID {
        guard let parent, BlobListNode.level(of: bytes) == 0 else { return try store(.list, bytes) }
        return try store(.list, bytes, after: parent.nextLeaf())
    }

    /// Stores a tree, list or treelist blob unless the repository has it.
    ///
    /// - Parameter predecessor: an earlier state of it.
    func store(
        _ type: BlobType, _ bytes: [UInt8], after predecessor: BlobID? = nil
    ) throws(StoreError) -> BlobID {
        let id = hasher.id(type, bytes)
        blobCount += 1
        if run.index.claim(id) {
            newBlobCount += 1
            addedBytes += UInt64(bytes.count)
            try bytes.withBytes { (bytes) throws(StoreError) in
                if let predecessor, let treeDeltas {
                    try treeDeltas.add(type, id, bytes, after: predecessor)
                } else {
                    try tree?.add(type, id, bytes)
                }
            }
        }
        return id
    }

    /// Finishes what the pack writers hold.
    func finishPacks() throws(StoreError) {
        try dataDeltas?.flush()
        try treeDeltas?.flush()
        try data?.flush()
        try tree?.flush()
    }

    /// Drops what the pack writers hold.
    func abandonPacks() {
        dataDeltas?.abandon()
        treeDeltas?.abandon()
        data?.abandon()
        tree?.abandon()
    }

    func cut(_ file: Int, _ parameters: ChunkParameters, isFinal: Bool) {
        while uncut < used {
            let rest = UnsafeRawBufferPointer(rebasing: arena[uncut..<used])
            guard let count = chunker.nextCut(in: rest, parameters: parameters, isFinal: isFinal) else { return }
            chunks.append(Chunk(start: uncut, count: count, file: file, predecessor: pages?.next()))
            uncut += count
            // With less than a whole chunk left the search would begin again with every read.
            if !isFinal && used - uncut < parameters.maximum { return }
        }
    }

    /// Hashes and stores the chunks, or leaves them to another worker, and moves what is not cut yet to the beginning.
    func makeRoom() throws(StoreError) {
        if let shared, !chunks.isEmpty {
            try handOver(shared)
            return try whileReading()
        }
        buffers.removeAll(keepingCapacity: true)
        predecessors.removeAll(keepingCapacity: true)
        let hasPredecessors = chunks.contains { $0.predecessor != nil }
        for chunk in chunks {
            if hasPredecessors { predecessors.append(chunk.predecessor) }
            buffers.append(UnsafeRawBufferPointer(rebasing: arena[chunk.start..<chunk.start + chunk.count]))
        }
        try storeBuffers()
        for (position, chunk) in chunks.enumerated() { try append(ids[position], to: chunk.file) }
        chunks.removeAll(keepingCapacity: true)
        moveUncut()
    }

    /// Moves what is not cut yet to the beginning of the arena.
    func moveUncut() {
        if let base = arena.baseAddress, uncut > 0 { memmove(base, base + uncut, used - uncut) }
        used -= uncut
        uncut = 0
    }

    /// Names what is in `buffers`, in `ids`, and stores what is new.
    func storeBuffers() throws(StoreError) {
        hasher.ids(.data, buffers, into: &ids)
        blobCount += Int64(buffers.count)
        for (position, buffer) in buffers.enumerated() where run.index.claim(ids[position]) {
            newBlobCount += 1
            addedBytes += UInt64(buffer.count)
            if let dataDeltas, !predecessors.isEmpty, let predecessor = predecessors[position] {
                try dataDeltas.add(.data, ids[position], buffer, after: predecessor)
            } else {
                try data?.add(.data, ids[position], buffer)
            }
        }
    }

    func append(_ id: BlobID, to file: Int) throws(StoreError) {
        let parent = contents[file].parent
        try contents[file].append(id, fanout: listFanout) { (encoded) throws(StoreError) in
            try storeList(encoded, parent)
        }
    }

    /// Makes sure that a whole chunk and a read fit, and of long chunks as many as the lanes of the hash want.
    private func reserve(for parameters: ChunkParameters) throws(StoreError) {
        let wanted = max(Self.arenaSize, 3 * parameters.maximum)
        guard arena.count < wanted else { return }
        try makeRoom()
        replaceArena(count: wanted)
    }

    /// Moves what is not cut yet into a new arena; the old one is handed out.
    @discardableResult
    func replaceArena(count: Int, keepsOld: Bool = false) -> UnsafeMutableRawBufferPointer {
        let old = arena
        arena = .allocate(byteCount: count, alignment: 64)
        arena.copyMemory(from: UnsafeRawBufferPointer(rebasing: old[uncut..<used]))
        used -= uncut
        uncut = 0
        if !keepsOld { old.deallocate() }
        return old
    }
}

extension ContentWriter.Kind {
    fileprivate var isFile: Bool {
        if case .stream = self { return false }
        return true
    }
}
