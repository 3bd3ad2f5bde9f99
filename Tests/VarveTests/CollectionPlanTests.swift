import Testing
import Varve
import VarveFormat

@Suite struct CollectionPlanTests {
    /// A source that grew and changed over some snapshots.
    private static func history(_ seed: UInt64, snapshots: Int = 4, files: Int = 60) throws -> CollectFixture {
        let fixture = try CollectFixture(seed % 3 == 0 ? .none : .aes256GCM, seed: seed)
        for number in 0..<snapshots {
            fixture.addFiles(number == 0 ? files : files / 6)
            if number > 0 { fixture.change(5) }
            try fixture.capture()
        }
        return fixture
    }

    @Test(
        "No plan drops the last place of a live blob, and what it keeps unused is within the limit",
        arguments: 1...12 as ClosedRange<UInt64>)
    func safe(seed: UInt64) throws {
        let fixture = try Self.history(seed)
        let kept = fixture.snapshots.filter { _ in fixture.below(3) > 0 }
        let (plan, live) = try fixture.plan(keeping: kept)
        let reached = try fixture.reached(kept)
        let dropped = Set(plan.unreferenced + plan.redundant)
        #expect(dropped.isDisjoint(with: plan.rewrite))
        var left: Set<CollectFixture.Key> = []
        for pack in live.census.packs {
            let keys = try fixture.blobs(in: pack.id, pack.kind).map { CollectFixture.Key(type: $0.type, id: $0.id) }
            if !dropped.contains(pack.id) { left.formUnion(keys) }
            #expect(plan.unreferenced.contains(pack.id) == reached.isDisjoint(with: keys), "seed \(seed)")
        }
        #expect(reached.isSubset(of: left), "seed \(seed)")
        #expect(plan.bytesLive == live.rawBytes, "seed \(seed)")
        let raw = live.census.packs.reduce(0) { $0 + $1.rawBytes }
        #expect(plan.bytesLive + plan.bytesUnused == raw, "seed \(seed)")
        #expect(Double(plan.bytesUnusedKept) <= 0.02 * Double(plan.bytesLive + plan.bytesUnusedKept), "seed \(seed)")
    }

    @Test("After a plan was carried out the next one finds nothing to do", arguments: 1...12 as ClosedRange<UInt64>)
    func idempotent(seed: UInt64) throws {
        let fixture = try Self.history(seed)
        let kept = fixture.snapshots.filter { _ in fixture.below(3) > 0 }
        try fixture.collect(keeping: kept) { $0.maxUnused = [0, 0.02, 0.2][fixture.below(3)] }
        let census = try fixture.census()
        let live = try fixture.live(kept, in: census)
        var options = CollectOptions()
        options.maxUnused = 0.2
        let next = CollectionPlan(
            census: census, live: live, condemned: [], options: options, config: try fixture.open().config)
        #expect(next.isEmpty, "seed \(seed): \(next)")
        #expect(next.bytesUnused == next.bytesUnusedKept)
        try fixture.expectWhole("seed \(seed)")
    }

    @Test("Condemned packs are left alone, and what lies in them too counts elsewhere")
    func condemned() throws {
        let fixture = try Self.history(5)
        let kept = Array(fixture.snapshots.suffix(1))
        let (plan, live) = try fixture.plan(keeping: kept)
        #expect(!plan.rewrite.isEmpty)
        _ = try fixture.move(plan, live)
        let going = Set(plan.unreferenced + plan.redundant + plan.rewrite)
        let waiting = try fixture.plan(keeping: kept, condemned: going).plan
        #expect(waiting.isEmpty)
        #expect(waiting.bytesUnused == plan.bytesUnusedKept)
        #expect(try fixture.live(kept, in: try fixture.census(), avoiding: going).count == live.count)
        let withdrawn = try fixture.plan(keeping: kept).plan
        #expect(Set(withdrawn.redundant + withdrawn.unreferenced + withdrawn.rewrite).isSuperset(of: plan.unreferenced))
        try fixture.remove(going)
        try fixture.collect(keeping: kept)
        try fixture.expectWhole()
    }

    @Test("Of packs that hold the same one set goes without copying, and what is left is whole")
    func duplicates() throws {
        let fixture = try CollectFixture(seed: 8)
        fixture.addFiles(60)
        let id = try fixture.capture()
        let before = try fixture.census()
        let index = fixture.paths("index/")[0]
        let named = try fixture.backend.read(index, limit: .max)
        try fixture.backend.remove(index)
        try fixture.capture()
        try fixture.backend.putIfAbsent(index, named, session: nil)
        let (plan, _) = try fixture.plan(keeping: fixture.snapshots) { $0.allowsRewriting = false }
        #expect(plan.unreferenced.isEmpty && plan.rewrite.isEmpty)
        #expect(!plan.redundant.isEmpty)
        try fixture.collect(keeping: [id])
        let after = try fixture.census()
        let reached = try fixture.reached([id])
        #expect(after.count == reached.count)
        #expect(after.packs.reduce(0) { $0 + $1.rawBytes } <= before.packs.reduce(0) { $0 + $1.rawBytes })
        try fixture.expectWhole()
    }

    @Test("Small packs become one although nothing is unused, and one alone stays")
    func smallPacks() throws {
        let fixture = try CollectFixture(seed: 9)
        for _ in 0..<4 {
            fixture.addFiles(3, longest: 9_000)
            try fixture.capture()
        }
        // A capture makes one pack of trees or, if both of its workers finish directories, two.
        let before = fixture.paths("packs/").count
        #expect(before >= 8)
        #expect(try fixture.plan(keeping: fixture.snapshots) { $0.allowsRewriting = false }.plan.isEmpty)
        let plan = try fixture.collect(keeping: fixture.snapshots)
        #expect(plan.bytesUnused == 0 && plan.rewrite.count == before)
        #expect(fixture.paths("packs/").count == 2)
        #expect(try fixture.plan(keeping: fixture.snapshots).plan.isEmpty)
        try fixture.expectWhole()
    }

    @Test("All waste may stay, or none, or what the share says: the worst packs go first")
    func share() throws {
        let fixture = try Self.history(11, files: 200)
        let kept = Array(fixture.snapshots.suffix(1))
        func plan(_ share: Double) throws -> CollectionPlan {
            try fixture.plan(keeping: kept) { $0.maxUnused = share }.plan
        }
        let (all, some, none) = (try plan(1), try plan(0.1), try plan(0))
        #expect(none.bytesUnusedKept == 0)
        #expect(all.rewrite.count < some.rewrite.count && some.rewrite.count < none.rewrite.count)
        #expect(some.bytesUnusedKept > 0)
        #expect(Double(some.bytesUnusedKept) <= 0.1 * Double(some.bytesLive + some.bytesUnusedKept))
        #expect(Set(some.rewrite).isSubset(of: none.rewrite))
    }

    @Test("A pack that is cut short goes if nothing needs it, and stays if a live blob may be in it")
    func cutShort() throws {
        let fixture = try CollectFixture(seed: 12)
        fixture.addFiles(40)
        let id = try fixture.capture()
        for path in fixture.paths("packs/data/").prefix(1) {
            let bytes = try fixture.backend.read(path, limit: .max)
            try fixture.backend.replace(path, Array(bytes.dropLast()))
        }
        let index = fixture.paths("index/")[0]
        let named = try fixture.backend.read(index, limit: .max)
        try fixture.backend.remove(index)
        try fixture.capture()
        try fixture.backend.putIfAbsent(index, named, session: nil)
        let census = try fixture.census()
        let broken = try #require(census.packs.first { $0.isListed && !$0.isPresent })
        let (plan, _) = try fixture.plan(keeping: [id])
        #expect(!(plan.unreferenced + plan.redundant + plan.rewrite).contains(broken.id))
        #expect(try fixture.plan(keeping: []).plan.unreferenced.contains(broken.id))
    }

    @Test("Many small index files are to become one, a few are not")
    func indexes() throws {
        let fixture = try CollectFixture(seed: 13)
        fixture.addFiles(1)
        try fixture.capture()
        let census = try fixture.census()
        let pack = try census.segmentPack(0)
        let repository = try fixture.open()
        let session = try Session.openWriter(on: fixture.backend, program: "test")
        defer { session.close() }
        // Not only their names differ: each is sealed with a salt of its own.
        for _ in 0..<63 {
            _ = try IndexWriter(
                backend: fixture.backend, session: session.id, keys: repository.keys, repository: repository.id
            ).publish([pack])
        }
        #expect(try fixture.plan(keeping: fixture.snapshots).plan.mergeIndexes.isEmpty)
        _ = try IndexWriter(
            backend: fixture.backend, session: session.id, keys: repository.keys, repository: repository.id
        ).publish([pack])
        #expect(try fixture.plan(keeping: fixture.snapshots).plan.mergeIndexes.count == 65)
    }
}
