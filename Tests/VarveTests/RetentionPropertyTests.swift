import Testing
import Varve
import VarveFormat

/// What holds for all snapshots and policies. A seed that fails is named and fails again.
@Suite("Properties of retention")
struct RetentionPropertyTests {
    private typealias Fixture = RetentionFixture
    private static let seeds = UInt64(1)...300

    /// The same snapshots with clocks that lie, some of them.
    private static func withForgedClocks(_ snapshots: [RetentionCandidate], _ seed: UInt64) -> [RetentionCandidate] {
        var random = SeededBytes(seed: seed ^ 0xF0F0)
        return snapshots.map { snapshot in
            guard random.below(4) == 0 else { return snapshot }
            var forged = snapshot
            forged.time = Timestamp(seconds: snapshot.time.seconds + Int64(random.below(80_000_000) - 40_000_000))
            return forged
        }
    }

    @Test("what a policy of counts kept, it keeps again")
    func idempotent() throws {
        for seed in Self.seeds {
            var random = SeededBytes(seed: seed)
            let snapshots = Fixture.random(seed: seed, count: 1 + random.below(80))
            let policy = Fixture.policy(&random, countsOnly: true)
            let kept = try Fixture.plan(snapshots, policy, calendar: .berlin).keptIDs
            let again = try Fixture.plan(snapshots.filter { kept.contains($0.id) }, policy, calendar: .berlin)
            #expect(again.dropped.isEmpty, "seed \(seed)")
        }
    }

    @Test("one more keep rule never drops more")
    func monotone() throws {
        for seed in Self.seeds {
            var random = SeededBytes(seed: seed)
            let snapshots = Self.withForgedClocks(Fixture.random(seed: seed, count: 80), seed)
            let policy = Fixture.policy(&random, countsOnly: false)
            let kept = try Fixture.plan(snapshots, policy).keptIDs
            for period in RetentionPeriod.allCases where policy.keepPeriods[period] == nil {
                var more = policy
                more.keepPeriods[period] = .count(1 + random.below(9))
                #expect(try Fixture.plan(snapshots, more).keptIDs.isSuperset(of: kept), "seed \(seed), \(period)")
            }
            var more = policy
            more.keepTags = ["important"]
            more.keepWithin = max(policy.keepWithin ?? 0, Int64(random.below(5_000_000)))
            more.keepLast = .count(12)
            #expect(try Fixture.plan(snapshots, more).keptIDs.isSuperset(of: kept), "seed \(seed)")
        }
    }

    @Test("the order of the snapshots does not matter")
    func order() throws {
        for seed in Self.seeds {
            var random = SeededBytes(seed: seed)
            var snapshots = Self.withForgedClocks(Fixture.random(seed: seed, count: 40), seed)
            for index in snapshots.indices where random.below(5) == 0 { snapshots[index].sequence = 3 }
            let policy = Fixture.policy(&random, countsOnly: false)
            let first = try Fixture.plan(snapshots, policy)
            for index in snapshots.indices.reversed() { snapshots.swapAt(index, random.below(index + 1)) }
            let second = try Fixture.plan(snapshots, policy)
            #expect(first.decisions == second.decisions, "seed \(seed)")
        }
    }

    @Test("each snapshot has one decision with a reason, and protected ones and the newest stay")
    func explained() throws {
        for seed in Self.seeds {
            var random = SeededBytes(seed: seed)
            let snapshots = Self.withForgedClocks(Fixture.random(seed: seed, count: 60), seed)
            let plan = try Fixture.plan(snapshots, Fixture.policy(&random, countsOnly: false))
            #expect(plan.decisions.count == snapshots.count, "seed \(seed)")
            #expect(Set(plan.decisions.map(\.id)).count == snapshots.count, "seed \(seed)")
            #expect(plan.decisions.allSatisfy { !$0.reasons.isEmpty && !$0.reasons.contains("") }, "seed \(seed)")
            #expect(plan.kept + plan.dropped.count == snapshots.count, "seed \(seed)")
            let kept = plan.keptIDs
            for snapshot in snapshots {
                let isProtected = snapshot.isPinned || snapshot.holdUntil != nil || snapshot.origin == .safety
                #expect(!isProtected || kept.contains(snapshot.id), "seed \(seed)")
            }
            let finished = Set(snapshots.filter { $0.state != .interrupted && $0.origin != .safety }.map(\.id))
            for group in plan.groups where group.decisions.contains(where: { finished.contains($0.id) }) {
                #expect(group.decisions.contains { finished.contains($0.id) && $0.keeps }, "seed \(seed)")
            }
        }
    }

    @Test("a rule for N days keeps one of each of the newest N days, or of all there are")
    func days() throws {
        for seed in Self.seeds {
            var random = SeededBytes(seed: seed)
            var time = Fixture.now.seconds
            let snapshots = (0..<random.below(60) + 1).map { index in
                time -= Int64(random.below(100_000))
                return Fixture.candidate(100 - index, Timestamp(seconds: time))
            }
            let count = 1 + random.below(20)
            let plan = try Fixture.plan(snapshots, .init(.daily, .count(count)))
            let days = Set(snapshots.map { $0.time.rfc3339.prefix(10) })
            let kept = plan.decisions.filter(\.keeps).map { $0.time.rfc3339.prefix(10) }
            #expect(kept.count == min(count, days.count), "seed \(seed)")
            #expect(Set(kept) == Set(days.sorted().suffix(count)), "seed \(seed)")
        }
    }

    @Test("a hundred thousand snapshots are decided")
    func many() throws {
        let snapshots = Fixture.series(100_000, every: 1_800)
        var policy = RetentionPolicy(last: 10)
        for period in RetentionPeriod.allCases { policy.keepPeriods[period] = .count(1_000) }
        policy.keepWithin = 30 * 86_400
        let plan = try Fixture.plan(snapshots, policy, calendar: .berlin)
        #expect(plan.decisions.count == 100_000)
        #expect(plan.keeps(100_000) && plan.dropped.count > 90_000)
    }
}
