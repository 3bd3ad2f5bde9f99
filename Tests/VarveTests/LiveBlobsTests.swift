import Testing
import Varve
import VarveFormat

@Suite struct LiveBlobsTests {
    @Test(
        "What is live is what a plain walk reaches, at every one of its positions",
        arguments: 1...12 as ClosedRange<UInt64>)
    func sameAsReference(seed: UInt64) throws {
        let fixture = try CollectFixture(seed % 3 == 0 ? .none : .aes256GCM, seed: seed)
        for _ in 0..<2 + fixture.below(4) {
            fixture.addFiles(10)
            fixture.change(4)
            try fixture.capture()
        }
        let kept = fixture.snapshots.filter { _ in fixture.below(2) == 0 }
        let census = try fixture.census()
        let live = try fixture.live(kept, in: census)
        let reached = try fixture.reached(kept)
        let keys = try census.keys
        for (position, key) in keys.enumerated() {
            #expect(live.contains(position) == reached.contains(key), "seed \(seed)")
        }
        #expect(live.count == reached.count, "seed \(seed)")
        // Elsewhere they are as if they had been marked there.
        let plan = CollectionPlan(
            census: census, live: live, condemned: [], options: CollectOptions(), config: try fixture.open().config)
        _ = try fixture.move(plan, live)
        let later = try fixture.census()
        let (placed, marked) = (try #require(try live.placed(in: later)), try fixture.live(kept, in: later))
        #expect((0..<later.count).allSatisfy { placed.contains($0) == marked.contains($0) }, "seed \(seed)")
        #expect(placed.count == marked.count && placed.rawBytes == marked.rawBytes, "seed \(seed)")
        let lengths = try census.packs.indices.flatMap { try census.segmentPack($0).directory.frames.flatMap(\.blobs) }
        let sizes = Dictionary(lengths.map { (CollectFixture.Key(type: $0.type, id: $0.id), $0.length) }) { $1 }
        #expect(live.rawBytes == reached.reduce(0) { $0 + UInt64(sizes[$1] ?? 0) }, "seed \(seed)")
    }

    @Test(
        "A tree that is damaged everywhere, or in an absent pack, is an error that names it", arguments: Suite.allCases)
    func damagedTree(suite: Suite) throws {
        let fixture = try CollectFixture(suite, seed: 3)
        fixture.addFiles(20)
        let id = try fixture.capture()
        let path = fixture.paths("packs/tree/")[0]
        let whole = try fixture.backend.read(path, limit: .max)
        var bytes = whole
        bytes[200] ^= 1
        try fixture.backend.replace(path, bytes)
        let census = try fixture.census()
        #expect(census.problems.isEmpty, "the end of the pack is whole")
        let damage = #expect(throws: StoreError.self) { try fixture.live([id], in: census) }
        #expect(damage?.code == .damaged)
        #expect(damage?.message.contains(try fixture.roots([id])[0].hex) ?? false || damage?.path != nil)
        try fixture.backend.replace(path, whole)
        let live = try fixture.live([id], in: census)
        try fixture.backend.remove(path)
        #expect(try live.placed(in: try fixture.census()) == nil)
        let loss = #expect(throws: StoreError.self) { try fixture.live([id], in: try fixture.census()) }
        #expect(loss?.code == .missing)
        #expect(loss?.message.contains("tree") ?? false)
    }

    @Test("A tree that is damaged in one pack is read from another")
    func otherPlace() throws {
        let fixture = try CollectFixture(.none, seed: 4)
        fixture.addFiles(20)
        let id = try fixture.capture()
        let first = fixture.paths("packs/tree/")[0]
        let index = fixture.paths("index/")[0]
        let named = try fixture.backend.read(index, limit: .max)
        try fixture.backend.remove(index)
        try fixture.capture()
        try fixture.backend.putIfAbsent(index, named, session: nil)
        for path in fixture.paths("packs/tree/") {
            let whole = try fixture.backend.read(path, limit: .max)
            var bytes = whole
            bytes[200] ^= 1
            try fixture.backend.replace(path, bytes)
            #expect(try fixture.live([id], in: try fixture.census()).count > 20, "\(path == first)")
            try fixture.backend.replace(path, whole)
        }
    }

    @Test("A live blob whose every pack is absent, cut short or avoided is missing")
    func missingData() throws {
        let fixture = try CollectFixture(seed: 6)
        fixture.addFiles(30)
        let id = try fixture.capture()
        let census = try fixture.census()
        let pack = try #require(census.packs.first { $0.kind == .dataPack })
        let avoided = #expect(throws: StoreError.self) { try fixture.live([id], in: census, avoiding: [pack.id]) }
        #expect(avoided?.code == .missing)
        let path = RepositoryPath.pack(.dataPack, pack.id)
        let bytes = try fixture.backend.read(path, limit: .max)
        try fixture.backend.replace(path, Array(bytes.dropLast(100)))
        #expect(throws: StoreError.self) { try fixture.live([id], in: try fixture.census()) }
        try fixture.backend.remove(path)
        #expect(throws: StoreError.self) { try fixture.live([id], in: try fixture.census()) }
    }

    @Test("A tree of a version that this program does not know is an error, not an empty directory")
    func unknownTree() throws {
        let fixture = try SnapshotFixture()
        let tree = fixture.blob(.tree, [9, 0])
        let root = TreeEntry(
            name: [], type: .directory, attributes: fixture.attributes(0o755), content: .directory(.tree(tree)))
        let snapshot = try fixture.snapshot(rootTree: fixture.blob(.tree, TreeCoding.encode(entries: [root])))
        let census = try BlobCensus(reading: fixture.repository, progress: Progress())
        let error = #expect(throws: StoreError.self) {
            try LiveBlobs.marking(
                [snapshot.manifest.treeRoot], in: census, repository: fixture.repository, progress: Progress())
        }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains(tree.hex) ?? false)
    }

    @Test("A pack may go exactly if every live blob of it has a place that stays")
    func removable() throws {
        let fixture = try CollectFixture(seed: 7)
        fixture.addFiles(30)
        let id = try fixture.capture()
        let old = Set(try fixture.census().packs.map(\.id))
        let index = fixture.paths("index/")[0]
        let named = try fixture.backend.read(index, limit: .max)
        try fixture.backend.remove(index)
        try fixture.capture()
        try fixture.backend.putIfAbsent(index, named, session: nil)
        let census = try fixture.census()
        let live = try fixture.live([id], in: census)
        let all = Set(census.packs.map(\.id))
        let oldData = old.filter { pack in census.packs.contains { $0.id == pack && $0.kind == .dataPack } }
        #expect(live.removable(oldData, condemned: []) == oldData)
        #expect(live.removable(oldData, condemned: all).isEmpty)
        #expect(live.removable(all, condemned: []).isEmpty, "not both copies")
        #expect(live.removable([PackID(1, 2, 3, 4)], condemned: []).count == 1, "one that is gone is no hindrance")
        let none = try fixture.live([], in: census)
        #expect(none.removable(all, condemned: all) == all)
    }
}
