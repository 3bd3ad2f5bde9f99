import Testing
import Varve
import VarveFormat

@Suite struct BlobLoaderTests {
    private static func trees(_ seed: UInt64, _ count: Int) -> [(type: BlobType, bytes: [UInt8])] {
        var random = SeededBytes(seed: seed)
        return (0..<count).map { _ in (.tree, random.text(1_000)) }
    }

    private static func loader(_ fixture: PackFixture, cacheBytes: Int = 1 << 20) throws -> BlobLoader {
        BlobLoader(
            backend: fixture.backend, reader: fixture.reader, index: try fixture.openIndex(), cacheBytes: cacheBytes)
    }

    @Test("Every blob loads, with and without room for frames", arguments: Suite.allCases)
    func loads(suite: Suite) throws {
        let fixture = try PackFixture(suite)
        let blobs = Self.trees(1, 1_500) + [(.data, [1, 2, 3])]
        try fixture.store(blobs)
        for cacheBytes in [0, 600_000, 16 << 20] {
            let loader = try Self.loader(fixture, cacheBytes: cacheBytes)
            for blob in blobs where cacheBytes > 0 || blob.bytes[0] == 97 {
                #expect(try loader.load(blob.type, fixture.keys.blobHasher.id(blob.type, blob.bytes)) == blob.bytes)
            }
        }
    }

    @Test("A blob whose first place is damaged, or gone, comes from the second", arguments: Suite.allCases)
    func secondPlace(suite: Suite) throws {
        let fixture = try PackFixture(suite)
        let blobs = Self.trees(2, 3)
        let first = try #require(try fixture.store(blobs).first)
        let second = try #require(try fixture.store(blobs).first)
        let id = fixture.keys.blobHasher.id(.tree, blobs[1].bytes)
        for pack in [first, second] {
            let path = RepositoryPath.pack(.treePack, pack.id)
            try fixture.flip(path, at: 300)
            #expect(try Self.loader(fixture).load(.tree, id) == blobs[1].bytes)
            try fixture.flip(path, at: 300)
        }
        try fixture.backend.remove(RepositoryPath.pack(.treePack, first.id))
        #expect(try Self.loader(fixture).load(.tree, id) == blobs[1].bytes)
        try fixture.flip(RepositoryPath.pack(.treePack, second.id), at: 300)
        let error = #expect(throws: StoreError.self) { try Self.loader(fixture).load(.tree, id) }
        #expect(error?.code == .damaged, "damage says more than the absence of the other pack")
    }

    @Test("A blob of a pack that no index file names is found in the pack's own directory")
    func unindexed() throws {
        let fixture = try PackFixture(.aes256GCM)
        try fixture.store(Self.trees(3, 5))
        let late = Self.trees(4, 5)
        let loader = try Self.loader(fixture)
        try fixture.store(late, indexes: false)
        let id = fixture.keys.blobHasher.id(.tree, late[2].bytes)
        #expect(try loader.load(.tree, id) == late[2].bytes)
    }

    @Test("The index of a writer does not learn of packs that no index file names")
    func unindexedForWriters() throws {
        let fixture = try PackFixture(.aes256GCM)
        try fixture.store(Self.trees(3, 5))
        let late = Self.trees(4, 5)
        let index = try fixture.openIndex()
        let loader = BlobLoader(
            backend: fixture.backend, reader: fixture.reader, index: index, searchesUnindexedPacks: false)
        try fixture.store(late, indexes: false)
        let id = fixture.keys.blobHasher.id(.tree, late[2].bytes)
        let error = #expect(throws: StoreError.self) { try loader.load(.tree, id) }
        #expect(error?.code == .missing)
        #expect(!index.contains(id))
    }

    @Test("An absent blob is missing, and a blob asked for as another type is not given out")
    func missing() throws {
        let fixture = try PackFixture(.none)
        let blobs = Self.trees(5, 2)
        try fixture.store(blobs)
        let loader = try Self.loader(fixture)
        let absent = #expect(throws: StoreError.self) { try loader.load(.tree, BlobID(1, 2, 3, 4)) }
        #expect(absent?.code == .missing)
        let id = fixture.keys.blobHasher.id(.tree, blobs[0].bytes)
        #expect(throws: StoreError.self) { try loader.load(.list, id) }
    }

    @Test("A frame that is whole but holds other bytes than its ids say is damage")
    func wrongContent() throws {
        let fixture = try PackFixture(.none)
        let lie = BlobID(1, 2, 3, 4)
        let publisher = try PackPublisher(backend: fixture.backend)
        defer { publisher.close() }
        let writer = try PackWriter(context: fixture.context(), kind: .treePack) { pack throws(StoreError) in
            try publisher.take(pack)
        }
        try [1, 2, 3].withBytes { bytes throws(StoreError) in try writer.add(.tree, lie, bytes) }
        try writer.flush()
        try fixture.publishIndex(try publisher.commitPoint())
        let error = #expect(throws: StoreError.self) { try Self.loader(fixture).load(.tree, lie) }
        #expect(error?.code == .damaged)
    }

    @Test("Many threads load at once")
    func threads() throws {
        let fixture = try PackFixture(.aes256GCM)
        let blobs = Self.trees(6, 1_200)
        try fixture.store(blobs)
        let ids = blobs.map { fixture.keys.blobHasher.id(.tree, $0.bytes) }
        let loader = try Self.loader(fixture, cacheBytes: 600_000)
        try Threads.run(4) { thread throws(StoreError) in
            for index in stride(from: thread, to: ids.count, by: 7) {
                let bytes = try loader.load(.tree, ids[index])
                guard bytes == blobs[index].bytes else { throw StoreError(.failed, "other bytes") }
            }
        }
    }
}
