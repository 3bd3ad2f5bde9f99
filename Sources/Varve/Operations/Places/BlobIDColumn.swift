import VarveFormat

/// Where ids of blobs may go that memory shall not hold.
package struct SpillPlace: Sendable {
    /// So many ids are always kept in memory: 32 MiB of them.
    package static let defaultLimit = 1 << 20

    let directory: String?
    let limit: Int

    /// - Parameters:
    ///   - directory: for a temporary file; nil to keep all in memory.
    ///   - limit: ids up to which there is no file.
    package init(directory: String?, limit: Int = Self.defaultLimit) {
        self.directory = directory
        self.limit = limit
    }
}

/// Ids of blobs by position: in memory up to a limit, then in a temporary file but for the last ones.
///
/// If the file cannot be written, everything comes back into memory.
struct BlobIDColumn {
    /// Ids that are read or written at once.
    static let runLength = 32_768
    private static let stride = MemoryLayout<BlobID>.stride

    private let place: SpillPlace
    private var isSpilling: Bool
    private var file: SpillFile?
    /// Ids in the file.
    private var written = 0
    /// The ids that follow.
    private var tail = GrowingColumn<BlobID>()

    init(_ place: SpillPlace) {
        self.place = place
        isSpilling = place.directory != nil
    }

    var count: Int { written + tail.count }

    mutating func free() {
        tail.free()
        file = nil
        written = 0
    }

    /// Makes room for more ids, which are undefined, and returns the first.
    ///
    /// - Throws: `failed` if there is no memory, or if what was written cannot be read.
    mutating func grow(by added: Int) throws(StoreError) -> UnsafeMutablePointer<BlobID> {
        if isSpilling, count + added > place.limit, tail.count >= Self.runLength || file == nil, tail.count > 0 {
            try spill()
        }
        return try tail.grow(by: added)
    }

    private mutating func spill() throws(StoreError) {
        if file == nil { file = place.directory.flatMap { SpillFile(in: $0) } }
        let bytes = UnsafeRawBufferPointer(start: tail.memory, count: tail.count * Self.stride)
        if let file, file.write(bytes, at: written * Self.stride) {
            written += tail.count
            tail.free()
        } else {
            isSpilling = false
            try bringBack()
        }
    }

    private mutating func bringBack() throws(StoreError) {
        guard let file, written > 0 else { return }
        var all = GrowingColumn<BlobID>()
        let memory = try all.grow(by: count)
        do throws(StoreError) {
            try file.read(UnsafeMutableRawBufferPointer(start: memory, count: written * Self.stride), at: 0)
        } catch {
            all.free()
            throw error
        }
        if let last = tail.memory { (memory + written).update(from: last, count: tail.count) }
        free()
        tail = all
    }

    /// The id at a position below `count`.
    ///
    /// - Throws: `failed` if the file cannot be read.
    func id(_ position: Int) throws(StoreError) -> BlobID {
        if position >= written, let memory = tail.memory { return memory[position - written] }
        var id = BlobID(0, 0, 0, 0)
        var failure: StoreError?
        withUnsafeMutableBytes(of: &id) { bytes in
            do throws(StoreError) { try file?.read(bytes, at: position * Self.stride) } catch { failure = error }
        }
        if let failure { throw failure }
        return id
    }

    /// The ids at some positions.
    func ids(_ positions: Range<Int>) throws(StoreError) -> [BlobID] {
        var failure: StoreError?
        let ids = [BlobID](unsafeUninitializedCapacity: positions.count) { memory, count in
            do throws(StoreError) {
                try copy(positions, to: memory)
                count = positions.count
            } catch { failure = error }
        }
        if let failure { throw failure }
        return ids
    }

    /// Visits all ids in order.
    func forEach(_ body: (_ position: Int, BlobID) -> Void) throws(StoreError) {
        let run = UnsafeMutableBufferPointer<BlobID>.allocate(capacity: Self.runLength)
        defer { run.deallocate() }
        var first = 0
        while first < written {
            let next = min(first + Self.runLength, written)
            try copy(first..<next, to: run)
            for position in first..<next { body(position, run[position - first]) }
            first = next
        }
        guard let memory = tail.memory else { return }
        for number in 0..<tail.count { body(written + number, memory[number]) }
    }

    private func copy(
        _ positions: Range<Int>, to memory: UnsafeMutableBufferPointer<BlobID>
    ) throws(StoreError) {
        let inFile = positions.clamped(to: 0..<written)
        let bytes = UnsafeMutableRawBufferPointer(start: memory.baseAddress, count: inFile.count * Self.stride)
        if let file, !inFile.isEmpty { try file.read(bytes, at: inFile.lowerBound * Self.stride) }
        let inTail = positions.clamped(to: written..<count)
        guard !inTail.isEmpty, let tail = tail.memory, let target = memory.baseAddress else { return }
        (target + inFile.count).update(from: tail + (inTail.lowerBound - written), count: inTail.count)
    }
}
