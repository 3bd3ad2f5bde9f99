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
        let count: Int
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
        /// By the frame's number in the segment: where its next blob goes; -1 for frames that are not wanted.
        var places = [Int](repeating: -1, count: view.layout.frameCount)
        var count = 0
        for number in 0..<view.packCount where isWanted(number) {
            var pack = Pack(
                id: view.packID(number), kind: view.packKind(number), length: view.packLength(number),
                firstEntry: count)
            for frame in view.frames(ofPack: number) {
                guard let location = view.frameLocation(frame) else { throw Self.untrue }
                pack.frames.append(Frame(location: location, firstEntry: count, count: view.blobCount(ofFrame: frame)))
                places[frame] = count
                count += view.blobCount(ofFrame: frame)
            }
            packs.append(pack)
        }
        guard !packs.isEmpty else { return }
        try fill(view, &places, count: count)
        let frames = packs.flatMap(\.frames)
        let isFilled = entries.withUnsafeMutableBufferPointer { Self.sort($0, frames) }
        guard isFilled else { throw Self.untrue }
    }

    private mutating func fill(_ view: SegmentView, _ places: inout [Int], count: Int) throws(StoreError) {
        let none = Entry(id: BlobID(0, 0, 0, 0), kind: 0, length: 0, offset: 0)
        entries = [Entry](repeating: none, count: count)
        for position in 0..<view.blobCount {
            guard let entry = view.entry(at: position) else { throw Self.untrue }
            let place = places[entry.frame]
            guard place >= 0 else { continue }
            // One blob too many in a frame leaves a gap in another, or ends here.
            guard place < count else { throw Self.untrue }
            places[entry.frame] = place + 1
            entries[place] = Entry(
                id: view.id(at: position), kind: PlaceColumns.kind(entry.type, length: entry.length),
                length: UInt32(entry.length), offset: UInt32(entry.offset))
        }
    }

    /// Brings the blobs of each frame into order; false unless they fill it without gaps.
    private static func sort(_ entries: UnsafeMutableBufferPointer<Entry>, _ frames: [Frame]) -> Bool {
        for (number, frame) in frames.enumerated() {
            let next = number + 1 < frames.count ? frames[number + 1].firstEntry : entries.count
            var blobs = UnsafeMutableBufferPointer(rebasing: entries[frame.firstEntry..<next])
            blobs.sort { $0.offset < $1.offset }
            var end = 0
            for blob in blobs {
                guard Int(blob.offset) == end else { return false }
                end += Int(blob.length)
            }
            guard end == frame.location.rawLength else { return false }
        }
        return true
    }

    private static let untrue = StoreError(.damaged, "the blobs of a frame in it have gaps")
}
