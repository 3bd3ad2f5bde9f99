import Glibc
import VarveFormat

/// The bytes of a segment, mapped from a file or held in memory, unchanged for as long as this lives.
final class SegmentMemory: Sendable {
    nonisolated(unsafe) let bytes: UnsafeRawBufferPointer
    private let mappedLength: Int?

    /// Copies bytes.
    init(copying source: [UInt8]) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 64)
        memory.copyBytes(from: source)
        bytes = UnsafeRawBufferPointer(memory)
        mappedLength = nil
    }

    /// Maps the first `length` bytes of an open file; nil if the system refuses.
    init?(mapping descriptor: Int32, length: Int) {
        guard length > 0, let base = mmap(nil, length, PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED else {
            return nil
        }
        bytes = UnsafeRawBufferPointer(start: base, count: length)
        mappedLength = length
    }

    deinit {
        if let mappedLength {
            munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), mappedLength)
        } else {
            bytes.deallocate()
        }
    }

    /// Lets go of the pages of a mapped file that are in memory: the next access gets them back from the page cache.
    func release() {
        guard let mappedLength else { return }
        madvise(UnsafeMutableRawPointer(mutating: bytes.baseAddress), mappedLength, MADV_DONTNEED)
    }

    /// Whether the bytes lie in our own memory.
    var isCopied: Bool { mappedLength == nil }
}

/// An immutable run of the index: one segment in memory, and which of its packs count.
final class IndexSegment: Sendable {
    /// The index files that the segment was made of; none for what was read out of packs.
    let sources: [FileID]
    let memory: SegmentMemory
    private nonisolated(unsafe) let view: SegmentView
    /// By pack number; nil if all count.
    private let usable: [Bool]?
    /// Delta frames whose base lies in a pack that does not count.
    private let voidFrames: Set<Int>

    /// - Parameter isUsable: whether entries of a pack count: it is present and not condemned.
    init(
        _ memory: SegmentMemory, repository: RepositoryID, sources: [FileID], isUsable: ((PackID) -> Bool)?
    ) throws(FormatError) {
        let view = try SegmentView(validating: memory.bytes, repository: repository)
        self.sources = sources
        self.memory = memory
        self.view = view
        guard let isUsable else {
            usable = nil
            voidFrames = []
            return
        }
        var void: Set<Int> = []
        for number in 0..<view.layout.baseCount {
            let (frame, base) = view.delta(number)
            if !isUsable(base.pack) { void.insert(frame) }
        }
        voidFrames = void
        let flags = (0..<view.packCount).map { isUsable(view.packID($0)) }
        usable = flags.allSatisfy(\.self) ? nil : flags
    }

    var byteCount: Int { memory.bytes.count }

    /// Hands out the view, valid within `body` only.
    func withView<Result, Failure: Error>(
        _ body: (SegmentView) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withExtendedLifetime(self) { () throws(Failure) in try body(view) }
    }

    /// Whether the segment has the blob in a pack that counts; counts among `touches` if more than the filter was read.
    func contains(_ id: BlobID, touches: inout Int) -> Bool {
        guard view.mayContain(id) else { return false }
        touches += 1
        let positions = view.positions(of: id)
        guard !positions.isEmpty else { return false }
        if usable == nil, voidFrames.isEmpty { return true }
        return positions.contains { counts($0) }
    }

    /// Appends the places of the blob in packs that count.
    func appendLocations(of id: BlobID, to locations: inout [BlobLocation]) {
        for position in view.positions(of: id) {
            guard counts(position), let location = view.location(at: position) else { continue }
            locations.append(location)
        }
    }

    /// Where the frame of a pack that counts lies that a base names; nil if the segment does not have it.
    func frameLocation(_ base: FrameBase, _ kind: FileKind) -> FrameLocation? {
        guard let location = view.frameLocation(base, kind) else { return nil }
        guard let usable else { return location }
        return view.packNumber(of: base.pack).map { usable[$0] } ?? false ? location : nil
    }

    /// Whether the entry at a position counts: its pack does, and so does that of the base of its frame.
    private func counts(_ position: Int) -> Bool {
        guard let pack = view.packNumber(at: position), usable?[pack] ?? true else { return false }
        guard !voidFrames.isEmpty else { return true }
        return view.entry(at: position).map { !voidFrames.contains($0.frame) } ?? false
    }
}
