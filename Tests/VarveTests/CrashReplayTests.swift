import Glibc
import Synchronization
import Testing
import Varve
import VarveFormat

/// What every power cut leaves of captures (FORMAT.md section 11).
///
/// `VARVE_CRASH_SEEDS=N` looks at N choices of what arrived of unsynced writes and names, from `VARVE_CRASH_SEED` on;
/// 20 give 10^5 states, 200 give 10^6.
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
            try source.write("big", [UInt8](repeating: 9, count: 400_000))
            try source.write("code/deep/new", SeededBytes.of(14, count: 2_000))
            try scene.interruptedCapture(source.state, before: 18)
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
        let replay = CrashReplay(history.scene, next: history.source.state, seeds: Self.seeds)
        expectNone(try replay.run(), "one writer, \(isEncrypted ? "encrypted" : "unencrypted")")
    }
}

extension SeededBytes {
    static func of(_ seed: UInt64, count: Int) -> [UInt8] {
        var random = SeededBytes(seed: seed)
        return random.bytes(count)
    }
}
