import Glibc
import Varve
import VarveFormat

/// A tiny repository in memory, and how the programs of a simulation use it: through the same classes, in the same
/// order, as the engine's verbs do.
struct SimulationWorld {
    static let contentCount = 8

    let backend: MemoryBackend
    let ledger: SimulationLedger
    /// Of the repository itself, with no scheduler before it.
    let repository: Repository

    init(backend: MemoryBackend, ledger: SimulationLedger, like repository: Repository) {
        self.backend = backend
        self.ledger = ledger
        self.repository = Self.repository(on: backend, like: repository)
    }

    /// Makes a repository with some snapshots, duplicates, dead blobs and a deleted snapshot.
    init(seed: UInt64) throws {
        var random = SeededBytes(seed: seed)
        let full = MemoryBackend()
        var open = Repository.OpenOptions()
        open.threads = 1
        let made = try Repository.create(on: full, options: Repository.CreateOptions(), openOptions: open)
        for kind in ["data", "tree"] {
            for entry in try full.list("packs/" + kind) { try full.remove("packs/\(kind)/\(entry.name)") }
        }
        let writer = Self.repository(
            on: SimulationBackend(full, .editor, nil, 0, SimulationScheduler(aloneWith: random)), like: made)
        let ledger = SimulationLedger()
        for _ in 0..<2 + random.below(2) {
            let contents = (0..<Self.contentCount).filter { _ in random.below(3) == 0 }
            try SimulatedBackup(
                contents: contents.isEmpty ? [0] : contents, checkpoints: random.below(4) == 0,
                deduplicates: random.below(3) > 0
            ).run(on: writer, ledger)
        }
        if let id = ledger.required.sorted().first, random.below(2) == 0 {
            ledger.deletionBegins(id)
            try SnapshotEditor(repository: writer).delete([id], reason: "delete", includesSafety: true)
            ledger.deletionEnds(id)
        }
        self.init(backend: full, ledger: ledger, like: made)
    }

    /// A copy that can be used up.
    func copy() -> SimulationWorld {
        SimulationWorld(
            backend: MemoryBackend(copying: backend), ledger: SimulationLedger(copying: ledger), like: repository)
    }

    static func repository(on backend: any Backend, like other: Repository) -> Repository {
        Repository(
            backend: backend, config: other.config, configBytes: other.configBytes, keys: other.keys,
            options: other.options, warnings: [])
    }

    /// Alike but for a few bytes, and not within themselves: delta frames are worth while.
    private static let shared = { () -> [UInt8] in
        var random = SeededBytes(seed: 1)
        return random.text(400)
    }()

    static func content(_ number: Int) -> [UInt8] {
        shared + Array("content \(number) ".utf8) + [UInt8](repeating: UInt8(48 + number), count: 40 + 30 * number)
    }

    /// Reads every blob of a snapshot.
    ///
    /// - Throws: `missing` or `damaged` if it is not whole.
    static func load(_ manifest: Manifest, from repository: Repository) throws(StoreError) {
        let loader = repository.loader(try repository.openIndex(isUsable: nil))
        let root = try entries(try loader.load(.tree, manifest.treeRoot), isRoot: true)
        for entry in root {
            guard case .directory(.tree(let id)) = entry.content else { continue }
            for file in try entries(try loader.load(.tree, id), isRoot: false) {
                guard case .file(_, .blobs(let blobs)) = file.content else { continue }
                for blob in blobs { _ = try loader.load(.data, blob) }
            }
        }
    }

    private static func entries(_ bytes: [UInt8], isRoot: Bool) throws(StoreError) -> [TreeEntry] {
        do throws(FormatError) {
            return try TreeCoding.parse(bytes, isRoot: isRoot)
        } catch { throw StoreError(.damaged, "a tree: \(error.message)") }
    }

    // MARK: in the end

    /// Everything that counts is whole, and everything that was promised is there.
    func check(_ moment: String) {
        do {
            let list = try repository.snapshots()
            for file in list.unreadable { ledger.breach("\(moment): \(file.directory)/\(file.id.hex): \(file.error)") }
            let standing = Set(list.snapshots.map(\.id))
            for id in ledger.required where !standing.contains(id) {
                ledger.breach("\(moment): snapshot \(id.hex.prefix(8)) is lost")
            }
            for snapshot in list.snapshots {
                do {
                    try Self.load(snapshot.manifest, from: repository)
                } catch { ledger.breach("\(moment): snapshot \(snapshot.id.hex.prefix(8)): \(error)") }
            }
        } catch { ledger.breach("\(moment): \(error)") }
    }

    /// Everybody has gone; two more collections, two years later, leave nothing that nobody needs. The first may make a
    /// delta frame anew as a plain one, and what was its base goes with the second.
    func collectAndCheck() {
        do {
            for entry in try backend.list("sessions") { try backend.removeTree("sessions/" + entry.name) }
            let alone = SimulationBackend(
                backend, .collector, nil, 0, SimulationScheduler(aloneWith: SeededBytes(seed: 1)))
            var options = CollectOptions()
            options.maxUnused = 0
            options.rewriteGrace = 0
            options.now = { Timestamp(seconds: SimulationClock.start + 4 * SimulationClock.year, nanoseconds: 0) }
            for _ in 0..<2 {
                _ = try Collector(
                    repository: Self.repository(on: alone, like: repository), options: options, progress: Progress()
                ).run()
            }
        } catch { return ledger.breach("the last collection: \(error)") }
        check("after the last collection")
        checkNothingIsLeft()
    }

    private func checkNothingIsLeft() {
        do {
            for entry in try backend.list(RepositoryPath.condemned) { ledger.breach("condemned/\(entry.name) is left") }
            let list = try repository.snapshots()
            if !list.deleted.isEmpty || !list.replaced.isEmpty { ledger.breach("a manifest is left") }
            let census = try BlobCensus(reading: repository, progress: Progress())
            let roots = list.every.map(\.manifest.treeRoot)
            let live = try LiveBlobs.marking(
                roots, in: census, repository: repository, avoiding: [], progress: Progress())
            for pack in census.packs {
                if !pack.isPresent { ledger.breach("an index file names pack \(pack.id.hex.prefix(8)), which is gone") }
                // One without a live blob may hold the base of a delta frame that has some.
                let isNeeded = pack.positions.contains { live.contains($0) }
                if !isNeeded, live.removable([pack.id], condemned: []) == [pack.id] {
                    ledger.breach("pack \(pack.id.hex.prefix(8)) is left")
                }
            }
        } catch { ledger.breach("\(error)") }
    }
}

/// Time as the clocks of a simulation tell it.
enum SimulationClock {
    static let start: Int64 = 1_700_000_000
    static let year: Int64 = 31_536_000
}
