import VarveFormat

/// The blobs of some packs of an index file, brought from the order of their ids into that of their bytes.
struct SegmentEntries {
    struct Entry {
        let id: BlobID
        /// Type and length, as in the census.
        let kind: UInt32
        let length: UInt32
        let offset: UInt32
    }

    struct Frame {
        let location: FrameLocation
        let firstEntry: Int
    }

    struct Pack {
        let id: PackID
        let kind: FileKind
        let length: UInt64
        let firstEntry: Int
        var frames: [Frame] = []
    }

    private(set) var packs: [Pack] = []
    private(set) var entries: [Entry] = []

    /// - Throws: `damaged` unless the blobs of every frame fill it without gaps.
    init(_ view: SegmentView, where isWanted: (Int) -> Bool) throws(StoreError) {
        /// By the frame's number in the segment: where its next blob goes; nil for frames that are not wanted.
        var places: [Int: Int] = [:]
        var count = 0
        for number in 0..<view.packCount where isWanted(number) {
            var pack = Pack(
                id: view.packID(number), kind: view.packKind(number), length: view.packLength(number),
                firstEntry: count)
            for frame in view.frames(ofPack: number) {
                guard let location = view.frameLocation(frame) else { throw Self.untrue }
                pack.frames.append(Frame(location: location, firstEntry: count))
                places[frame] = count
                count += view.blobCount(ofFrame: frame)
            }
            packs.append(pack)
        }
        guard !packs.isEmpty else { return }
        try fill(view, places, count: count)
        try sortFrames()
    }

    private mutating func fill(_ view: SegmentView, _ places: [Int: Int], count: Int) throws(StoreError) {
        let none = Entry(id: BlobID(0, 0, 0, 0), kind: 0, length: 0, offset: 0)
        entries = [Entry](repeating: none, count: count)
        let firstFrames = (0..<view.packCount).map { view.frames(ofPack: $0).lowerBound }
        var next = places
        for position in 0..<view.blobCount {
            guard let pack = view.packNumber(at: position), let location = view.location(at: position) else {
                throw Self.untrue
            }
            let frame = firstFrames[pack] + location.frame.number
            guard let place = next[frame] else { continue }
            // One blob too many in a frame leaves a gap in another, or ends here.
            guard place < count else { throw Self.untrue }
            next[frame] = place + 1
            entries[place] = Entry(
                id: view.id(at: position), kind: CensusTable.kind(location.type, length: location.length),
                length: UInt32(location.length), offset: UInt32(location.offset))
        }
    }

    private mutating func sortFrames() throws(StoreError) {
        let frames = packs.flatMap(\.frames)
        for (number, frame) in frames.enumerated() {
            let range = frame.firstEntry..<(number + 1 < frames.count ? frames[number + 1].firstEntry : entries.count)
            entries[range].sort { $0.offset < $1.offset }
            var end: UInt32 = 0
            for entry in entries[range] {
                guard entry.offset == end, entry.length > 0 else { throw Self.untrue }
                end += entry.length
            }
            guard end == frame.location.rawLength else { throw Self.untrue }
        }
    }

    private static let untrue = StoreError(.damaged, "the blobs of a frame in it have gaps")
}
