/// A segment in memory, searched where it lies (FORMAT.md section 8). Its bytes may be hostile: what the opening does
/// not check, each access does.
///
/// The view does not own its memory: whoever makes it keeps the memory unchanged for as long as the view is used.
package struct SegmentView {
    package let layout: SegmentLayout
    private let base: UnsafeRawPointer

    /// Opens a segment. Checks all but the blobs, which each look-up checks.
    package init(validating bytes: UnsafeRawBufferPointer, repository: RepositoryID) throws(FormatError) {
        guard let base = bytes.baseAddress, bytes.count >= SegmentLayout.headerLength else {
            throw FormatError(.truncated, "an index segment of \(bytes.count) bytes")
        }
        layout = try SegmentLayout(
            parsing: Array(bytes[0..<SegmentLayout.headerLength]), byteCount: bytes.count, repository: repository)
        self.base = base
        try checkPacks()
    }

    package var blobCount: Int { layout.blobCount }
    package var packCount: Int { layout.packCount }

    // MARK: Searching

    /// False if the segment does not have the blob; looks at the filter only.
    package func mayContain(_ id: BlobID) -> Bool {
        SegmentFilter.mayContain(id, base + layout.filterOffset, blockCount: layout.filterBlockCount)
    }

    /// The positions of a blob's entries; empty if the segment does not have it.
    package func positions(of id: BlobID) -> Range<Int> {
        guard mayContain(id) else { return 0..<0 }
        let first = lowerBound(id)
        var end = first
        while end < layout.blobCount, self.id(at: end) == id { end += 1 }
        return first..<end
    }

    /// Every place where the segment has the blob; entries that cannot be true are left out.
    package func locations(of id: BlobID) -> [BlobLocation] {
        positions(of: id).compactMap { location(at: $0) }
    }

    /// The id of the entry at a position below `blobCount`.
    package func id(at position: Int) -> BlobID {
        let entry = base + layout.blobsOffset + position * SegmentLayout.blobLength
        return BlobID(word(entry, 0), word(entry, 8), word(entry, 16), word(entry, 24))
    }

    /// The pack of the entry at a position below `blobCount`, counted from 0; nil for an entry that cannot be true.
    package func packNumber(at position: Int) -> Int? {
        let entry = base + layout.blobsOffset + position * SegmentLayout.blobLength
        let frame = number(entry, 32)
        return frame < layout.frameCount ? number(frameRecord(frame), 0) : nil
    }

    /// What the entry at a position below `blobCount` says; nil if it cannot be true.
    package func location(at position: Int) -> BlobLocation? {
        guard let entry = entry(at: position), let frame = frameLocation(entry.frame) else { return nil }
        return BlobLocation(frame: frame, type: entry.type, offset: entry.offset, length: entry.length)
    }

    /// An entry, its frame by its number in the segment.
    package struct Entry {
        package let frame: Int
        package let offset: Int
        package let length: Int
        package let type: BlobType
    }

    /// The entry at a position below `blobCount`; nil if it cannot be true.
    package func entry(at position: Int) -> Entry? {
        let entry = base + layout.blobsOffset + position * SegmentLayout.blobLength
        let frame = number(entry, 32)
        let offset = number(entry, 36)
        let length = number(entry, 40)
        let type = number(entry, 44)
        guard frame < layout.frameCount, type <= 255, let type = BlobType(rawValue: UInt8(type)) else { return nil }
        let record = frameRecord(frame)
        guard length > 0, offset + length <= number(record, 12), packKind(number(record, 0)).holds(type) else {
            return nil
        }
        return Entry(frame: frame, offset: offset, length: length, type: type)
    }

    /// The first position whose id is not below `id`.
    private func lowerBound(_ id: BlobID) -> Int {
        var low = 0
        var high = layout.blobCount
        var lowKey: UInt64 = 0
        var highKey = UInt64.max
        var isBelow = true
        // Ids are evenly distributed: a guess is off by about the square root of the distance to the nearer end.
        for _ in 0..<3 where high - low > 16 && highKey > lowKey {
            let share = Double(id.word0 - lowKey) / Double(highKey - lowKey)
            let guess = min(low + Int(share * Double(high - low)), high - 1)
            let found = self.id(at: guess)
            isBelow = found < id
            if isBelow {
                low = guess + 1
                lowKey = found.word0
            } else {
                high = guess
                highKey = found.word0
            }
        }
        // The place is near the last guess: widening steps bracket it, and halving ends the search however uneven the
        // ids are.
        var step = 8
        if isBelow {
            while low + step < high, self.id(at: low + step) < id {
                low += step + 1
                step *= 2
            }
            high = min(high, low + step)
        } else {
            while high - step > low, self.id(at: high - step) >= id {
                high -= step
                step *= 2
            }
            low = max(low, high - step)
        }
        while low < high {
            let middle = low + (high - low) / 2
            if self.id(at: middle) < id { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Packs

    /// The name of the pack with a number below `packCount`.
    package func packID(_ number: Int) -> PackID {
        let record = packRecord(number)
        return PackID(word(record, 0), word(record, 8), word(record, 16), word(record, 24))
    }

    /// The kind of the pack with a number below `packCount`.
    package func packKind(_ number: Int) -> FileKind {
        packRecord(number).load(fromByteOffset: 48, as: UInt8.self) == FileKind.treePack.rawValue
            ? .treePack : .dataPack
    }

    /// Bytes of the pack with a number below `packCount`.
    package func packLength(_ number: Int) -> UInt64 {
        UInt64(littleEndian: packRecord(number).loadUnaligned(fromByteOffset: 32, as: UInt64.self))
    }

    /// The frames of the pack with a number below `packCount`, as numbers in the segment.
    package func frames(ofPack number: Int) -> Range<Int> {
        let record = packRecord(number)
        let first = self.number(record, 40)
        return first..<first + self.number(record, 44)
    }

    /// Blobs in the frame with a number below the segment's count of frames.
    package func blobCount(ofFrame frame: Int) -> Int { number(frameRecord(frame), 20) }

    /// Gives back the directories of those packs whose number is `wanted`, in one pass over all blobs.
    ///
    /// - Throws: `malformed` if the blobs of a frame do not fill it without gaps.
    package func packs(where wanted: (Int) -> Bool) throws(FormatError) -> [SegmentPack] {
        var blobs: [Int: [(offset: Int, blob: PackBlob)]] = [:]
        for pack in 0..<packCount where wanted(pack) {
            for frame in frames(ofPack: pack) { blobs[frame] = [] }
        }
        for position in 0..<blobCount {
            let frame = number(base + layout.blobsOffset + position * SegmentLayout.blobLength, 32)
            guard blobs[frame] != nil else { continue }
            guard let location = location(at: position) else {
                throw FormatError(.malformed, "an entry of an index segment cannot be true")
            }
            let blob = PackBlob(type: location.type, id: id(at: position), length: location.length)
            blobs[frame]?.append((location.offset, blob))
        }
        var packs: [SegmentPack] = []
        for pack in 0..<packCount where wanted(pack) {
            var directory = PackDirectory()
            for frame in frames(ofPack: pack) {
                directory.frames.append(try self.frame(frame, blobs: blobs.removeValue(forKey: frame) ?? []))
            }
            packs.append(
                SegmentPack(
                    id: packID(pack), kind: packKind(pack), length: packLength(pack), directory: directory))
        }
        return packs
    }

    private func frame(_ frame: Int, blobs: [(offset: Int, blob: PackBlob)]) throws(FormatError) -> PackFrame {
        guard let location = frameLocation(frame) else { throw FormatError(.malformed, "an unknown codec") }
        let sorted = blobs.sorted { $0.offset < $1.offset }
        var end = 0
        for (offset, blob) in sorted {
            guard offset == end else { throw FormatError(.malformed, "the blobs of a frame have a gap") }
            end += blob.length
        }
        guard end == location.rawLength else { throw FormatError(.malformed, "the blobs of a frame do not fill it") }
        return PackFrame(
            storedLength: location.storedLength, rawLength: location.rawLength, codec: location.codec,
            base: location.base, blobs: sorted.map(\.blob))
    }

    /// Where the frame with a number below the segment's count of frames lies.
    package func frameLocation(_ frame: Int) -> FrameLocation? {
        let record = frameRecord(frame)
        let pack = number(record, 0)
        guard let codec = FrameCodec(rawValue: UInt8(truncatingIfNeeded: number(record, 16))) else { return nil }
        return FrameLocation(
            pack: packID(pack), kind: packKind(pack), packLength: packLength(pack),
            number: frame - number(packRecord(pack), 40), offset: number(record, 4),
            storedLength: number(record, 8), rawLength: number(record, 12), codec: codec,
            base: codec == .zstdDelta ? base(ofFrame: frame) : nil)
    }

    // MARK: Delta frames

    /// Where the frame of a pack lies that a base names; nil if the segment does not have it.
    package func frameLocation(_ base: FrameBase, _ kind: FileKind) -> FrameLocation? {
        guard let pack = packNumber(of: base.pack), packKind(pack) == kind else { return nil }
        let frames = frames(ofPack: pack)
        return base.number < frames.count ? frameLocation(frames.lowerBound + base.number) : nil
    }

    /// The number of a delta frame in the segment, and its base; `number` is below `layout.baseCount`.
    package func delta(_ number: Int) -> (frame: Int, base: FrameBase) {
        let record = baseRecord(number)
        let pack = PackID(word(record, 8), word(record, 16), word(record, 24), word(record, 32))
        return (self.number(record, 0), FrameBase(pack: pack, number: self.number(record, 4)))
    }

    private func base(ofFrame frame: Int) -> FrameBase? {
        let place = Self.lowerBound(layout.baseCount) { number(baseRecord($0), 0) < frame }
        guard place < layout.baseCount else { return nil }
        let (found, base) = delta(place)
        return found == frame ? base : nil
    }

    /// The number of a pack; nil if the segment does not have it.
    package func packNumber(of id: PackID) -> Int? {
        let place = Self.lowerBound(packCount) { packID($0) < id }
        return place < packCount && packID(place) == id ? place : nil
    }

    /// The first of `count` numbers that is not below, where those that are come first.
    private static func lowerBound(_ count: Int, _ isBelow: (Int) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = low + (high - low) / 2
            if isBelow(middle) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Refuses bases of other frames than delta frames. Whether a base can be one is for those to judge who need it: it
    /// may be named by another segment.
    private func checkBases(deltaCount: Int) throws(FormatError) {
        guard deltaCount == layout.baseCount else {
            throw FormatError(.malformed, "\(deltaCount) delta frames have \(layout.baseCount) bases")
        }
        var last = -1
        for place in 0..<layout.baseCount {
            let (frame, base) = delta(place)
            guard frame > last, frame < layout.frameCount, base.number < FormatLimits.packFrameCount else {
                throw FormatError(.malformed, "the bases of an index segment are not in order or not there")
            }
            last = frame
            let pack = number(frameRecord(frame), 0)
            guard number(frameRecord(frame), 16) == Int(FrameCodec.zstdDelta.rawValue), packID(pack) != base.pack
            else { throw FormatError(.malformed, "a base belongs to no delta frame, or lies in its pack") }
        }
    }

    // MARK: Opening

    private func checkPacks() throws(FormatError) {
        var nextFrame = 0
        var blobs = 0
        var deltas = 0
        for pack in 0..<layout.packCount {
            let record = packRecord(pack)
            guard pack == 0 || packID(pack - 1) < packID(pack) else {
                throw FormatError(.malformed, "the packs of an index segment are not in order")
            }
            // The kind's byte and seven zero bytes, read as one integer.
            let kind = UInt64(littleEndian: record.loadUnaligned(fromByteOffset: 48, as: UInt64.self))
            guard kind == UInt64(FileKind.dataPack.rawValue) || kind == UInt64(FileKind.treePack.rawValue) else {
                throw FormatError(.unsupported, "a pack of kind \(kind)")
            }
            let count = number(record, 44)
            guard packLength(pack) <= UInt64(FormatLimits.pack), count <= FormatLimits.packFrameCount else {
                throw FormatError(.overLimit, "a pack of \(packLength(pack)) bytes with \(count) frames")
            }
            guard number(record, 40) == nextFrame, count <= layout.frameCount - nextFrame else {
                throw FormatError(.malformed, "the frames of an index segment are not numbered without gaps")
            }
            let (blobCount, deltaCount) = try checkFrames(nextFrame..<nextFrame + count, pack: pack)
            blobs += blobCount
            deltas += deltaCount
            nextFrame += count
        }
        guard nextFrame == layout.frameCount, blobs == layout.blobCount else {
            throw FormatError(.malformed, "the counts of an index segment do not agree")
        }
        try checkBases(deltaCount: deltas)
    }

    /// Checks the frames of a pack and counts their blobs, and the delta frames among them.
    private func checkFrames(
        _ frames: Range<Int>, pack: Int
    ) throws(FormatError) -> (blobs: Int, deltas: Int) {
        var offset = PackLayout.firstFrameOffset
        var blobs = 0
        var deltas = 0
        for frame in frames {
            let record = frameRecord(frame)
            let codec = number(record, 16)
            guard number(record, 0) == pack, number(record, 4) == offset else {
                throw FormatError(.malformed, "a frame of an index segment is out of place")
            }
            guard codec <= 255, FrameCodec(rawValue: UInt8(codec)) != nil else {
                throw FormatError(.unsupported, "codec \(codec)")
            }
            let storedLength = number(record, 8)
            let rawLength = number(record, 12)
            guard storedLength > 0, rawLength > 0 else { throw FormatError(.malformed, "an empty frame") }
            guard storedLength <= PackLayout.storedFrameLimit, rawLength <= FormatLimits.frame else {
                throw FormatError(.overLimit, "a frame of \(rawLength) bytes, stored as \(storedLength)")
            }
            offset += storedLength
            guard UInt64(offset) <= packLength(pack) else {
                throw FormatError(.malformed, "a frame lies behind the end of its pack")
            }
            let count = number(record, 20)
            guard count > 0 else { throw FormatError(.malformed, "a frame without blobs") }
            blobs += count
            if codec == Int(FrameCodec.zstdDelta.rawValue) { deltas += 1 }
        }
        guard blobs <= FormatLimits.packBlobCount else {
            throw FormatError(.overLimit, "a pack of \(blobs) blobs")
        }
        return (blobs, deltas)
    }

    /// Refuses entries that cannot be true or are out of order; reads all of them.
    package func checkBlobs() throws(FormatError) {
        var last: BlobID?
        for position in 0..<blobCount {
            let id = id(at: position)
            guard last.map({ $0 <= id }) ?? true else {
                throw FormatError(.malformed, "the blobs of an index segment are not in order")
            }
            guard location(at: position) != nil else {
                throw FormatError(.malformed, "an entry of an index segment cannot be true")
            }
            last = id
        }
    }

    // MARK: Memory

    private func packRecord(_ number: Int) -> UnsafeRawPointer {
        base + layout.packsOffset + number * SegmentLayout.packLength
    }

    private func baseRecord(_ number: Int) -> UnsafeRawPointer {
        base + layout.basesOffset + number * SegmentLayout.baseLength
    }

    private func frameRecord(_ number: Int) -> UnsafeRawPointer {
        base + layout.framesOffset + number * SegmentLayout.frameLength
    }

    private func number(_ record: UnsafeRawPointer, _ offset: Int) -> Int {
        Int(UInt32(littleEndian: record.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }

    private func word(_ record: UnsafeRawPointer, _ offset: Int) -> UInt64 {
        UInt64(bigEndian: record.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}
