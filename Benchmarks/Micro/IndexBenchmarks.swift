import Varve
import VarveFormat

/// The index of a repository whose packs are made up, and whose index files are real.
struct IndexBenchmarks {
    private let count: Int
    private var name: String { count % 1_000_000 == 0 ? "\(count / 1_000_000) M blobs" : "\(count / 1000) k blobs" }

    init(count: Int) { self.count = count }

    /// Publishes index files that name `count` blobs, and returns their bytes as stored.
    @discardableResult
    func publish(in repository: Repository) throws(StoreError) -> Int {
        let session = try Session.openWriter(on: repository.backend, program: "micro-benchmarks")
        defer { session.close() }
        let writer = IndexWriter(
            backend: repository.backend, session: session.id, keys: repository.keys, repository: repository.id)
        let packCount = count / Material.blobsInPack
        var stored = 0
        for first in stride(from: 0, to: packCount, by: 1000) {
            let packs = (first..<min(first + 1000, packCount)).map(Material.pack)
            stored += try writer.publish(packs).reduce(0) { $0 + $1.byteCount }
        }
        return stored
    }

    /// Opens the index without and with its cache, and looks blobs up.
    func open(_ repository: Repository, _ bench: inout Bench) throws {
        try bench.few("index, \(name): first opening, fills the cache") {
            try clearCache(repository)
        } _: {
            _ = try repository.openIndex(isUsable: nil)
        }
        var opened: BlobIndex?
        try bench.few("index, \(name): opening from the cache") {
            opened = try repository.openIndex(isUsable: nil)
        }
        guard let index = opened else { return }
        try lookUp(index, &bench)
    }

    private func clearCache(_ repository: Repository) throws {
        guard let path = repository.options.cacheDirectory, let slash = path.lastIndex(of: "/") else { return }
        let parent = LocalBackend(path: String(path[..<slash]))
        let name = String(path[path.index(after: slash)...])
        if try parent.list("").contains(where: { $0.name == name }) { try parent.removeTree(name) }
    }

    /// Look-ups of random blobs, so that hardly two touch the same page.
    private func lookUp(_ index: BlobIndex, _ bench: inout Bench) throws {
        let asked = 50_000
        var generator = Material.Generator(seed: 3)
        let present = (0..<asked).map { _ in Material.blobID(generator.below(count)) }
        let absent = (0..<asked).map { Material.blobID($0, space: 1) }
        guard present.allSatisfy(index.contains), !absent.contains(where: index.contains) else {
            throw StoreError(.failed, "the index does not know its own blobs, or knows others")
        }
        bench.latency("index, \(name): look-up that hits", count: asked) {
            for id in present { _ = index.contains(id) }
        }
        bench.latency("index, \(name): look-up that misses", count: asked) {
            for id in absent { _ = index.contains(id) }
        }
        bench.latency("index, \(name): location of a blob", count: asked) {
            for id in present { _ = index.locations(of: id) }
        }
    }

    /// Merges eight segments into one, as often as a segment may hold that many; the time for each blob.
    func merge(_ repository: RepositoryID, _ bench: inout Bench) throws {
        let rounds = max(1, count / Self.blobsInSegment)
        let seconds = try (0..<3).map { _ in
            try (0..<rounds).reduce(0) { try $0 + merge($1, of: rounds, repository) }
        }
        bench.add(
            Measurement(
                "index, \(name): merging 8 segments into one, for each blob", .nanoseconds,
                seconds.map { $0 * 1e9 / Double(count) }))
    }

    /// About the most that the limit of an index file leaves room for.
    private static let blobsInSegment = 5_000_000

    private func merge(_ round: Int, of rounds: Int, _ repository: RepositoryID) throws -> Double {
        let parts = 8 * rounds
        let packCount = count / Material.blobsInPack
        let segments = try (8 * round..<8 * (round + 1)).map { part in
            let packs = (part * packCount / parts..<(part + 1) * packCount / parts).map(Material.pack)
            let bytes = try SegmentBuilder.build(repository: repository, packs: packs)
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
            memory.copyBytes(from: bytes)
            return memory
        }
        defer { for segment in segments { segment.deallocate() } }
        let views = try segments.map {
            try SegmentView(validating: UnsafeRawBufferPointer($0), repository: repository)
        }
        return try Bench.seconds {
            let merged = try SegmentBuilder.build(repository: repository, packs: [], merging: views)
            guard merged.count > count / rounds * 48 else {
                throw StoreError(.failed, "the merged segment is too short")
            }
        }
    }
}
