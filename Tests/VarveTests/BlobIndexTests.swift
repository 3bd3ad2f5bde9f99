import Synchronization
import Testing
import Varve
import VarveFormat

@Suite struct BlobIndexTests {
    private static func blobs(_ seed: UInt64, _ count: Int) -> [(type: BlobType, bytes: [UInt8])] {
        var random = SeededBytes(seed: seed)
        return (0..<count).map { _ in (.data, random.bytes(40)) }
    }

    private static func ids(_ fixture: PackFixture, _ blobs: [(type: BlobType, bytes: [UInt8])]) -> [BlobID] {
        blobs.map { fixture.keys.blobHasher.id($0.type, $0.bytes) }
    }

    @Test("An index opened with an empty cache, a full one, a damaged one or none has the same blobs")
    func caches() throws {
        let fixture = try PackFixture(.aes256GCM)
        var stored: [BlobID] = []
        for round in 0..<10 as Range<UInt64> {
            let blobs = Self.blobs(round, 20)
            try fixture.store(blobs)
            stored += Self.ids(fixture, blobs)
        }
        let strangers = Self.ids(fixture, Self.blobs(99, 50))
        func check(_ index: BlobIndex) {
            #expect(index.problems.isEmpty)
            for id in stored {
                #expect(index.contains(id))
                #expect(index.locations(of: id).count == 1)
            }
            for id in strangers { #expect(!index.contains(id)) }
        }
        check(try fixture.openIndex())
        let cache = try #require(fixture.cache)
        check(try fixture.openIndex(cache: cache))
        check(try fixture.openIndex(cache: cache))
        let files = try LocalBackend(path: cache.directory).list("")
        #expect(files.count == 1, "ten small index files are one cached segment")
        let path = cache.directory + "/" + files[0].name
        let bytes = try LocalBackend(path: cache.directory).read(files[0].name, limit: 1 << 24)
        let zeros = [UInt8](repeating: 0, count: 500)
        for damage in [[], Array(bytes.dropLast()), bytes + [0], Array(bytes.dropFirst(64)), zeros] {
            try fixture.overwrite(path, damage)
            check(try fixture.openIndex(cache: cache))
        }
    }

    @Test("The cache holds as few files as the index allows, however many index files come one by one")
    func merging() throws {
        let fixture = try PackFixture(.none)
        let cache = try #require(fixture.cache)
        var stored: [BlobID] = []
        for round in 0..<40 as Range<UInt64> {
            let blobs = Self.blobs(round, 5)
            try fixture.store(blobs)
            stored += Self.ids(fixture, blobs)
            let index = try fixture.openIndex(cache: cache)
            #expect(index.segmentCount <= 7)
            #expect(try LocalBackend(path: cache.directory).list("").count == index.segmentCount)
        }
        let index = try fixture.openIndex(cache: cache)
        for id in stored { #expect(index.locations(of: id).count == 1) }
    }

    @Test("What an index file named is forgotten once the file is gone, with and without a cache")
    func removedIndexFiles() throws {
        let fixture = try PackFixture(.none)
        let cache = try #require(fixture.cache)
        let first = Self.blobs(1, 10)
        let second = Self.blobs(2, 10)
        let written = try fixture.publishIndex(try fixture.store(first, indexes: false))
        try fixture.store(second)
        #expect(try fixture.openIndex(cache: cache).contains(Self.ids(fixture, first)[0]))
        try fixture.backend.remove("index/" + written[0].id.hex)
        for cache in [cache, nil] {
            let index = try fixture.openIndex(cache: cache)
            for id in Self.ids(fixture, first) { #expect(!index.contains(id)) }
            for id in Self.ids(fixture, second) { #expect(index.contains(id)) }
        }
    }

    @Test("An entry whose pack does not count is void, unless another pack has the blob")
    func voidPacks() throws {
        let fixture = try PackFixture(.none)
        let blobs = Self.blobs(1, 10)
        let ids = Self.ids(fixture, blobs)
        let lost = try #require(try fixture.store(blobs).first?.id)
        let index = try fixture.openIndex(isUsable: { $0 != lost })
        for id in ids {
            #expect(!index.contains(id))
            #expect(index.locations(of: id).isEmpty)
            #expect(index.claim(id), "the next backup stores the blob anew")
        }
        let again = try #require(try fixture.store(Array(blobs.prefix(4))).first?.id)
        let both = try fixture.openIndex()
        #expect(both.locations(of: ids[0]).count == 2)
        let one = try fixture.openIndex(isUsable: { $0 != lost })
        #expect(one.locations(of: ids[0]).map(\.frame.pack) == [again])
        #expect(one.contains(ids[3]))
        #expect(!one.contains(ids[4]))
    }

    @Test("A damaged index file is reported and the others are used; the packs themselves give the rest")
    func damagedIndexFile() throws {
        let fixture = try PackFixture(.aes256GCM)
        let first = Self.blobs(1, 10)
        let second = Self.blobs(2, 10)
        let written = try fixture.publishIndex(try fixture.store(first, indexes: false))
        try fixture.store(second)
        try fixture.flip("index/" + written[0].id.hex, at: 200)
        let index = try fixture.openIndex()
        #expect(index.problems.map(\.code) == [.damaged])
        #expect(!index.contains(Self.ids(fixture, first)[0]))
        let scanner = PackScanner(backend: fixture.backend, reader: fixture.reader)
        let found = try scanner.unindexed(known: index.knownPacks())
        #expect(found.problems.isEmpty)
        try index.add(found.packs)
        for id in Self.ids(fixture, first + second) { #expect(index.locations(of: id).count == 1) }
    }

    @Test("Of many threads that claim a blob exactly one gets it, also while the index takes in what was stored")
    func claims() throws {
        let fixture = try PackFixture(.none)
        let old = Self.blobs(1, 200)
        let new = Self.blobs(2, 2_000)
        try fixture.store(old)
        let index = try fixture.openIndex()
        let half = try fixture.store(Array(new.prefix(1_000)), indexes: false)
        let written = try fixture.publishIndex(half)
        let ids = Self.ids(fixture, old + new)
        for id in ids.dropFirst(200).prefix(1_000) { #expect(index.claim(id)) }
        let claimed = Mutex<[BlobID: Int]>([:])
        try Threads.run(4) { thread throws(StoreError) in
            if thread == 0 { for file in written { try index.absorb(file) } }
            for id in thread % 2 == 0 ? ids : ids.reversed() where index.claim(id) {
                claimed.withLock { $0[id, default: 0] += 1 }
            }
        }
        let counts = claimed.withLock { $0 }
        #expect(Set(counts.keys) == Set(ids.suffix(1_000)))
        #expect(counts.values.allSatisfy { $0 == 1 })
        for id in ids { #expect(index.contains(id)) }
        #expect(index.locations(of: ids[200]).count == 1, "what was taken in has a place")
    }

    @Test("An index that neither cache nor memory can hold is refused with a remedy")
    func memoryLimit() throws {
        let fixture = try PackFixture(.none)
        try fixture.store(Self.blobs(1, 100))
        let error = #expect(throws: StoreError.self) { try fixture.openIndex(memoryLimit: 1_000) }
        #expect(error?.code == .refused)
        #expect(error?.remedy != nil)
        #expect(try fixture.openIndex(cache: fixture.cache, memoryLimit: 1_000).segmentCount == 1)
    }

    @Test("Repositories with one id at two places do not share a cache; nobody else may read it")
    func placement() throws {
        let fixture = try PackFixture(.none)
        let one = try #require(IndexCache(root: fixture.root + "/c", repository: fixture.repository, location: "/a"))
        let two = try #require(IndexCache(root: fixture.root + "/c", repository: fixture.repository, location: "/b"))
        #expect(one.directory != two.directory)
        #expect(IndexCache(root: "/dev/null", repository: fixture.repository, location: "/a") == nil)
    }

    @Test("Names in packs/ and index/ that are not of the documented form are ignored")
    func strangeNames() throws {
        let fixture = try PackFixture(.none)
        let packs = try fixture.store(Self.blobs(1, 10))
        let id = try #require(packs.first?.id)
        let other = id.hex.hasPrefix("00") ? "11" : "00"
        let strange = [
            "packs/data/\(other)/\(id.hex)", "packs/data/00/readme", "index/readme", "packs/tree/ff/\(id.hex).tmp",
        ]
        for path in strange {
            try fixture.backend.putIfAbsent(path, [1, 2, 3], session: nil)
        }
        let listing = try PackListing(fixture.backend)
        #expect(Set(listing.packs.keys) == Set(packs.map(\.id)))
        #expect(listing.packs[id]?.length == packs.first?.length)
        #expect(try fixture.openIndex().problems.isEmpty)
    }
}
