/// Makes segments: out of the directories of new packs, out of older segments, or both (FORMAT.md section 8).
package enum SegmentBuilder {
    /// An entry as it lies in the segment, so that entries are sorted in place and memory holds them once.
    private struct Entry {
        var id0, id1, id2, id3: UInt64
        var frame, offset, length, type: UInt32

        init(_ id: BlobID, frame: Int, offset: Int, length: Int, type: BlobType) {
            id0 = id.word0.bigEndian
            id1 = id.word1.bigEndian
            id2 = id.word2.bigEndian
            id3 = id.word3.bigEndian
            self.frame = UInt32(truncatingIfNeeded: frame).littleEndian
            self.offset = UInt32(truncatingIfNeeded: offset).littleEndian
            self.length = UInt32(truncatingIfNeeded: length).littleEndian
            self.type = UInt32(type.rawValue).littleEndian
        }

        var id: BlobID {
            BlobID(
                UInt64(bigEndian: id0), UInt64(bigEndian: id1), UInt64(bigEndian: id2), UInt64(bigEndian: id3))
        }

        static func < (left: Entry, right: Entry) -> Bool {
            if left.id0 != right.id0 { return UInt64(bigEndian: left.id0) < UInt64(bigEndian: right.id0) }
            if left.id != right.id { return left.id < right.id }
            let leftFrame = UInt32(littleEndian: left.frame)
            let rightFrame = UInt32(littleEndian: right.frame)
            if leftFrame != rightFrame { return leftFrame < rightFrame }
            return UInt32(littleEndian: left.offset) < UInt32(littleEndian: right.offset)
        }
    }

    /// Where the directory of a pack comes from.
    private enum Source {
        case directory(Int)
        case segment(Int, pack: Int)
    }

    /// One pack of the segment to be.
    private struct Row {
        let id: PackID
        let source: Source
        var firstFrame = 0
    }

    /// Makes a segment.
    ///
    /// - Parameters:
    ///   - packs: directories of packs; of a pack that comes twice the first is taken.
    ///   - segments: segments whose packs come after those of `packs`.
    ///   - dropped: packs of `segments` to leave out.
    /// - Throws: `overLimit` if there is more than a segment may hold; `malformed` if an entry of an older segment
    ///   cannot be true.
    package static func build(
        repository: RepositoryID, packs: [SegmentPack], merging segments: [SegmentView] = [],
        dropping dropped: (PackID) -> Bool = { _ in false }
    ) throws(FormatError) -> [UInt8] {
        var rows = rows(packs: packs, segments: segments, dropped: dropped)
        var frameCount = 0
        var baseCount = 0
        var blobCount = 0
        for index in rows.indices {
            rows[index].firstFrame = frameCount
            switch rows[index].source {
            case .directory(let pack):
                for frame in packs[pack].directory.frames {
                    blobCount += frame.blobs.count
                    if frame.base != nil { baseCount += 1 }
                }
                frameCount += packs[pack].directory.frames.count
            case .segment(let segment, let pack):
                let frames = segments[segment].frames(ofPack: pack)
                for frame in frames {
                    blobCount += segments[segment].blobCount(ofFrame: frame)
                    if segments[segment].frameLocation(frame)?.base != nil { baseCount += 1 }
                }
                frameCount += frames.count
            }
        }
        let layout = try SegmentLayout(
            repositoryID: repository, packCount: rows.count, frameCount: frameCount, baseCount: baseCount,
            blobCount: blobCount)
        var failure: FormatError?
        let bytes = [UInt8](unsafeUninitializedCapacity: layout.length) { memory, count in
            guard let base = UnsafeMutableRawPointer(memory.baseAddress) else { return }
            memory.initialize(repeating: 0)
            count = layout.length
            var writer = Writer(layout: layout, base: base)
            do throws(FormatError) {
                try writer.write(rows: rows, packs: packs, segments: segments)
            } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    /// The packs of the segment to be, in order, each once.
    private static func rows(
        packs: [SegmentPack], segments: [SegmentView], dropped: (PackID) -> Bool
    ) -> [Row] {
        var rows = packs.indices.map { Row(id: packs[$0].id, source: .directory($0)) }
        for (number, segment) in segments.enumerated() {
            for pack in 0..<segment.packCount where !dropped(segment.packID(pack)) {
                rows.append(Row(id: segment.packID(pack), source: .segment(number, pack: pack)))
            }
        }
        // A stable order: the first of several copies of a directory is the one that is kept.
        let order = rows.indices.sorted { (rows[$0].id, $0) < (rows[$1].id, $1) }
        var result: [Row] = []
        result.reserveCapacity(rows.count)
        for index in order where result.last?.id != rows[index].id { result.append(rows[index]) }
        return result
    }

    /// Fills memory of a segment's length that is all zeros.
    private struct Writer {
        let layout: SegmentLayout
        let base: UnsafeMutableRawPointer
        private var baseCount = 0

        init(layout: SegmentLayout, base: UnsafeMutableRawPointer) {
            self.layout = layout
            self.base = base
        }

        mutating func write(rows: [Row], packs: [SegmentPack], segments: [SegmentView]) throws(FormatError) {
            base.copyMemory(from: layout.encode(), byteCount: SegmentLayout.headerLength)
            let blobs = base + layout.blobsOffset
            let entries = UnsafeMutableBufferPointer(
                start: blobs.bindMemory(to: Entry.self, capacity: layout.blobCount), count: layout.blobCount)
            // For each older segment the first new frame number of each of its packs, or nil.
            var moved = segments.map { [Int?](repeating: nil, count: $0.packCount) }
            var next = 0
            for (number, row) in rows.enumerated() {
                switch row.source {
                case .directory(let pack):
                    next = write(packs[pack], number: number, firstFrame: row.firstFrame, entries, from: next)
                case .segment(let segment, let pack):
                    try copyPack(pack, of: segments[segment], number: number, firstFrame: row.firstFrame)
                    moved[segment][pack] = row.firstFrame
                }
            }
            for (segment, firstFrames) in zip(segments, moved) {
                next = try copyBlobs(of: segment, firstFrames: firstFrames, entries, from: next)
            }
            guard next == entries.count else { throw FormatError(.malformed, "an index segment miscounts its blobs") }
            HashSort.sort(entries, key: { UInt64(bigEndian: $0.id0) }, by: <)
            let filter = base + layout.filterOffset
            for entry in entries { SegmentFilter.insert(entry.id, filter, blockCount: layout.filterBlockCount) }
            blobs.bindMemory(to: UInt8.self, capacity: layout.blobCount * SegmentLayout.blobLength)
        }

        private mutating func write(
            _ pack: SegmentPack, number: Int, firstFrame: Int, _ entries: UnsafeMutableBufferPointer<Entry>,
            from start: Int
        ) -> Int {
            var next = start
            let frames = pack.directory.frames
            write(pack: number, id: pack.id, kind: pack.kind, length: pack.length, firstFrame, count: frames.count)
            var place = PackLayout.firstFrameOffset
            for (index, frame) in frames.enumerated() {
                write(
                    frame: firstFrame + index,
                    [number, place, frame.storedLength, frame.rawLength, Int(frame.codec.rawValue), frame.blobs.count])
                if let base = frame.base { write(base, ofFrame: firstFrame + index) }
                place += frame.storedLength
                var offset = 0
                for blob in frame.blobs {
                    entries[next] = Entry(
                        blob.id, frame: firstFrame + index, offset: offset, length: blob.length, type: blob.type)
                    offset += blob.length
                    next += 1
                }
            }
            return next
        }

        private mutating func copyPack(
            _ pack: Int, of segment: SegmentView, number: Int, firstFrame: Int
        ) throws(FormatError) {
            let frames = segment.frames(ofPack: pack)
            write(
                pack: number, id: segment.packID(pack), kind: segment.packKind(pack),
                length: segment.packLength(pack), firstFrame, count: frames.count)
            for frame in frames {
                guard let location = segment.frameLocation(frame) else {
                    throw FormatError(.malformed, "a frame of an index segment cannot be true")
                }
                write(
                    frame: firstFrame + location.number,
                    [
                        number, location.offset, location.storedLength, location.rawLength,
                        Int(location.codec.rawValue), segment.blobCount(ofFrame: frame),
                    ])
                if let base = location.base { write(base, ofFrame: firstFrame + location.number) }
            }
        }

        private func copyBlobs(
            of segment: SegmentView, firstFrames: [Int?], _ entries: UnsafeMutableBufferPointer<Entry>,
            from start: Int
        ) throws(FormatError) -> Int {
            var next = start
            for position in 0..<segment.blobCount {
                guard let pack = segment.packNumber(at: position), let location = segment.location(at: position) else {
                    throw FormatError(.malformed, "an entry of an index segment cannot be true")
                }
                guard let firstFrame = firstFrames[pack] else { continue }
                guard next < entries.count else {
                    throw FormatError(.malformed, "an index segment miscounts its blobs")
                }
                entries[next] = Entry(
                    segment.id(at: position), frame: firstFrame + location.frame.number, offset: location.offset,
                    length: location.length, type: location.type)
                next += 1
            }
            return next
        }

        private func write(
            pack number: Int, id: PackID, kind: FileKind, length: UInt64, _ firstFrame: Int, count: Int
        ) {
            let record = base + layout.packsOffset + number * SegmentLayout.packLength
            for (index, word) in id.words.enumerated() {
                record.storeBytes(of: word.bigEndian, toByteOffset: 8 * index, as: UInt64.self)
            }
            record.storeBytes(of: length.littleEndian, toByteOffset: 32, as: UInt64.self)
            store(record, 40, firstFrame)
            store(record, 44, count)
            record.storeBytes(of: kind.rawValue, toByteOffset: 48, as: UInt8.self)
        }

        /// To be called in the order of frames.
        private mutating func write(_ frameBase: FrameBase, ofFrame frame: Int) {
            let record = base + layout.basesOffset + baseCount * SegmentLayout.baseLength
            store(record, 0, frame)
            store(record, 4, frameBase.number)
            for (index, word) in frameBase.pack.words.enumerated() {
                record.storeBytes(of: word.bigEndian, toByteOffset: 8 + 8 * index, as: UInt64.self)
            }
            baseCount += 1
        }

        private func write(frame number: Int, _ fields: [Int]) {
            let record = base + layout.framesOffset + number * SegmentLayout.frameLength
            for (index, field) in fields.enumerated() { store(record, 4 * index, field) }
        }

        private func store(_ record: UnsafeMutableRawPointer, _ offset: Int, _ value: Int) {
            record.storeBytes(
                of: UInt32(truncatingIfNeeded: value).littleEndian, toByteOffset: offset, as: UInt32.self)
        }
    }
}
