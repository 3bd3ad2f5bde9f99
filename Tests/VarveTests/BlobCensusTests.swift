import Testing
import Varve
import VarveFormat

@Suite struct BlobCensusTests {
    private static func fixture(_ suite: Suite) throws -> CollectFixture {
        let fixture = try CollectFixture(suite, seed: 1)
        fixture.addFiles(40)
        try fixture.capture()
        fixture.change(3)
        try fixture.capture()
        return fixture
    }

    @Test("What index files say and what the packs say of themselves is the same census", arguments: Suite.allCases)
    func sameFromPacks(suite: Suite) throws {
        let fixture = try Self.fixture(suite)
        let named = try fixture.census()
        #expect(named.indexFiles.count == 2 && named.problems.isEmpty)
        let fromIndex = Set(try named.packs.indices.map(named.segmentPack))
        for path in fixture.paths("index/") { try fixture.backend.remove(path) }
        let found = try fixture.census()
        #expect(found.indexFiles.isEmpty)
        let fromPacks = Set(try found.packs.indices.map(found.segmentPack))
        #expect(fromIndex == fromPacks)
        #expect(fromPacks.count == fixture.paths("packs/").count)
        #expect(named.packs.allSatisfy { $0.isNamed && $0.isPresent })
        #expect(found.packs.allSatisfy { !$0.isNamed && $0.isPresent })
        for pack in named.packs {
            let frames = try named.segmentPack(try #require(named.packNumber(of: pack.id))).directory.frames
            #expect(pack.rawBytes == frames.reduce(0) { $0 + UInt64($1.rawLength) })
        }
    }

    @Test("Every position is found by its blob, and lies in the pack that holds it")
    func positions() throws {
        let fixture = try Self.fixture(.none)
        let census = try fixture.census()
        let keys = try census.keys
        #expect(keys.count == census.count)
        for (position, key) in keys.enumerated() {
            #expect(try census.positions(of: key.id, key.type).contains(position))
            #expect(census.packs[census.packNumber(ofPosition: position)].positions.contains(position))
        }
        #expect(try census.positions(of: keys[0].id, keys[0].type == .data ? .tree : .data).isEmpty)
        #expect(try census.positions(of: BlobID(1, 2, 3, 4), .data).isEmpty)
    }

    @Test("A blob that lies in two packs has two positions")
    func duplicates() throws {
        let fixture = try CollectFixture(seed: 5)
        fixture.addFiles(10)
        try fixture.capture()
        let before = try fixture.census()
        // A second writer that cannot know of the first stores everything again.
        let index = fixture.paths("index/").map { ($0, try? fixture.backend.read($0, limit: .max)) }
        for (path, _) in index { try fixture.backend.remove(path) }
        try fixture.capture()
        for (path, bytes) in index { try fixture.backend.putIfAbsent(path, try #require(bytes), session: nil) }
        let after = try fixture.census()
        #expect(after.count > before.count)
        for key in try before.keys where key.type == .data {
            #expect(try after.positions(of: key.id, .data).count == 2)
        }
    }

    @Test("A pack that is absent or cut short counts as not present, and stays known")
    func absent() throws {
        let fixture = try Self.fixture(.aes256GCM)
        let packs = fixture.paths("packs/data/")
        try fixture.backend.remove(packs[0])
        let bytes = try fixture.backend.read(packs[1], limit: .max)
        try fixture.backend.replace(packs[1], Array(bytes.dropLast()))
        let census = try fixture.census()
        let states = Dictionary(uniqueKeysWithValues: census.packs.map { ($0.id.hex, ($0.isListed, $0.isPresent)) })
        #expect(try #require(states[String(packs[0].suffix(64))]) == (false, false))
        #expect(try #require(states[String(packs[1].suffix(64))]) == (true, false))
        #expect(states.values.count { $0.1 } == states.count - 2)
        #expect(census.problems.isEmpty, "index files name both")
    }

    @Test("Index files and ends of packs that cannot be read are problems, and a cache does not help over them")
    func problems() throws {
        let fixture = try Self.fixture(.aes256GCM)
        let index = fixture.paths("index/")[0]
        var bytes = try fixture.backend.read(index, limit: .max)
        bytes[bytes.count / 2] ^= 1
        try fixture.backend.replace(index, bytes)
        let damagedIndex = try fixture.census()
        #expect(damagedIndex.problems.map(\.code) == [.damaged])
        #expect(damagedIndex.packs.count == fixture.paths("packs/").count, "its packs speak for themselves")
        try fixture.backend.remove(index)
        let census = try fixture.census()
        let unnamed = try #require(census.packs.first { !$0.isNamed })
        let path = RepositoryPath.pack(unnamed.kind, unnamed.id)
        var pack = try fixture.backend.read(path, limit: .max)
        pack[pack.count - 20] ^= 1
        try fixture.backend.replace(path, pack)
        let damagedEnd = try fixture.census()
        #expect(damagedEnd.problems.map(\.code) == [.damaged])
        #expect(damagedEnd.packNumber(of: unnamed.id) == nil)
    }

    @Test("An empty repository has an empty census")
    func empty() throws {
        let census = try CollectFixture(seed: 1).census()
        #expect(census.count == 0 && census.packs.isEmpty && census.problems.isEmpty)
        #expect(try census.positions(of: BlobID(1, 2, 3, 4), .data).isEmpty)
    }
}
