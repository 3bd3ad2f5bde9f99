import Glibc
import VarveFormat

/// Reads, cuts, hashes and stores the bytes of files, many small files at a time so that the hasher's lanes stay full.
/// One for each worker.
final class ContentWriter {
    /// A chunk in the arena that has no id yet.
    private struct Chunk {
        let start: Int
        let count: Int
        let file: Int
    }

    /// A file being read.
    struct FileRead {
        /// Which of `contents` it is.
        let file: Int
        let byteCount: UInt64
        /// Why reading stopped before the end. Failures of the repository are thrown instead.
        var error: StoreError?
    }

    private static let readSize = 256 << 10
    private static let arenaSize = 1 << 20

    private let index: BlobIndex
    private let hasher: BlobHasher
    private let chunker: Chunker
    private let limiter: ReadLimiter?
    /// Both nil in a dry run, which stores nothing.
    private let data: PackWriter?
    private let tree: PackWriter?
    private let listFanout: Int

    private var arena: UnsafeMutableRawBufferPointer
    private var used = 0
    /// Where the bytes start that are not in a chunk yet.
    private var uncut = 0
    private var chunks: [Chunk] = []
    private var ids: [BlobID] = []
    private var buffers: [UnsafeRawBufferPointer] = []
    /// The ids of each file since `reset`.
    private(set) var contents: [[BlobID]] = []
    private(set) var newBlobCount: Int64 = 0
    private(set) var blobCount: Int64 = 0
    private(set) var addedBytes: UInt64 = 0

    init(run: ArchiveRun, data: PackWriter?, tree: PackWriter?) {
        index = run.index
        hasher = run.repository.keys.blobHasher
        chunker = run.repository.keys.chunker
        listFanout = run.repository.config.listFanout
        limiter = run.readLimiter
        self.data = data
        self.tree = tree
        arena = .allocate(byteCount: Self.arenaSize, alignment: 64)
    }

    deinit { arena.deallocate() }

    /// Forgets the contents handed out.
    func reset() {
        contents.removeAll(keepingCapacity: true)
        newBlobCount = 0
        blobCount = 0
        addedBytes = 0
    }

    /// Reads an open file or stream to its end. Its ids are complete after `flush`.
    ///
    /// - Parameter expected: the size that stat told; nil for a stream.
    func read(
        _ descriptor: Int32, parameters: ChunkParameters, expected: UInt64?
    ) throws(StoreError) -> FileRead {
        let file = contents.count
        contents.append([])
        uncut = used
        try reserve(for: parameters)
        var total: UInt64 = 0
        while true {
            if arena.count - used < min(Self.readSize, arena.count / 4) { try makeRoom() }
            var wanted = min(arena.count - used, Self.readSize)
            if let expected, expected >= total, expected - total < UInt64(wanted) {
                // One byte more than expected: a short answer then says that the file ends here.
                wanted = min(wanted, Int(expected - total) + 1)
            }
            limiter?.wait(for: wanted)
            let count = Glibc.read(descriptor, arena.baseAddress.map { $0 + used }, wanted)
            if count < 0 {
                if errno == EINTR { continue }
                // What was read and not cut is dropped; it belongs to no chunk.
                let error = StoreError.system(errno, "read the file")
                uncut = used
                return FileRead(file: file, byteCount: total, error: error)
            }
            used += count
            total += UInt64(count)
            let isEnd = count == 0 || (expected != nil && count < wanted)
            if isEnd || used - uncut >= parameters.maximum { cut(file, parameters, isFinal: isEnd) }
            if isEnd { return FileRead(file: file, byteCount: total) }
        }
    }

    /// Stores all chunks and completes the contents.
    func flush() throws(StoreError) { try makeRoom() }

    /// The content of a file as an entry names it, with list blobs for long ones.
    func content(of ids: [BlobID]) throws(StoreError) -> FileContent {
        if ids.isEmpty { return .empty }
        if ids.count <= listFanout { return .blobs(ids) }
        let root = try ListCoding.build(leafIDs: ids, fanout: listFanout) { (encoded) throws(StoreError) -> BlobID in
            try store(.list, encoded)
        }
        return .list(root)
    }

    /// Stores a tree, list or treelist blob unless the repository has it.
    func store(_ type: BlobType, _ bytes: [UInt8]) throws(StoreError) -> BlobID {
        let id = hasher.id(type, bytes)
        blobCount += 1
        if index.claim(id) {
            newBlobCount += 1
            addedBytes += UInt64(bytes.count)
            try bytes.withBytes { (bytes) throws(StoreError) in try tree?.add(type, id, bytes) }
        }
        return id
    }

    /// Finishes what the pack writers hold.
    func finishPacks() throws(StoreError) {
        try data?.flush()
        try tree?.flush()
    }

    /// Drops what the pack writers hold.
    func abandonPacks() {
        data?.abandon()
        tree?.abandon()
    }

    private func cut(_ file: Int, _ parameters: ChunkParameters, isFinal: Bool) {
        while uncut < used {
            let rest = UnsafeRawBufferPointer(rebasing: arena[uncut..<used])
            guard let count = chunker.nextCut(in: rest, parameters: parameters, isFinal: isFinal) else { return }
            chunks.append(Chunk(start: uncut, count: count, file: file))
            uncut += count
            // With less than a whole chunk left the search would begin again with every read.
            if !isFinal && used - uncut < parameters.maximum { return }
        }
    }

    /// Hashes and stores the chunks, and moves what is not cut yet to the beginning.
    private func makeRoom() throws(StoreError) {
        buffers.removeAll(keepingCapacity: true)
        for chunk in chunks {
            buffers.append(UnsafeRawBufferPointer(rebasing: arena[chunk.start..<chunk.start + chunk.count]))
        }
        hasher.ids(.data, buffers, into: &ids)
        blobCount += Int64(chunks.count)
        for (position, chunk) in chunks.enumerated() {
            contents[chunk.file].append(ids[position])
            if index.claim(ids[position]) {
                newBlobCount += 1
                addedBytes += UInt64(chunk.count)
                try data?.add(.data, ids[position], buffers[position])
            }
        }
        chunks.removeAll(keepingCapacity: true)
        if let base = arena.baseAddress, uncut > 0 { memmove(base, base + uncut, used - uncut) }
        used -= uncut
        uncut = 0
    }

    /// Makes sure that a whole chunk and a read fit.
    private func reserve(for parameters: ChunkParameters) throws(StoreError) {
        let wanted = max(Self.arenaSize, parameters.maximum + parameters.maximum / 2)
        guard arena.count < wanted else { return }
        try makeRoom()
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: wanted, alignment: 64)
        larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: arena[..<used]))
        arena.deallocate()
        arena = larger
    }
}
