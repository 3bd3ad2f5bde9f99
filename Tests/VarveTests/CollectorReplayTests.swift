import Synchronization
import Testing
import Varve
import VarveFormat

/// What every power cut leaves of a collection.
@Suite(.serialized) struct CollectorReplayTests {
    /// A collection that was recorded, and what must survive it.
    private struct Recording: Sendable {
        let site: CollectionSite
        let operations: [FileOperation]
        let begin: Int
        let kept: [SnapshotID]

        /// Three snapshots, of which the first was deleted and collected halfway, and the second is deleted now.
        init() throws {
            let layer = RecordingFileLayer(MemoryFileLayer())
            site = try CollectionSite(making: LocalBackend(layer: layer))
            let source = try SourceTree.varied(seed: 7)
            var ids: [SnapshotID] = []
            for round in 0..<3 {
                try source.write("noise", SeededBytes.of(UInt64(60 + round), count: 20_000))
                ids.append(try site.capture(source.state))
            }
            try site.delete(ids[0])
            try site.collect {
                $0.grace = 100
                $0.rewriteGrace = 100
            }
            site.pass(seconds: 101)
            try site.delete(ids[1])
            kept = [ids[2]]
            begin = layer.operationCount
            try site.collect()
            operations = layer.operations
        }
    }

    private final class Board: Sendable {
        struct Outcome {
            var states = 0
            var distinct = 0
            var collections = 0
            var problems: [String] = []
        }

        let next = Atomic(0)
        let seen = Mutex<Set<Int>>([])
        let outcome = Mutex(Outcome())
    }

    @Test("A power cut at any moment of a collection leaves every snapshot whole, and the next one finishes")
    func powerCuts() throws {
        let recording = try Recording()
        var disks: [(position: Int, disk: CrashDisk)] = []
        var disk = CrashDisk()
        for (number, operation) in recording.operations.enumerated() {
            if number >= recording.begin { disks.append((number, disk)) }
            disk.apply(operation)
        }
        disks.append((recording.operations.count, disk))
        let board = Board()
        let (all, policies) = (disks, CrashReplay.policies(0..<2))
        try Threads.run(2) { (_) throws(StoreError) in
            while case let number = board.next.add(1, ordering: .relaxed).oldValue, number < all.count {
                for policy in policies {
                    let left = all[number].disk.afterCrash(policy)
                    board.outcome.withLock { $0.states += 1 }
                    guard board.seen.withLock({ $0.insert(left.fingerprint).inserted }) else { continue }
                    let problem = Self.look(at: left, recording, board)
                    if let problem {
                        board.outcome.withLock { outcome in
                            outcome.problems.append("after operation \(all[number].position), \(policy): \(problem)")
                        }
                    }
                }
            }
        }
        let outcome = board.outcome.withLock { $0 }
        print(
            "crash replay: a collection: \(outcome.states) states, \(outcome.distinct) distinct, "
                + "\(outcome.collections) collections after a crash, \(outcome.problems.count) lost")
        #expect(outcome.problems.isEmpty, "\(outcome.problems.prefix(5).joined(separator: "\n"))")
        #expect(outcome.distinct > 100 && outcome.collections > 20)
    }

    /// What is wrong with what a power cut left; nil if nothing is.
    private static func look(at disk: MemoryDisk, _ recording: Recording, _ board: Board) -> String? {
        let number = board.outcome.withLock { outcome in
            outcome.distinct += 1
            return outcome.distinct
        }
        do {
            let site = try CollectionSite(LocalBackend(layer: MemoryFileLayer(disk)), of: recording.site)
            if let problem = try site.problem(expecting: recording.kept) { return problem }
            guard number % 4 == 0 else { return nil }
            board.outcome.withLock { $0.collections += 1 }
            try site.collect()
            if let problem = try site.problem(expecting: recording.kept) { return "collected again: \(problem)" }
            let left = try site.names("condemned") + site.names("sessions")
            return left.isEmpty ? nil : "collected again: \(left) is left"
        } catch {
            return "\(error)"
        }
    }
}
