import Glibc
import Synchronization
import Testing
import Varve
import VarveFormat

/// What every power cut leaves of captures (FORMAT.md section 11).
///
/// `VARVE_CRASH_SEEDS=N` looks at N choices of what arrived of unsynced writes and names instead of 2, the first of
/// them being `VARVE_CRASH_SEED`; 14 give 10^5 states, 160 give 10^6.
@Suite(.serialized) struct CrashReplayTests {
    /// A repository after a full capture, changes, a quick one, one cut short, and the next.
    private struct History {
        let scene: CrashScene
        let source: SourceTree

        init(isEncrypted: Bool) throws {
            scene = try CrashScene(isEncrypted: isEncrypted)
            source = try SourceTree.varied(seed: 11)
            try scene.capture(source.state, .full)
            try source.write("noise", SeededBytes.of(12, count: 9_500))
            try source.remove("code/file3")
            try source.write("code/file9", SeededBytes.of(13, count: 5_000))
            try scene.capture(source.state, .quick)
            // More than a frame, so that a pack is begun before the end.
            try source.write("code/numbers", (0..<200_000).flatMap { Array("\($0)\n".utf8) })
            try scene.interruptedCapture(source.state, before: 16)
            try scene.capture(source.state, .full)
        }
    }

    private static func number(_ variable: String, _ usual: UInt64) -> UInt64 {
        getenv(variable).flatMap { UInt64(String(cString: $0)) } ?? usual
    }

    /// The seeds of this run.
    private static var seeds: Range<UInt64> {
        let first = number("VARVE_CRASH_SEED", 0)
        return first..<first + max(1, number("VARVE_CRASH_SEEDS", 2))
    }

    /// Fewer of them, for recordings that are many.
    private static var fewSeeds: Range<UInt64> { seeds.lowerBound..<seeds.lowerBound + UInt64(seeds.count + 2) / 3 }

    private func expectNone(_ outcome: CrashReplay.Outcome, _ what: String) {
        print(
            "crash replay: \(what): \(outcome.states) states, \(outcome.distinct) distinct, "
                + "\(outcome.backups) backups after a crash, \(outcome.problems.count) lost; seeds \(Self.seeds)")
        #expect(outcome.problems.count == 0, "\(outcome.problems.prefix(5).joined(separator: "\n"))")
    }

    @Test("Every acknowledged snapshot survives every power cut, and the next backup works", arguments: [true, false])
    func oneWriter(isEncrypted: Bool) throws {
        let history = try History(isEncrypted: isEncrypted)
        #expect(history.scene.acknowledged.count == 4)
        var replay = CrashReplay(history.scene, next: history.source.state, seeds: Self.seeds)
        replay.backupEvery = 2
        expectNone(try replay.run(), "one writer, \(isEncrypted ? "encrypted" : "unencrypted")")
    }

    @Test("A power cut while a repository is made leaves none, or one that works", arguments: [true, false])
    func creation(isEncrypted: Bool) throws {
        let scene = try CrashScene(isEncrypted: isEncrypted)
        let source = try SourceTree.varied(seed: 21)
        var replay = CrashReplay(scene, next: source.state, seeds: 0..<1)
        // Directories come first, hundreds of them; what matters is the end.
        replay.positions = stride(from: scene.created % 5, through: scene.created, by: 5)
        expectNone(try replay.run(), "init")
        replay.positions = stride(from: scene.created - 14, through: scene.created, by: 1)
        expectNone(try replay.run(), "the end of init")
    }

    @Test("A writer may rely on what another one published and has not committed yet")
    func twoWritersInterleaved() throws {
        var total = CrashReplay.Outcome()
        var shared = 0
        var number = Int(Self.seeds.lowerBound % 5)
        while true {
            let scene = try CrashScene(isEncrypted: number % 2 == 0)
            let first = try SourceTree.varied(seed: 31)
            let second = try SourceTree.varied(seed: 31)
            try second.write("own", SeededBytes.of(UInt64(number), count: 3_000))
            let other = second.state
            let added = Mutex(0)
            let hooked = HookedFileLayer(scene.layer, before: number) {
                let report = try? scene.capture(other, .full)
                added.withLock { $0 = report?.manifest.bytes.added ?? 0 }
            }
            try scene.capture(first.state, .full, through: hooked)
            guard hooked.hasFired else { break }
            #expect(scene.acknowledged.count == 2, "the second writer came before change \(number)")
            // Less than half of it: the rest came from packs of the first writer, which is not done.
            if scene.acknowledged[0].id != scene.acknowledged[1].id, added.withLock({ $0 }) < 10_000 { shared += 1 }
            var replay = CrashReplay(scene, next: first.state, seeds: Self.fewSeeds)
            replay.backupEvery = 4
            total += try replay.run()
            number += 5
        }
        expectNone(total, "two writers, one inside the other; \(shared) times with packs of the other")
        #expect(shared >= 2)
    }

    @Test("Two writers at the same time take nothing from each other")
    func twoWritersAtOnce() throws {
        var total = CrashReplay.Outcome()
        for round in 0..<3 {
            let scene = try CrashScene(isEncrypted: round % 2 == 0)
            let sources = [try SourceTree.varied(seed: 41), try SourceTree.varied(seed: 41)]
            try sources[1].write("own", SeededBytes.of(42, count: 3_000))
            let states = sources.map(\.state)
            try Threads.run(2) { (writer) throws(StoreError) in
                try scene.capture(states[writer], .full, threads: 2)
                try scene.capture(states[writer], .quick, threads: 2)
            }
            #expect(scene.acknowledged.count == 4)
            var replay = CrashReplay(scene, next: sources[0].state, seeds: Self.fewSeeds)
            replay.backupEvery = 4
            total += try replay.run()
        }
        expectNone(total, "two writers at once")
    }
}

