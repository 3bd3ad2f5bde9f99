import Testing
import Varve
import VarveFormat

@Suite struct DeltaCollectTests {
    @Test(
        "Whatever snapshots are forgotten, the others read and restore as before, and a collection ends",
        arguments: 1...12 as ClosedRange<UInt64>)
    func forgotten(seed: UInt64) throws {
        let fixture = try DatabaseFixture(seed % 2 == 0 ? .none : .aes256GCM, seed: seed, pages: 400)
        fixture.site.addFiles(10)
        for generation in 0..<5 {
            try fixture.capture()
            fixture.change(6, added: 1)
            if fixture.below(4) == 0 { fixture.replace(5) }
            if generation % 2 == 1 { fixture.site.change(3) }
        }
        for round in 0..<3 {
            var kept = fixture.site.snapshots.filter { _ in fixture.below(3) > 0 }
            if kept.isEmpty { kept = [fixture.site.snapshots[fixture.site.snapshots.count - 1]] }
            let reached = try fixture.site.reached(kept)
            try fixture.site.collect(keeping: kept) { $0.maxUnused = round == 0 ? 0.05 : 0 }
            #expect(try fixture.site.reached(kept) == reached, "seed \(seed)")
            #expect(try fixture.verify().findings.isEmpty, "seed \(seed)")
            try fixture.expectWhole(kept, "seed \(seed)")
            let (again, _) = try fixture.site.plan(keeping: kept) { $0.maxUnused = round == 0 ? 0.05 : 0 }
            #expect(again.unreferenced.isEmpty && again.redundant.isEmpty, "seed \(seed)")
            fixture.change(10)
            try fixture.capture()
        }
    }

    @Test("A pack that only holds the base of something needed stays, and its dead blobs are counted as unused")
    func base() throws {
        let fixture = try DatabaseFixture(seed: 21)
        try fixture.capture()
        fixture.change(1)
        let second = try #require(try fixture.capture().snapshotID)
        let bases = try fixture.basePacks(.dataPack)
        try #require(!bases.isEmpty)
        let (plan, live) = try fixture.site.plan(keeping: [second]) { $0.allowsRewriting = false }
        #expect(bases.isDisjoint(with: plan.unreferenced) && bases.isDisjoint(with: plan.redundant))
        #expect(live.removable(bases, condemned: []).isEmpty)
        #expect(plan.bytesUnusedKept > UInt64(500 * DatabaseFixture.page), "\(plan.bytesUnusedKept)")
        // With all snapshots gone the base may go too.
        let (nothing, none) = try fixture.site.plan(keeping: [])
        #expect(bases.isSubset(of: nothing.unreferenced))
        #expect(none.removable(bases, condemned: []) == bases)
    }

    @Test("Delta frames whose base moves move too, and stay delta frames", arguments: Suite.allCases)
    func moved(suite: Suite) throws {
        // Small packs, which are merged: that of the base with another one.
        let fixture = try DatabaseFixture(suite, seed: 22, pages: 40)
        try fixture.capture()
        fixture.site.addFiles(3, longest: 5_000)
        try fixture.capture()
        fixture.change(5)
        let last = try #require(try fixture.capture().snapshotID)
        let bases = try fixture.basePacks(.dataPack)
        let plan = try fixture.site.collect(keeping: [last]) { $0.maxUnused = 0 }
        #expect(!bases.isDisjoint(with: plan.rewrite), "a base moved")
        let now = try fixture.basePacks(.dataPack)
        #expect(!now.isEmpty && now.isDisjoint(with: plan.rewrite))
        try fixture.expectWhole([last])
        #expect(try fixture.verify().findings.isEmpty)
    }

    @Test("Dead delta frames whose bases are gone are no damage, and nothing is looked for in them")
    func dead() throws {
        let fixture = try DatabaseFixture(seed: 24)
        try fixture.capture()
        fixture.change(2, added: 600)
        try fixture.capture()
        let bases = try fixture.basePacks(.dataPack)
        fixture.replace(1, below: 600)
        let third = try #require(try fixture.capture().snapshotID)
        for id in fixture.site.snapshots where id != third { try fixture.delete(id) }
        var options = CollectOptions()
        options.allowsRewriting = false
        _ = try Collector(repository: try fixture.site.open(), options: options, progress: Progress()).run()
        let present = try fixture.site.census().packs.filter(\.isPresent).map(\.id)
        #expect(bases.isDisjoint(with: present))
        #expect(try !fixture.basePacks(.dataPack).isEmpty, "delta frames are left")
        #expect(try fixture.verify().findings.isEmpty)
        try fixture.expectWhole([third])
        fixture.change(7)
        try fixture.expectWhole([try #require(try fixture.capture().snapshotID)])
    }

    @Test("The collector leaves what a delta frame needs, step by step")
    func collector() throws {
        let fixture = try DatabaseFixture(seed: 23)
        try fixture.capture()
        fixture.change(4)
        let second = try #require(try fixture.capture().snapshotID)
        let first = fixture.site.snapshots[0]
        try fixture.delete(first)
        for _ in 0..<2 {
            var options = CollectOptions()
            options.maxUnused = 0
            options.rewriteGrace = 0
            _ = try Collector(repository: try fixture.site.open(), options: options, progress: Progress()).run()
            #expect(try fixture.verify().findings.isEmpty)
            try fixture.expectWhole([second])
        }
    }
}
