import CSys
import Glibc
import Testing
import Varve
import VarveFormat

/// A repository in memory with small packs and chunks, a source that changes from a seed, and snapshots of it.
final class CollectFixture {
    /// A blob by type and id.
    struct Key: Hashable {
        let type: BlobType
        let id: BlobID
    }

    let backend = MemoryBackend()
    let source: TemporaryDirectory
    let suite: Suite
    private(set) var snapshots: [SnapshotID] = []
    private var random: SeededBytes
    private var files: [String] = []
    private var made = 0

    init(_ suite: Suite = .aes256GCM, seed: UInt64) throws {
        self.suite = suite
        random = SeededBytes(seed: seed)
        source = try TemporaryDirectory()
        // Tree packs too are closed at this length.
        try VerifyFixture.makeRepository(on: backend, suite, packBytes: 1 << 20)
    }

    func open(threads: Int = 2, on other: (any Backend)? = nil, cache: String? = nil) throws -> Repository {
        var options = Repository.OpenOptions()
        options.threads = threads
        options.cacheDirectory = cache
        return try VerifyFixture.open(other ?? backend, suite, options)
    }

    // MARK: The source

    func below(_ limit: Int) -> Int {
        let bytes = random.bytes(4)
        return Int(bytes.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } % UInt32(limit))
    }

    /// Makes files in directories of up to three levels.
    func addFiles(_ count: Int, longest: Int = 200_000) {
        for _ in 0..<count {
            var directory = source.path
            for _ in 0..<below(4) {
                directory += "/d\(below(3))"
                mkdir(directory, 0o755)
            }
            made += 1
            files.append(directory + "/f\(made)")
            write(files[files.count - 1], longest)
        }
    }

    /// Writes one file in `share` anew, and removes about a third as many.
    func change(_ share: Int, longest: Int = 200_000) {
        for file in files where below(share) == 0 { write(file, longest) }
        files.removeAll { file in below(3 * share) == 0 && unlink(file) == 0 }
    }

    private func write(_ path: String, _ longest: Int) {
        let length = 1 + below(below(4) == 0 ? longest : 5_000)
        FileTool.write(path, below(2) == 0 ? random.text(length) : random.bytes(length))
    }

    @discardableResult
    func capture(_ change: (inout Archiver.Options) -> Void = { _ in }) throws -> SnapshotID {
        var options = Archiver.Options()
        options.paths = [Array(source.path.utf8)]
        options.host = "host"
        options.checkpointInterval = 0
        change(&options)
        let report = try Archiver(repository: try open(), options: options, progress: Progress()).run()
        let id = try #require(report.snapshotID)
        note(id)
        return id
    }

    /// Notes a snapshot that somebody else made.
    func note(_ id: SnapshotID) {
        if !snapshots.contains(id) { snapshots.append(id) }
    }

    // MARK: The code at test

    func roots(_ ids: [SnapshotID]) throws -> [BlobID] {
        let list = try open().snapshots().snapshots
        return try ids.map { id in try #require(list.first { $0.id == id }).manifest.treeRoot }
    }

    func census() throws -> BlobCensus { try BlobCensus(reading: try open(), progress: Progress()) }

    func live(_ ids: [SnapshotID], in census: BlobCensus, avoiding: Set<PackID> = []) throws -> LiveBlobs {
        try LiveBlobs.marking(
            try roots(ids), in: census, repository: try open(), avoiding: avoiding, progress: Progress())
    }

    func plan(
        keeping ids: [SnapshotID], condemned: Set<PackID> = [], _ change: (inout CollectOptions) -> Void = { _ in }
    ) throws -> (plan: CollectionPlan, live: LiveBlobs) {
        var options = CollectOptions()
        change(&options)
        let census = try census()
        let live = try live(ids, in: census)
        let plan = CollectionPlan(
            census: census, live: live, condemned: condemned, options: options, config: try open().config)
        return (plan, live)
    }

    func move(_ plan: CollectionPlan, _ live: LiveBlobs, threads: Int = 2) throws -> PackMover.Outcome {
        let repository = try open(threads: threads)
        let session = try Session.openWriter(on: backend, program: "test")
        defer { session.close() }
        return try PackMover(
            repository: repository, session: session, live: live, plan: plan, options: CollectOptions(),
            progress: Progress()
        ).run()
    }

    /// Does at once what a collector does step by step: keeps these snapshots and lets all else go.
    @discardableResult
    func collect(
        keeping ids: [SnapshotID], _ change: (inout CollectOptions) -> Void = { _ in }
    ) throws -> CollectionPlan {
        let (plan, live) = try plan(keeping: ids, change)
        _ = try move(plan, live)
        for id in snapshots where !ids.contains(id) { try backend.remove("manifests/\(id.hex)") }
        snapshots.removeAll { !ids.contains($0) }
        try remove(Set(plan.unreferenced + plan.redundant + plan.rewrite))
        return plan
    }

    /// Removes packs and lets the index follow.
    func remove(_ packs: Set<PackID>) throws {
        for pack in try census().packs where packs.contains(pack.id) {
            try backend.remove(RepositoryPath.pack(pack.kind, pack.id))
        }
        _ = try IndexRepair(repository: try open(), progress: Progress()).run()
    }

    /// Reads everything, compares it with its names, and fails on any finding.
    func expectWhole(_ comment: Comment? = nil) throws {
        var options = Verifier.Options()
        options.level = .data
        options.recordResult = false
        var findings: [Finding] = []
        let report = try Verifier(repository: try open(), options: options, progress: Progress())
            .run { findings.append($0) }
        #expect(report.result == .passed, comment)
        #expect(findings.isEmpty, comment)
    }

    // MARK: What it is held against

    /// Everything that the snapshots reach, by a walk without any table.
    func reached(_ ids: [SnapshotID]) throws -> Set<Key> {
        let blobs = try SnapshotBlobs(try open())
        var reached: Set<Key> = []
        var pending = try roots(ids).map { (Key(type: .tree, id: $0), true) }
        while let (key, isRoot) = pending.popLast() {
            guard reached.insert(key).inserted, key.type != .data else { continue }
            let bytes = try blobs.loader.load(key.type, key.id)
            if key.type != .tree {
                let list = try BlobListNode(parsing: bytes)
                let below: BlobType = list.level > 0 ? key.type : key.type == .list ? .data : .tree
                pending += list.ids.map { (Key(type: below, id: $0), false) }
                continue
            }
            for entry in try TreeCoding.parse(bytes, isRoot: isRoot) {
                switch entry.content {
                case .file(_, .blobs(let ids)): pending += ids.map { (Key(type: .data, id: $0), false) }
                case .file(_, .list(let id)): pending.append((Key(type: .list, id: id), false))
                case .directory(.tree(let id)): pending.append((Key(type: .tree, id: id), false))
                case .directory(.treeList(let id)): pending.append((Key(type: .treeList, id: id), false))
                default: break
                }
            }
        }
        return reached
    }

    /// The blobs in a pack, as its own directory says.
    func blobs(in pack: PackID, _ kind: FileKind) throws -> [PackBlob] {
        let repository = try open()
        let reader = PackReader(backend: backend, keys: repository.keys, repository: repository.id)
        return try reader.segmentPack(pack, kind: kind).directory.frames.flatMap(\.blobs)
    }

    func paths(_ prefix: String) -> [String] {
        backend.contents.filter { $0.value != nil && $0.key.hasPrefix(prefix) }.map(\.key).sorted()
    }
}

extension BlobCensus {
    /// The blobs at all positions, in order.
    var keys: [CollectFixture.Key] {
        get throws {
            try packs.indices.flatMap { try segmentPack($0).directory.frames.flatMap(\.blobs) }
                .map { CollectFixture.Key(type: $0.type, id: $0.id) }
        }
    }
}
