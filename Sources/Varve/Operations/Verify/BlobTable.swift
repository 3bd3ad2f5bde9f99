import VarveFormat

/// Every place of every blob in packs of one kind, as the packs' own directories say: 53 bytes a place.
///
/// Places are numbered in the order of the directories. A blob is known by the number of its first place; look-ups go
/// through an open-addressing hash table of numbers.
struct BlobTable: Sendable {
    struct Pack: Sendable {
        let id: PackID
        let kind: FileKind
        /// Bytes of the whole pack, as it should be.
        let length: UInt64
        let frames: Range<Int>
        let places: Range<Int>
        /// Whether the pack is there.
        let isPresent: Bool
    }

    struct Frame: Sendable {
        let pack: UInt32
        let offset: UInt32
        let storedLength: UInt32
        let rawLength: UInt32
        let firstPlace: UInt32
        let placeCount: UInt32
        let codec: FrameCodec
    }

    private static let freeSlot = UInt32.max

    private(set) var packs: [Pack] = []
    private(set) var frames: [Frame] = []
    private(set) var ids: [BlobID] = []
    private(set) var lengths: [UInt32] = []
    private(set) var offsets: [UInt32] = []
    private(set) var frameNumbers: [UInt32] = []
    private(set) var types: [BlobType] = []
    private(set) var packNumbers: [PackID: Int] = [:]
    /// Further places of blobs that have several, by the first.
    private var others: [UInt32: [UInt32]] = [:]
    private var slots: [UInt32]
    /// Ids in an unencrypted repository can be chosen: nobody can choose them so that they collide here.
    private let seed = (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max))

    init() { slots = [UInt32](repeating: Self.freeSlot, count: 64) }

    /// How many places there are.
    var count: Int { ids.count }

    /// Adds the blobs of a pack.
    ///
    /// - Throws: `refused` if there are more than can be numbered.
    mutating func add(_ pack: SegmentPack, isPresent: Bool) throws(StoreError) {
        let firstFrame = frames.count
        let firstPlace = ids.count
        var offset = PackLayout.firstFrameOffset
        for frame in pack.directory.frames {
            guard ids.count + frame.blobs.count < 1 << 30, offset <= UInt32.max else {
                throw StoreError(.refused, "the repository has more blobs than one run can verify")
            }
            frames.append(
                Frame(
                    pack: UInt32(packs.count), offset: UInt32(offset), storedLength: UInt32(frame.storedLength),
                    rawLength: UInt32(frame.rawLength), firstPlace: UInt32(ids.count),
                    placeCount: UInt32(frame.blobs.count), codec: frame.codec))
            offset += frame.storedLength
            var inFrame = 0
            for blob in frame.blobs {
                append(blob, offset: inFrame)
                inFrame += blob.length
            }
        }
        packNumbers[pack.id] = packs.count
        packs.append(
            Pack(
                id: pack.id, kind: pack.kind, length: pack.length, frames: firstFrame..<frames.count,
                places: firstPlace..<ids.count, isPresent: isPresent))
    }

    /// The first place of a blob; nil if no pack has it.
    func place(of id: BlobID, _ type: BlobType) -> Int? {
        var slot = hash(id) & (slots.count - 1)
        while slots[slot] != Self.freeSlot {
            let place = Int(slots[slot])
            if ids[place] == id && types[place] == type { return place }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// Every place of the blob whose first place is given.
    func places(from first: Int) -> [Int] {
        [first] + (others[UInt32(first)] ?? []).map { Int($0) }
    }

    /// The first place of the blob at any place.
    func firstPlace(_ place: Int) -> Int { self.place(of: ids[place], types[place]) ?? place }

    /// Where a frame lies.
    func location(ofFrame number: Int) -> FrameLocation {
        let frame = frames[number]
        let pack = packs[Int(frame.pack)]
        return FrameLocation(
            pack: pack.id, kind: pack.kind, packLength: pack.length, number: number - pack.frames.lowerBound,
            offset: Int(frame.offset), storedLength: Int(frame.storedLength), rawLength: Int(frame.rawLength),
            codec: frame.codec)
    }

    /// The pack that a place lies in.
    func pack(ofPlace place: Int) -> Pack { packs[Int(frames[Int(frameNumbers[place])].pack)] }

    /// The places in a frame.
    func places(inFrame number: Int) -> Range<Int> {
        let first = Int(frames[number].firstPlace)
        return first..<first + Int(frames[number].placeCount)
    }

    private mutating func append(_ blob: PackBlob, offset: Int) {
        let place = UInt32(ids.count)
        ids.append(blob.id)
        lengths.append(UInt32(blob.length))
        offsets.append(UInt32(offset))
        frameNumbers.append(UInt32(frames.count - 1))
        types.append(blob.type)
        if 3 * ids.count > 2 * slots.count { grow() }
        insert(place)
    }

    private mutating func insert(_ place: UInt32) {
        let id = ids[Int(place)]
        let type = types[Int(place)]
        var slot = hash(id) & (slots.count - 1)
        while slots[slot] != Self.freeSlot {
            let known = slots[slot]
            if ids[Int(known)] == id && types[Int(known)] == type {
                others[known, default: []].append(place)
                return
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = place
    }

    private mutating func grow() {
        let old = slots
        slots = [UInt32](repeating: Self.freeSlot, count: 2 * old.count)
        for place in old where place != Self.freeSlot {
            var slot = hash(ids[Int(place)]) & (slots.count - 1)
            while slots[slot] != Self.freeSlot { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = place
        }
    }

    private func hash(_ id: BlobID) -> Int {
        let product = (id.word0 ^ seed.0).multipliedFullWidth(by: id.word1 ^ seed.1 | 1)
        return Int(truncatingIfNeeded: (product.high ^ product.low) >> 1)
    }
}
