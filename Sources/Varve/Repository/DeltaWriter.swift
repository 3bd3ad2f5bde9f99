package import VarveFormat

/// Gathers new blobs that are later states of stored ones, and compresses them against the frames that hold these
/// (FORMAT.md section 7). Each worker has its own, in front of its pack writer.
///
/// A base is always a plain frame in a pack that the index knows: the later state of a blob in a delta frame is
/// compressed against the base of that frame. Memory holds up to eight frames and the bases used last.
package final class DeltaWriter {
    private static let groupLimit = 8
    /// Bytes of blobs that wait in all groups together, about.
    private static let groupBytes = 2 << 20
    /// Bytes of bases to keep: a group is closed once, and its neighbours seldom need the same base.
    private static let baseBytes = 1 << 20

    /// Blobs that go against one base.
    private struct Group {
        let base: FrameLocation
        var raw: [UInt8] = []
        var blobs: [PackBlob] = []
    }

    /// What takes memory: most captures never need it.
    private struct Tools {
        let frames: FrameReader
        let encoder: FrameEncoder
        let checker: FrameChecker?
    }

    private let context: PackWriterContext
    private let kind: FileKind
    private let index: BlobIndex
    private let packs: PackReader
    private let writer: PackWriter
    private var tools: Tools?
    /// The one that was added to last is the last.
    private var groups: [Group] = []
    private var waitingBytes = 0

    /// Makes a writer in front of a writer of packs of this kind.
    package init(
        context: PackWriterContext, kind: FileKind, index: BlobIndex, packs: PackReader, writer: PackWriter
    ) {
        self.context = context
        self.kind = kind
        self.index = index
        self.packs = packs
        self.writer = writer
    }

    /// Adds a blob, which the caller has claimed.
    ///
    /// - Parameter predecessor: the id of an earlier state of it.
    /// - Throws: as `PackWriter.add`.
    package func add(
        _ type: BlobType, _ id: BlobID, _ bytes: UnsafeRawBufferPointer, after predecessor: BlobID
    ) throws(StoreError) {
        guard bytes.count > 0, bytes.count < PackWriter.ownFrameLength, let base = base(of: predecessor, type) else {
            return try writer.add(type, id, bytes)
        }
        var group = Group(base: base)
        if let index = groups.lastIndex(where: { $0.base == base }) { group = groups.remove(at: index) }
        if group.raw.count + bytes.count > PackWriter.frameLength(kind) {
            try close(group)
            group = Group(base: base)
        }
        group.raw.append(contentsOf: bytes)
        group.blobs.append(PackBlob(type: type, id: id, length: bytes.count))
        groups.append(group)
        waitingBytes += bytes.count
        while groups.count > 1, groups.count > Self.groupLimit || waitingBytes > Self.groupBytes {
            try close(groups.removeFirst())
        }
    }

    /// Hands everything over to the pack writer.
    package func flush() throws(StoreError) {
        let all = groups
        groups.removeAll()
        for group in all { try close(group) }
    }

    /// Gives up.
    package func abandon() {
        groups.removeAll()
        waitingBytes = 0
    }

    /// The plain frame that a later state of a blob is best compressed against; nil if there is none.
    private func base(of predecessor: BlobID, _ type: BlobType) -> FrameLocation? {
        var found: FrameLocation?
        for location in index.locations(of: predecessor) where location.type == type {
            var frame = location.frame
            if let base = frame.base {
                guard let plain = index.frameLocation(base, kind), plain.base == nil else { continue }
                frame = plain
            }
            if groups.contains(where: { $0.base == frame }) { return frame }
            found = found ?? frame
        }
        return found
    }

    private func close(_ group: Group) throws(StoreError) {
        waitingBytes -= group.raw.count
        let isStored = try group.raw.withBytes { raw throws(StoreError) in try store(raw, group) }
        guard !isStored else { return }
        try group.raw.withBytes { raw throws(StoreError) in
            var offset = 0
            for blob in group.blobs {
                try writer.add(blob.type, blob.id, .init(rebasing: raw[offset..<offset + blob.length]))
                offset += blob.length
            }
        }
    }

    /// Stores a delta frame; false if it would not save a third, or its base cannot be read.
    private func store(_ raw: UnsafeRawBufferPointer, _ group: Group) throws(StoreError) -> Bool {
        let tools = try makeTools()
        guard let base = try? tools.frames.readBase(group.base) else { return false }
        return try base.withBytes { base throws(StoreError) in
            var delta = try tools.encoder.encodeDelta(raw, base: base)
            // What became of pages is about as long, compressed, as what they were.
            let expected = raw.count * group.base.storedLength / max(1, group.base.rawLength)
            if 3 * delta.bytes.count > expected {
                let length = delta.bytes.count
                guard 3 * length <= 2 * (try tools.encoder.encode(raw).bytes.count) else { return false }
                delta = try tools.encoder.encodeDelta(raw, base: base)
            }
            try tools.checker?.check(delta, raw, base: base)
            try writer.appendDelta(
                delta, base: FrameBase(pack: group.base.pack, number: group.base.number), rawLength: raw.count,
                group.blobs)
            return true
        }
    }

    private func makeTools() throws(StoreError) -> Tools {
        if let tools { return tools }
        let suite = context.keys.suite
        let made = Tools(
            frames: try FrameReader(packs, findBase: index.frameLocation, baseBytes: Self.baseBytes),
            encoder: try FrameEncoder(suite: suite, level: context.compressionLevel),
            checker: context.verifiesFrames ? try FrameChecker(suite: suite) : nil)
        tools = made
        return made
    }
}
