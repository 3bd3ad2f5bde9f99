import Glibc
import Synchronization
import Varve
import VarveFormat

/// Cuts the power after every operation of a recording, in every way that a disk may take it, and looks at what is
/// left.
struct CrashReplay: Sendable {
    /// What was found.
    struct Outcome: Sendable {
        var states = 0
        /// States that no other one of the same recording equals: these were looked at.
        var distinct = 0
        var backups = 0
        var problems: [String] = []

        static func += (left: inout Outcome, right: Outcome) {
            left.states += right.states
            left.distinct += right.distinct
            left.backups += right.backups
            left.problems += right.problems
        }
    }

    let scene: CrashScene
    /// What the backup after the crash captures.
    let next: SourceTree.State
    /// Positions to look at, in operations.
    var positions: StrideThrough<Int>
    var policies: [CrashPolicy]
    /// A backup is made in one of so many distinct states; 0 for none.
    var backupEvery = 1
    /// Operations that are left out, as by a program that forgot them.
    var dropped: Set<Int> = []
    var stopsAtFirstProblem = false

    init(_ scene: CrashScene, next: SourceTree.State, seeds: Range<UInt64>) {
        self.scene = scene
        self.next = next
        positions = stride(from: scene.created, through: scene.layer.operationCount, by: 1)
        policies = Self.policies(seeds)
    }

    /// Every policy; those that choose come once for each seed.
    static func policies(_ seeds: Range<UInt64>) -> [CrashPolicy] {
        var policies: [CrashPolicy] = []
        for data in [CrashPolicy.Data.lost, .kept, .zeroFilled, .torn(blockSize: 512), .torn(blockSize: 4_096)] {
            for names in [CrashPolicy.Names.lost, .kept, .reordered] {
                var chooses = names == .reordered
                if case .torn = data { chooses = true }
                for seed in chooses ? seeds : 0..<1 {
                    policies.append(CrashPolicy(data: data, names: names, seed: seed))
                }
            }
        }
        return policies
    }

    /// Looks at all states, on two threads.
    func run() throws(StoreError) -> Outcome {
        let disks = self.disks()
        let board = Board()
        try Threads.run(2) { (_) throws(StoreError) in
            guard let caches = cacheCopy() else { throw StoreError(.failed, "the caches could not be copied") }
            while let number = board.next(stopsAtFirstProblem), number < disks.count {
                board.add(look(at: disks[number].disk, disks[number].position, board, caches.path))
            }
        }
        return board.outcome
    }

    /// What the threads share.
    private final class Board: Sendable {
        private struct State {
            var next = 0
            var seen: Set<[Int]> = []
            var outcome = Outcome()
        }

        private let state = Mutex(State())

        var outcome: Outcome { state.withLock { $0.outcome } }

        func next(_ stopsAtFirstProblem: Bool) -> Int? {
            state.withLock { state in
                if stopsAtFirstProblem && !state.outcome.problems.isEmpty { return nil }
                state.next += 1
                return state.next - 1
            }
        }

        func add(_ outcome: Outcome) { state.withLock { $0.outcome += outcome } }

        /// The number of a state that nobody has seen yet; nil for others.
        func number(of fingerprint: [Int]) -> Int? {
            state.withLock { state in state.seen.insert(fingerprint).inserted ? state.seen.count : nil }
        }
    }

    /// The caches as the crash found them; each thread works on as its own.
    private func cacheCopy() -> TemporaryDirectory? {
        guard let copy = try? TemporaryDirectory(), Tool.run("/bin/cp", ["-a", scene.caches.path + "/.", copy.path])
        else { return nil }
        return copy
    }

    private func disks() -> [(position: Int, disk: CrashDisk)] {
        var disks: [(position: Int, disk: CrashDisk)] = []
        var disk = CrashDisk()
        let wanted = Set(positions)
        for (number, operation) in scene.layer.operations.enumerated() {
            if wanted.contains(number) { disks.append((number, disk)) }
            if !dropped.contains(number) { disk.apply(operation) }
        }
        if wanted.contains(scene.layer.operationCount) { disks.append((scene.layer.operationCount, disk)) }
        return disks
    }

    private func look(
        at disk: CrashDisk, _ position: Int, _ board: Board, _ caches: String
    ) -> Outcome {
        var outcome = Outcome()
        let known = scene.acknowledged.count { $0.position <= position } + (position >= scene.created ? 1 : 0)
        for policy in policies {
            outcome.states += 1
            let left = disk.afterCrash(policy)
            guard let number = board.number(of: [left.fingerprint, known]) else { continue }
            outcome.distinct += 1
            let backsUp = backupEvery > 0 && number % backupEvery == 0
            if backsUp { outcome.backups += 1 }
            do {
                try check(left, position, backsUp ? caches : nil)
            } catch {
                outcome.problems.append("after operation \(position), \(policy): \(error)")
                if stopsAtFirstProblem { return outcome }
            }
        }
        return outcome
    }

    private func check(_ disk: MemoryDisk, _ position: Int, _ caches: String?) throws {
        let layer = MemoryFileLayer(disk)
        guard let repository = try open(layer, position) else { return }
        if position >= scene.created, let warning = repository.warnings.first { throw Lost(warning) }
        let snapshots = try repository.snapshots()
        if let file = snapshots.unreadable.first { throw file.error }
        let contents = try SnapshotContents(repository)
        if let problem = contents.problems.first { throw problem }
        let manifests = Dictionary(uniqueKeysWithValues: snapshots.every.map { ($0.id, $0.manifest) })
        for acknowledged in scene.acknowledged where acknowledged.position <= position {
            guard let manifest = manifests[acknowledged.id] else { throw Lost("a snapshot is gone") }
            guard contents.isIndexed(manifest) else { throw Lost("no index file names the packs of a snapshot") }
        }
        for (id, manifest) in manifests {
            guard let (source, isPartial) = scene.source(id) else { throw Lost("a snapshot that nobody made") }
            let found = try contents.read(manifest, below: source.path)
            let isRight =
                isPartial ? found.allSatisfy { source.contents[$0.key] == $0.value } : found == source.contents
            guard isRight else { throw Lost("a snapshot reads back otherwise than it was captured") }
        }
        if position >= scene.created { try verify(repository) }
        if let caches { try backUp(layer, caches) }
    }

    /// Opens the repository; nil if it was never acknowledged and is none.
    private func open(_ layer: MemoryFileLayer, _ position: Int) throws(StoreError) -> Repository? {
        do throws(StoreError) {
            return try scene.open(layer, cacheDirectory: nil)
        } catch {
            if position < scene.created, error.code == .noRepository { return nil }
            throw error
        }
    }

    /// Nothing may look damaged either, not even what no snapshot needs: a name that is visible has all its bytes.
    private func verify(_ repository: Repository) throws {
        var options = Verifier.Options()
        options.level = .data
        options.recordResult = false
        var first: Finding?
        let report = try Verifier(repository: repository, options: options, progress: Progress()).run {
            if first == nil { first = $0 }
        }
        guard report.result == .passed, first == nil else {
            throw Lost("verify finds \(report.result): \(first?.message ?? "")")
        }
    }

    /// Quick with the caches of before the crash, and full with none, in turn.
    private func backUp(_ layer: MemoryFileLayer, _ caches: String) throws {
        let usesCaches = layer.disk.files.count % 2 == 0
        let repository = try scene.open(layer, cacheDirectory: usesCaches ? caches : nil)
        let report = try CrashScene.archive(next, usesCaches ? .quick : .full, repository)
        let found = try SnapshotContents(repository).read(report.manifest, below: next.path)
        guard report.manifest.state == .complete, found == next.contents else {
            throw Lost("the backup after the crash reads back otherwise than its source")
        }
    }

    private struct Lost: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }
}

extension MemoryDisk {
    /// Equal for equal disks that `CrashDisk` made; different for others, as far as 64 bits go.
    var fingerprint: Int {
        var hasher = Hasher()
        hasher.combine(directories)
        for (node, bytes) in files.sorted(by: { $0.key < $1.key }) {
            hasher.combine(node)
            bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        }
        return hasher.finalize()
    }
}
