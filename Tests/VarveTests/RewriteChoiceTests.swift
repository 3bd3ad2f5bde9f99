import Testing
import Varve
import VarveFormat

@Suite struct RewriteChoiceTests {
    @Test(
        "What a plan says stays unused is what is unused afterwards, in frames that moved too",
        arguments: 1...12 as ClosedRange<UInt64>)
    func unusedKept(seed: UInt64) throws {
        let fixture = try CollectFixture(seed % 3 == 0 ? .none : .aes256GCM, seed: seed)
        for number in 0..<4 {
            fixture.addFiles(number == 0 ? 120 : 10)
            if number > 0 { fixture.change(6) }
            try fixture.capture()
        }
        let kept = Array(fixture.snapshots.suffix(1))
        let share = [0.01, 0.02, 0.05, 0.1][fixture.below(4)]
        let plan = try fixture.collect(keeping: kept) { $0.maxUnused = share }
        #expect(plan.bytesUnused > plan.bytesUnusedKept, "seed \(seed)")
        let census = try fixture.census()
        let live = try fixture.live(kept, in: census)
        let raw = census.packs.reduce(0) { $0 + $1.rawBytes }
        #expect(raw - live.rawBytes == plan.bytesUnusedKept, "seed \(seed)")
        #expect(Double(plan.bytesUnusedKept) <= share * Double(raw), "seed \(seed)")
        try fixture.expectWhole("seed \(seed)")
    }

    @Test("A frame with a little waste moves as it is, with its dead blobs, where that is allowed")
    func movedWithWaste() throws {
        let fixture = try CollectFixture(seed: 31)
        func write(_ name: String, _ count: Int) {
            var random = SeededBytes(seed: UInt64(count))
            FileTool.write(fixture.source.path + "/" + name, random.text(count))
        }
        // Two frames: one where a fiftieth dies, and one where half does.
        for number in 0..<8 { write("a\(number)", 120_000 + number) }
        write("a8", 20_000)
        for number in 0..<8 { write("b\(number)", 120_100 + number) }
        try fixture.capture()
        write("a8", 20_001)
        for number in 0..<4 { write("b\(number)", 120_200 + number) }
        try fixture.capture()
        let kept = Array(fixture.snapshots.suffix(1))
        let (plan, live) = try fixture.plan(keeping: kept) { $0.maxUnused = 0.1 }
        #expect(plan.bytesUnusedKept > 0 && plan.bytesUnusedKept < plan.bytesUnused)
        let (none, _) = try fixture.plan(keeping: kept) { $0.maxUnused = 0 }
        #expect(none.bytesUnusedKept == 0)
        let outcome = try fixture.move(plan, live)
        #expect(outcome.framesMoved > 0 && outcome.framesMade > 0)
        let census = try fixture.census()
        let moved = try census.packs.indices.filter { outcome.packs.contains(census.packs[$0].id) }
            .flatMap { try census.segmentPack($0).directory.frames.flatMap(\.blobs) }
        let reached = try fixture.reached(kept)
        let dead = moved.filter { !reached.contains(CollectFixture.Key(type: $0.type, id: $0.id)) }
        #expect(!dead.isEmpty && dead.reduce(0) { $0 + UInt64($1.length) } == plan.bytesUnusedKept)
        #expect(plan.bytesLive == live.rawBytes)
    }
}
