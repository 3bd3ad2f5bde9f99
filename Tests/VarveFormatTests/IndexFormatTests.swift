import Testing
import VarveFormat

private let repository = RepositoryID(7, 8)

/// SplitMix64 (Steele, Lea, Flood, 2014).
private struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func id() -> BlobID { BlobID(next(), next(), next(), next()) }
    mutating func packID() -> PackID { PackID(next(), next(), next(), next()) }

    mutating func pack(_ ids: [BlobID], perFrame: Int = 10) -> SegmentPack {
        var frames: [PackFrame] = []
        for start in stride(from: 0, to: ids.count, by: perFrame) {
            let blobs = ids[start..<min(start + perFrame, ids.count)].map {
                PackBlob(type: .data, id: $0, length: Int.random(in: 1...5_000, using: &self))
            }
            let raw = blobs.reduce(0) { $0 + $1.length }
            let base = frames.count % 3 == 2 ? FrameBase(pack: packID(), number: Int(next() & 0xffff)) : nil
            frames.append(
                PackFrame(
                    storedLength: raw / 2 + 17, rawLength: raw, codec: base == nil ? .zstd : .zstdDelta, base: base,
                    blobs: blobs))
        }
        let length = frames.reduce(136) { $0 + $1.storedLength } + 300
        return SegmentPack(
            id: packID(), kind: .dataPack, length: UInt64(length), directory: PackDirectory(frames: frames))
    }

    mutating func ids(_ count: Int) -> [BlobID] { (0..<count).map { _ in id() } }
}

private func withView<Result>(
    _ bytes: [UInt8], _ body: (SegmentView) throws -> Result
) throws -> Result {
    try bytes.withUnsafeBytes { try body(SegmentView(validating: $0, repository: repository)) }
}

@Suite struct IndexFormatTests {
    @Test("Every blob of 100,000 is found where its directory puts it, and others are not")
    func lookups() throws {
        var random = Random(state: 1)
        let packs = (0..<20).map { _ in random.pack(random.ids(5_000)) }
        let bytes = try SegmentBuilder.build(repository: repository, packs: packs)
        let strangers = random.ids(1_000)
        try withView(bytes) { view in
            try view.checkBlobs()
            for pack in packs {
                var place = 136
                for (number, frame) in pack.directory.frames.enumerated() {
                    let location = FrameLocation(
                        pack: pack.id, kind: .dataPack, packLength: pack.length, number: number, offset: place,
                        storedLength: frame.storedLength, rawLength: frame.rawLength, codec: frame.codec,
                        base: frame.base)
                    var offset = 0
                    for blob in frame.blobs {
                        let expected = BlobLocation(frame: location, type: .data, offset: offset, length: blob.length)
                        #expect(view.locations(of: blob.id) == [expected])
                        offset += blob.length
                    }
                    place += frame.storedLength
                }
            }
            for id in strangers { #expect(view.positions(of: id).isEmpty) }
        }
    }

    @Test("Less than two in a hundred absent blobs pass the filter")
    func filter() throws {
        var random = Random(state: 2)
        let bytes = try SegmentBuilder.build(repository: repository, packs: [random.pack(random.ids(50_000))])
        // The filter as section 8 describes it, read anew.
        let filterBytes = bytes[24..<32].enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
        let filter = Array(bytes.suffix(filterBytes))
        let blocks = UInt64(filterBytes / 64)
        var passed = 0
        for _ in 0..<50_000 {
            let id = random.id()
            let block = Int(id.word1.multipliedFullWidth(by: blocks).high)
            let isIn = (0..<6).allSatisfy { index in
                let bit = Int(id.word2 >> UInt64(9 * index) & 511)
                return filter[block * 64 + bit / 8] & (1 << UInt8(bit % 8)) != 0
            }
            if isIn { passed += 1 }
        }
        #expect(passed < 1_000)
        #expect(passed > 50, "a filter that nothing passes was not read right")
    }

    @Test("All places of a blob that stands in several packs, and twice in one frame, are found")
    func duplicates() throws {
        var random = Random(state: 3)
        let id = random.id()
        let packs = (0..<3).map { _ in random.pack([id] + random.ids(30) + [id]) } + [random.pack([id, id])]
        let bytes = try SegmentBuilder.build(repository: repository, packs: packs)
        try withView(bytes) { view in
            let locations = view.locations(of: id)
            #expect(locations.count == 8)
            #expect(Set(locations.map(\.frame.pack)) == Set(packs.map(\.id)))
            #expect(Set(locations).count == 8)
        }
    }

    @Test("Ids that are not evenly distributed are found all the same")
    func clustered() throws {
        var random = Random(state: 4)
        var ids: [BlobID] = []
        for number in 0..<3_000 as Range<UInt64> { ids.append(BlobID(number / 100, random.next(), random.next(), 1)) }
        for number in 0..<3_000 as Range<UInt64> { ids.append(BlobID(~number, random.next(), random.next(), 1)) }
        for number in 0..<3_000 as Range<UInt64> { ids.append(BlobID(1 << 40, number << 50, random.next(), 1)) }
        let bytes = try SegmentBuilder.build(repository: repository, packs: [random.pack(ids)])
        try withView(bytes) { view in
            for id in ids { #expect(view.positions(of: id).count == 1) }
        }
    }

    @Test("A segment gives back the directory of each of its packs exactly")
    func directories() throws {
        var random = Random(state: 5)
        var packs = (0..<5).map { random.pack(random.ids(37 + $0), perFrame: 7) }
        packs.append(
            SegmentPack(id: random.packID(), kind: .treePack, length: 400, directory: PackDirectory(frames: [])))
        let bytes = try SegmentBuilder.build(repository: repository, packs: packs)
        let sorted = packs.sorted { $0.id < $1.id }
        try withView(bytes) { view in
            let all = try view.packs { _ in true }
            let one = try view.packs { $0 == 2 }
            #expect(all == sorted)
            #expect(one == [sorted[2]])
        }
    }

    @Test("Merging gives the same segment as building at once, without the dropped packs")
    func merging() throws {
        var random = Random(state: 6)
        let packs = (0..<6).map { _ in random.pack(random.ids(100)) }
        let first = try SegmentBuilder.build(repository: repository, packs: Array(packs[0..<3]))
        let second = try SegmentBuilder.build(repository: repository, packs: Array(packs[2..<5]))
        try withView(first) { first in
            try withView(second) { second in
                let merged = try SegmentBuilder.build(
                    repository: repository, packs: [packs[5]], merging: [first, second],
                    dropping: { $0 == packs[1].id })
                let kept = [packs[0], packs[2], packs[3], packs[4], packs[5]]
                let built = try SegmentBuilder.build(repository: repository, packs: kept)
                #expect(merged == built)
            }
        }
    }

    @Test("A segment of no packs is valid and holds nothing")
    func empty() throws {
        let bytes = try SegmentBuilder.build(repository: repository, packs: [])
        #expect(bytes.count == 128)
        try withView(bytes) { view in #expect(view.positions(of: BlobID(1, 2, 3, 4)).isEmpty) }
    }

    @Test("A segment of another repository, cut short or with bytes behind it is refused")
    func lengths() throws {
        var random = Random(state: 7)
        let bytes = try SegmentBuilder.build(repository: repository, packs: [random.pack(random.ids(20))])
        for length in 0..<bytes.count {
            #expect(throws: FormatError.self) { try withView(Array(bytes[..<length])) { _ in } }
        }
        #expect(throws: FormatError.self) { try withView(bytes + [0]) { _ in } }
        let error = #expect(throws: FormatError.self) {
            try bytes.withUnsafeBytes { _ = try SegmentView(validating: $0, repository: RepositoryID(7, 9)) }
        }
        #expect(error?.code == .mismatch)
    }

    @Test("Hostile bytes are refused or searched without harm")
    func hostile() throws {
        var random = Random(state: 8)
        let ids = random.ids(60)
        let packs = [random.pack(Array(ids[..<30])), random.pack(Array(ids[30...]))]
        let original = try SegmentBuilder.build(repository: repository, packs: packs)
        for _ in 0..<20_000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let offset = Int.random(in: 0..<bytes.count - 8, using: &random)
                let any = UInt8(truncatingIfNeeded: random.next())
                let value = [0, 0xff, any].randomElement(using: &random) ?? any
                for index in 0..<Int.random(in: 1...8, using: &random) { bytes[offset + index] = value }
            }
            try? withView(bytes) { view in
                for id in ids {
                    for location in view.locations(of: id) {
                        #expect(location.offset + location.length <= location.frame.rawLength)
                    }
                }
                try? view.checkBlobs()
                _ = try? view.packs { _ in true }
                _ = try? SegmentBuilder.build(repository: repository, packs: [], merging: [view])
            }
        }
    }
}
