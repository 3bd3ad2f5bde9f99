package import VarveFormat

/// Every place of every blob of a repository, as its index files say, read themselves, and the ends of packs that no
/// index file names. Caches are never trusted.
///
/// Places have positions from 0 on, in the order of packs, frames and bytes. Memory holds 14 bytes a place, 24 a frame,
/// and the ids of a million places; those of more lie in a temporary file in the cache directory, if there is one.
package final class BlobCensus: Sendable {
    /// A pack that is there or that an index file names.
    package struct Pack: Sendable {
        package let id: PackID
        package let kind: FileKind
        /// Bytes of the whole pack, as it should be.
        package let length: UInt64
        /// Numbers of its frames in the census.
        package let frames: Range<Int>
        /// Positions of its blobs.
        package let positions: Range<Int>
        /// Bytes of plaintext.
        package let rawBytes: UInt64
        /// Whether an index file names it.
        package let isNamed: Bool
        /// Whether a listing that was made after the index files were read has it.
        package fileprivate(set) var isListed = false
        /// Whether it is listed with the length that it should have.
        package fileprivate(set) var isPresent = false
    }

    /// An index file that could be read.
    package struct IndexFile: Sendable {
        package let id: FileID
        /// Bytes as stored.
        package let byteCount: Int
        /// Numbers in `packs`.
        package let packs: [Int]
    }

    struct Frame: Sendable {
        let pack: UInt32
        let offset: UInt32
        let storedLength: UInt32
        let rawLength: UInt32
        let firstPosition: UInt32
        let codec: FrameCodec
    }

    package let packs: [Pack]
    package let indexFiles: [IndexFile]
    /// Index files and ends of packs that cannot be read: while there are any, nobody knows what may go.
    package let problems: [StoreError]
    let frames: [Frame]
    /// The bases of delta frames, by the numbers of these.
    let bases: [Int: FrameBase]
    /// The numbers of the frames that `bases` name, of those that some directory tells.
    let baseFrames: [Int: Int]
    let table: PlaceTable
    private let packNumbers: [PackID: Int]

    /// Reads the index files, then lists the packs, then reads the ends of those that no index file names.
    ///
    /// - Throws: `refused` if there are more blobs than can be numbered; `interrupted`; what the storage throws. What
    ///   is damaged is among `problems`.
    ///
    /// - Parameter spillLimit: ids up to which there is no temporary file.
    package convenience init(
        reading repository: Repository, progress: Progress, spillLimit: Int = SpillPlace.defaultLimit
    ) throws(StoreError) {
        let spill = SpillPlace(directory: repository.cacheDirectory, limit: spillLimit)
        var reader = CensusReader(repository, spill, progress: progress)
        try reader.read()
        try self.init(reader.builder, indexFiles: reader.indexFiles, listing: reader.listing, reader.problems)
    }

    init(
        _ builder: consuming CensusBuilder, indexFiles: [IndexFile], listing: [PackID: PackListing.Entry],
        _ problems: [StoreError]
    ) throws(StoreError) {
        self.indexFiles = indexFiles
        self.problems = problems
        packNumbers = builder.packNumbers
        frames = builder.frames
        bases = builder.bases
        baseFrames = builder.baseFrames()
        packs = builder.packs.map { pack in
            var pack = pack
            let entry = listing[pack.id]
            pack.isListed = entry != nil
            pack.isPresent = entry.map { $0.kind == pack.kind && $0.length == pack.length } ?? false
            return pack
        }
        table = try builder.finish()
    }

    /// How many places there are.
    package var count: Int { table.count }

    package func packNumber(of id: PackID) -> Int? { packNumbers[id] }

    package func packNumber(ofPosition position: Int) -> Int {
        packs.lowerBound { $0.positions.upperBound <= position }
    }

    /// Every position of a blob, in present packs or not.
    ///
    /// - Throws: `failed` if a temporary file cannot be read.
    package func positions(of id: BlobID, _ type: BlobType) throws(StoreError) -> [Int] {
        try table.position(of: id, type).map { positions(sameAs: $0) } ?? []
    }

    /// Every position of the blob at a position.
    func positions(sameAs position: Int) -> [Int] { table.positions(sameAs: position) }

    /// What an index file says about a pack.
    ///
    /// - Throws: `failed` if a temporary file cannot be read.
    package func segmentPack(_ number: Int) throws(StoreError) -> SegmentPack {
        let pack = packs[number]
        var frames: [PackFrame] = []
        frames.reserveCapacity(pack.frames.count)
        for number in pack.frames {
            let (frame, positions) = (self.frames[number], positions(inFrame: number))
            let blobs = zip(positions, try table.ids(positions)).map { position, id in
                PackBlob(type: table.type(position), id: id, length: table.length(position))
            }
            frames.append(
                PackFrame(
                    storedLength: Int(frame.storedLength), rawLength: Int(frame.rawLength), codec: frame.codec,
                    base: bases[number], blobs: blobs))
        }
        return SegmentPack(id: pack.id, kind: pack.kind, length: pack.length, directory: PackDirectory(frames: frames))
    }

    /// The positions of the blobs of a frame.
    func positions(inFrame frame: Int) -> Range<Int> {
        let end = frame + 1 < frames.count ? Int(frames[frame + 1].firstPosition) : count
        return Int(frames[frame].firstPosition)..<end
    }

    /// The frame that a position lies in.
    func frame(ofPosition position: Int) -> Int {
        frames.lowerBound { Int($0.firstPosition) <= position } - 1
    }

    /// Where a frame lies.
    func location(ofFrame number: Int) -> FrameLocation {
        let frame = frames[number]
        let pack = packs[Int(frame.pack)]
        return FrameLocation(
            pack: pack.id, kind: pack.kind, packLength: pack.length, number: number - pack.frames.lowerBound,
            offset: Int(frame.offset), storedLength: Int(frame.storedLength), rawLength: Int(frame.rawLength),
            codec: frame.codec, base: bases[number])
    }

    /// Where the frame lies that a base names; nil if no directory tells.
    func frameLocation(_ base: FrameBase, _ kind: FileKind) -> FrameLocation? {
        guard let frames = packNumbers[base.pack].map({ packs[$0].frames }), base.number < frames.count else {
            return nil
        }
        return location(ofFrame: frames.lowerBound + base.number)
    }

    /// Whether a frame can be read where only some packs count: its own does, and so does that of its base.
    ///
    /// - Parameter packs: for each pack whether it counts.
    func counts(frame: Int, _ packs: [Bool]) -> Bool {
        guard packs[Int(frames[frame].pack)] else { return false }
        guard frames[frame].codec == .zstdDelta else { return true }
        return baseFrames[frame].map { packs[Int(frames[$0].pack)] } ?? false
    }

    /// Whether there are delta frames in a pack.
    func hasDeltas(_ pack: Pack) -> Bool {
        !bases.isEmpty && frames[pack.frames].contains { $0.codec == .zstdDelta }
    }

    /// The frames that are bases of delta frames with a position in a set.
    func neededBases(of positions: (Int) -> Bool) -> Set<Int> {
        var needed: Set<Int> = []
        for (frame, base) in baseFrames where !needed.contains(base) {
            if self.positions(inFrame: frame).contains(where: positions) { needed.insert(base) }
        }
        return needed
    }
}

extension Array {
    /// The first index whose element is not below, in an array where those that are come first.
    func lowerBound(_ isBelow: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = low + (high - low) / 2
            if isBelow(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Gathers packs for a census.
struct CensusBuilder: ~Copyable {
    private(set) var packs: [BlobCensus.Pack] = []
    private(set) var frames: [BlobCensus.Frame] = []
    private(set) var bases: [Int: FrameBase] = [:]
    private(set) var packNumbers: [PackID: Int] = [:]
    private let columns: PlaceColumns

    init(_ spill: SpillPlace) { columns = PlaceColumns(spill) }

    /// Adds the packs of an index file that are not there yet.
    ///
    /// - Returns: the numbers of all its packs.
    /// - Throws: `damaged` if the file cannot be true, or says otherwise of a pack than another one; then nothing of it
    ///   was added.
    mutating func add(_ view: SegmentView) throws(StoreError) -> [Int] {
        var numbers: [Int] = []
        for number in 0..<view.packCount {
            guard let known = packNumbers[view.packID(number)] else { continue }
            let pack = packs[known]
            guard pack.kind == view.packKind(number), pack.length == view.packLength(number),
                pack.frames.count == view.frames(ofPack: number).count
            else { throw StoreError(.damaged, "it says otherwise of the pack \(pack.id.hex) than another index file") }
            numbers.append(known)
        }
        let segment = try SegmentEntries(view) { packNumbers[view.packID($0)] == nil }
        let base = columns.count
        for (number, source) in segment.packs.enumerated() {
            let first = frames.count
            let firstPosition = base + source.firstEntry
            for frame in source.frames {
                if let base = frame.location.base { bases[frames.count] = base }
                frames.append(
                    BlobCensus.Frame(
                        pack: UInt32(packs.count), offset: UInt32(frame.location.offset),
                        storedLength: UInt32(frame.location.storedLength), rawLength: UInt32(frame.location.rawLength),
                        firstPosition: UInt32(base + frame.firstEntry), codec: frame.location.codec))
            }
            let end = number + 1 < segment.packs.count ? segment.packs[number + 1].firstEntry : segment.entries.count
            numbers.append(packs.count)
            append(
                source.id, source.kind, source.length, first, firstPosition..<base + end, isNamed: true)
        }
        try segment.entries.withUnsafeBufferPointer { entries throws(StoreError) in
            try columns.append(entries.count) { (entries[$0].id, entries[$0].kind) }
        }
        return numbers
    }

    /// Adds a pack whose end was read.
    mutating func add(_ pack: SegmentPack) throws(StoreError) {
        let first = frames.count
        let base = columns.count
        var position = base
        var offset = PackLayout.firstFrameOffset
        for frame in pack.directory.frames {
            if let base = frame.base { bases[frames.count] = base }
            frames.append(
                BlobCensus.Frame(
                    pack: UInt32(packs.count), offset: UInt32(offset), storedLength: UInt32(frame.storedLength),
                    rawLength: UInt32(frame.rawLength), firstPosition: UInt32(position), codec: frame.codec))
            offset += frame.storedLength
            position += frame.blobs.count
            try columns.append(frame.blobs.count) {
                (frame.blobs[$0].id, PlaceColumns.kind(frame.blobs[$0].type, length: frame.blobs[$0].length))
            }
        }
        append(pack.id, pack.kind, pack.length, first, base..<position, isNamed: false)
    }

    /// The numbers of the frames that are bases, by those of their delta frames; a base that is none has none.
    func baseFrames() -> [Int: Int] {
        var found: [Int: Int] = [:]
        for (frame, base) in bases {
            guard let pack = packNumbers[base.pack].map({ packs[$0] }), base.number < pack.frames.count,
                pack.kind == packs[Int(frames[frame].pack)].kind, pack.id != packs[Int(frames[frame].pack)].id
            else { continue }
            let number = pack.frames.lowerBound + base.number
            if frames[number].codec != .zstdDelta { found[frame] = number }
        }
        return found
    }

    /// Builds the look-up by id.
    consuming func finish() throws(StoreError) -> PlaceTable { try PlaceTable(columns) }

    private mutating func append(
        _ id: PackID, _ kind: FileKind, _ length: UInt64, _ firstFrame: Int, _ positions: Range<Int>, isNamed: Bool
    ) {
        packNumbers[id] = packs.count
        packs.append(
            BlobCensus.Pack(
                id: id, kind: kind, length: length, frames: firstFrame..<frames.count, positions: positions,
                rawBytes: frames[firstFrame...].reduce(0) { $0 + UInt64($1.rawLength) }, isNamed: isNamed))
    }
}
