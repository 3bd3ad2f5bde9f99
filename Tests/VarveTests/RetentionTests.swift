import Testing
import Varve
import VarveFormat

@Suite("Retention")
struct RetentionTests {
    private typealias Fixture = RetentionFixture

    @Test("the newest of each period stays, and says for which rule")
    func periods() throws {
        var policy = RetentionPolicy(.daily, .count(2))
        policy.keepPeriods[.weekly] = .count(2)
        policy.keepPeriods[.yearly] = .unlimited
        policy.keepLast = .count(1)
        let plan = try Fixture.plan(Fixture.series(60, every: 43_200), policy)
        #expect(plan.reasons(60) == ["last 1 of 1", "daily 2025-10-16", "weekly 2025-W42", "yearly 2025"])
        #expect(plan.reasons(58) == ["daily 2025-10-15"], "noon is the newest of that day")
        #expect(plan.reasons(52) == ["weekly 2025-W41"], "noon of Sunday")
        #expect(plan.reasons(59) == ["no rule keeps it"])
        #expect(plan.kept(of: 60) == [52, 58, 60])
        #expect(plan.kept == 3 && plan.dropped.count == 57)
    }

    @Test("a count passes over periods without a snapshot, a duration does not")
    func countsAndDurations() throws {
        let sparse = [(1, "2025-09-01T09:00:00Z"), (2, "2025-09-20T09:00:00Z"), (3, "2025-10-09T09:00:00Z"),
                      (4, "2025-10-16T08:00:00Z"), (5, "2025-10-16T09:00:00Z")].map(Fixture.candidate)
        #expect(try Fixture.plan(sparse, .init(.daily, .count(3))).kept(of: 5) == [2, 3, 5])
        #expect(try Fixture.plan(sparse, .init(.daily, .seconds(7 * 86_400))).kept(of: 5) == [3, 5])
        #expect(try Fixture.plan(sparse, .init(.daily, .seconds(7 * 86_400 - 1))).kept(of: 5) == [5])
        #expect(try Fixture.plan(sparse, .init(.daily, .unlimited)).kept(of: 5) == [1, 2, 3, 5])
    }

    @Test("durations are measured from the newest snapshot, so that an idle machine loses nothing by waiting")
    func durationsFromNewest() throws {
        let later = Timestamp(seconds: Fixture.now.seconds + 900 * 86_400)
        var policy = RetentionPolicy()
        policy.keepWithin = 3 * 86_400
        let plan = try Fixture.plan(Fixture.series(10, every: 86_400), policy, now: later)
        #expect(plan.kept(of: 10) == [7, 8, 9, 10])
        #expect(plan.reasons(7) == ["within 3d"])
    }

    @Test("limits alone drop only what they say")
    func limits() throws {
        var policy = RetentionPolicy()
        policy.maxAge = 5 * 86_400
        policy.maxCount = 4
        let plan = try Fixture.plan(Fixture.series(8, every: 86_400), policy)
        #expect(plan.kept(of: 8) == [5, 6, 7, 8])
        #expect(plan.reasons(1) == ["older than 5d", "beyond the 4 newest"])
        #expect(plan.reasons(4) == ["beyond the 4 newest"])
        #expect(plan.reasons(5) == ["within the limits"])
    }

    @Test("a keep rule wins over a limit")
    func keepWins() throws {
        var policy = RetentionPolicy(last: 3)
        policy.maxAge = 86_400
        let later = Timestamp(seconds: Fixture.now.seconds + 900 * 86_400)
        #expect(try Fixture.plan(Fixture.series(8, every: 86_400), policy, now: later).kept(of: 8) == [6, 7, 8])
    }

    @Test("the size limit takes the oldest of all groups first, and says what it cannot reach")
    func size() throws {
        var snapshots = Fixture.series(6, every: 86_400)
        for index in snapshots.indices {
            snapshots[index].bytesStored = 100
            snapshots[index].host = index % 2 == 0 ? "web1" : "web2"
        }
        var policy = RetentionPolicy()
        policy.maxSize = 350
        let plan = try Fixture.plan(snapshots, policy)
        #expect(plan.kept(of: 6) == [4, 5, 6])
        #expect(plan.reasons(3) == ["beyond the size limit"])
        #expect(plan.bytesOverLimit == 0)
        policy.maxSize = 50
        let tight = try Fixture.plan(snapshots, policy)
        #expect(tight.kept(of: 6) == [5, 6], "the newest of each group")
        #expect(tight.bytesOverLimit == 150)
    }

    @Test("rules count within groups of host, job and paths, unless other groups are asked for")
    func groups() throws {
        var snapshots = Fixture.series(5, every: 3_600)
        snapshots[0].host = "web2"
        snapshots[1].job = "nightly"
        snapshots[2].paths = [Array("/etc".utf8)]
        snapshots[3].tags = ["new"]
        #expect(try Fixture.plan(snapshots, .init(last: 1)).kept(of: 5) == [1, 2, 3, 5])
        var policy = RetentionPolicy(last: 1)
        policy.groupBy = [.tags]
        #expect(try Fixture.plan(snapshots, policy).kept(of: 5) == [2, 4, 5], "2 is the last of its job")
        policy.groupBy = []
        policy.allowsEmptyResult = true
        #expect(try Fixture.plan(snapshots, policy).kept(of: 5) == [5])
    }

    @Test("safety snapshots, pinned and held ones stay and take no place")
    func exempt() throws {
        var snapshots = Fixture.series(6, every: 60)
        snapshots[5].isPinned = true
        snapshots[4].holdUntil = Fixture.moment("2026-01-02T00:00:00Z")
        snapshots[3].origin = .safety
        snapshots[0].holdUntil = Fixture.moment("2025-01-02T00:00:00Z")
        let plan = try Fixture.plan(snapshots, .init(last: 1))
        #expect(plan.kept(of: 6) == [3, 4, 5, 6])
        #expect(plan.reasons(6) == ["pinned"])
        #expect(plan.reasons(5) == ["held until 2026-01-02"])
        #expect(plan.reasons(4) == ["safety snapshot"])
        #expect(plan.reasons(3) == ["last 1 of 1"])
        #expect(plan.reasons(1) == ["no rule keeps it"], "its hold is over")
    }

    @Test("an interrupted snapshot counts for nothing and stays until one of the same source is finished after it")
    func interrupted() throws {
        var snapshots = Fixture.series(5, every: 86_400)
        for index in [1, 3, 4] { snapshots[index].state = .interrupted }
        snapshots[3].paths = [Array("/etc".utf8)]
        var policy = RetentionPolicy(.daily, .count(9))
        let plan = try Fixture.plan(snapshots, policy)
        #expect(plan.kept(of: 5) == [1, 3, 4, 5])
        #expect(plan.reasons(2) == ["interrupted: does not count, one was finished since"])
        #expect(plan.reasons(5) == ["interrupted: does not count, nothing finished since"])
        policy = RetentionPolicy()
        policy.maxCount = 1
        #expect(try Fixture.plan(snapshots, policy).kept(of: 5) == [2, 3, 4, 5], "no limit of age was given")
        policy.maxAge = 2 * 86_400
        #expect(try Fixture.plan(snapshots, policy).kept(of: 5) == [3, 4, 5])
    }

    @Test("snapshots with a tag that is kept stay")
    func tags() throws {
        var snapshots = Fixture.series(4, every: 60)
        snapshots[1].tags = ["important", "other"]
        var policy = RetentionPolicy(last: 1)
        policy.keepTags = ["important", "absent"]
        let plan = try Fixture.plan(snapshots, policy)
        #expect(plan.kept(of: 4) == [2, 4])
        #expect(plan.reasons(2) == ["tag important"])
    }

    @Test("the newest of a group goes only where an empty result is allowed")
    func emptyResult() throws {
        var policy = RetentionPolicy()
        policy.keepTags = ["absent"]
        let snapshots = Fixture.series(3, every: 60)
        let plan = try Fixture.plan(snapshots, policy)
        #expect(plan.kept(of: 3) == [3])
        #expect(plan.reasons(3) == ["newest of its group"])
        policy.allowsEmptyResult = true
        #expect(try Fixture.plan(snapshots, policy).kept == 0)
    }

    @Test("a policy without a rule is a usage error, and so is one below 0")
    func validation() {
        var below = RetentionPolicy()
        below.maxAge = -1
        var nothing = RetentionPolicy(last: 0)
        nothing.keepPeriods[.daily] = .count(0)
        for policy in [RetentionPolicy(), nothing, below, RetentionPolicy(last: -1), .init(.daily, .seconds(-1))] {
            #expect { try Fixture.plan([], policy) } throws: { ($0 as? StoreError)?.code == .usage }
        }
    }
}
