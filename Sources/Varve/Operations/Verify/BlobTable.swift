import VarveFormat

/// Every place of every blob in packs of one kind, as the packs' own directories say: 14 bytes a place, 28 a frame, and
/// the ids, which may lie in a file.
///
/// Places are numbered in the order of the directories. A blob is known by the number of its first place. Blobs are
/// looked up once all packs were added.
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
        let base: FrameBase?
    }

    private(set) var packs: [Pack] = []
    private(set) var frames: [Frame] = []
    private(set) var packNumbers: [PackID: Int] = [:]
    private let columns: PlaceColumns
    private var table: PlaceTable?

    init(_ spill: SpillPlace) { columns = PlaceColumns(spill) }

    /// How many places there are.
    var count: Int { columns.count }

    /// Adds the blobs of a pack.
    ///
    /// - Throws: `refused` if there are more than can be numbered; `failed` if there is no room for them.
    mutating func add(_ pack: SegmentPack, isPresent: Bool) throws(StoreError) {
        let first = (frame: frames.count, place: count)
        var offset = PackLayout.firstFrameOffset
        for frame in pack.directory.frames {
            let lengths = (stored: frame.storedLength, raw: frame.rawLength)
            try addFrame(offset, lengths, frame.codec, frame.base, frame.blobs.count) {
                (frame.blobs[$0].id, PlaceColumns.kind(frame.blobs[$0].type, length: frame.blobs[$0].length))
            }
            offset += frame.storedLength
        }
        addPack(pack.id, pack.kind, pack.length, first, isPresent)
    }

    /// Adds the blobs of a pack as an index file has them.
    ///
    /// - Throws: as the other.
    mutating func add(
        _ pack: SegmentEntries.Pack, of segment: SegmentEntries, isPresent: Bool
    ) throws(StoreError) {
        let first = (frame: frames.count, place: count)
        for frame in pack.frames {
            let location = frame.location
            let lengths = (stored: location.storedLength, raw: location.rawLength)
            try addFrame(location.offset, lengths, location.codec, location.base, frame.count) {
                let entry = segment.entries[frame.firstEntry + $0]
                return (entry.id, entry.kind)
            }
        }
        addPack(pack.id, pack.kind, pack.length, first, isPresent)
    }

    /// Whether a pack is what an index file says of it.
    ///
    /// - Throws: `failed` if a temporary file cannot be read.
    func agrees(_ pack: SegmentEntries.Pack, of segment: SegmentEntries) throws(StoreError) -> Bool {
        guard let number = packNumbers[pack.id] else { return false }
        let known = packs[number]
        guard known.kind == pack.kind, known.length == pack.length, known.frames.count == pack.frames.count else {
            return false
        }
        for (mine, theirs) in zip(known.frames, pack.frames) {
            let places = places(inFrame: mine)
            guard location(ofFrame: mine) == theirs.location, places.count == theirs.count else { return false }
            let ids = try columns.ids.ids(places)
            for (index, place) in places.enumerated() {
                let entry = segment.entries[theirs.firstEntry + index]
                guard ids[index] == entry.id, columns.kind(place) == entry.kind else { return false }
            }
        }
        return true
    }

    /// Makes the look-up. Nothing may be added any more.
    ///
    /// - Throws: `failed` if there is no memory, or if a temporary file cannot be read.
    mutating func finish() throws(StoreError) { table = try PlaceTable(columns) }

    /// The first place of a blob; nil if no pack has it.
    ///
    /// - Throws: `failed` if a temporary file cannot be read.
    func place(of id: BlobID, _ type: BlobType) throws(StoreError) -> Int? { try table?.position(of: id, type) }

    /// Every place of the blob whose first place is given.
    func places(from first: Int) -> [Int] { table?.positions(sameAs: first) ?? [first] }

    /// The first place of the blob at any place.
    ///
    /// - Throws: `failed` if a temporary file cannot be read.
    func firstPlace(_ place: Int) throws(StoreError) -> Int {
        guard let table, table.next(place) != place else { return place }
        return try table.position(of: try table.id(place), table.type(place)) ?? place
    }

    /// - Throws: `failed` if a temporary file cannot be read.
    func ids(_ places: Range<Int>) throws(StoreError) -> [BlobID] { try table?.ids(places) ?? [] }

    /// The id at a place, for reports; nil if it cannot be read.
    func id(_ place: Int) -> BlobID? { try? table?.id(place) }

    func type(_ place: Int) -> BlobType { table?.type(place) ?? .data }

    func length(_ place: Int) -> Int { table?.length(place) ?? 0 }

    /// Where a blob begins in its frame.
    func offset(_ place: Int) -> Int {
        (Int(frames[frame(ofPlace: place)].firstPlace)..<place).reduce(0) { $0 + length($1) }
    }

    /// The frame that a place lies in.
    func frame(ofPlace place: Int) -> Int { frames.lowerBound { Int($0.firstPlace) <= place } - 1 }

    /// Where a frame lies.
    func location(ofFrame number: Int) -> FrameLocation {
        let frame = frames[number]
        let pack = packs[Int(frame.pack)]
        return FrameLocation(
            pack: pack.id, kind: pack.kind, packLength: pack.length, number: number - pack.frames.lowerBound,
            offset: Int(frame.offset), storedLength: Int(frame.storedLength), rawLength: Int(frame.rawLength),
            codec: frame.codec, base: frame.base)
    }

    /// Where the frame lies that a base names; nil if no directory tells.
    func frameLocation(_ base: FrameBase, _ kind: FileKind) -> FrameLocation? {
        guard let frames = packNumbers[base.pack].map({ packs[$0].frames }), base.number < frames.count else {
            return nil
        }
        return location(ofFrame: frames.lowerBound + base.number)
    }

    /// False for a delta frame whose base lies in no pack that is there: a collector removes the bases of frames that
    /// nobody needs.
    func hasBase(_ frame: Int) -> Bool {
        guard let base = frames[frame].base else { return true }
        return packNumbers[base.pack].map { packs[$0].isPresent } ?? false
    }

    /// The pack that a place lies in.
    func pack(ofPlace place: Int) -> Pack { packs[Int(frames[frame(ofPlace: place)].pack)] }

    /// The places in a frame.
    func places(inFrame number: Int) -> Range<Int> {
        let first = Int(frames[number].firstPlace)
        return first..<first + Int(frames[number].placeCount)
    }

    private mutating func addFrame(
        _ offset: Int, _ lengths: (stored: Int, raw: Int), _ codec: FrameCodec, _ base: FrameBase?, _ blobCount: Int,
        _ blob: (Int) -> (id: BlobID, kind: UInt32)
    ) throws(StoreError) {
        // References to blobs have 30 bits for the place.
        guard count + blobCount < 1 << 30, offset <= UInt32.max else {
            throw StoreError(.refused, "the repository has more blobs than one run can verify")
        }
        frames.append(
            Frame(
                pack: UInt32(packs.count), offset: UInt32(offset), storedLength: UInt32(lengths.stored),
                rawLength: UInt32(lengths.raw), firstPlace: UInt32(count), placeCount: UInt32(blobCount), codec: codec,
                base: base))
        try columns.append(blobCount, blob)
    }

    private mutating func addPack(
        _ id: PackID, _ kind: FileKind, _ length: UInt64, _ first: (frame: Int, place: Int), _ isPresent: Bool
    ) {
        packNumbers[id] = packs.count
        packs.append(
            Pack(
                id: id, kind: kind, length: length, frames: first.frame..<frames.count, places: first.place..<count,
                isPresent: isPresent))
    }
}
