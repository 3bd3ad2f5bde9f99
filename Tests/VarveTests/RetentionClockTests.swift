import Testing
import Varve
import VarveFormat

/// What a client claims as time cannot push real snapshots out.
@Suite("Retention with forged clocks")
struct RetentionClockTests {
    private typealias Fixture = RetentionFixture
    private static let day: Int64 = 86_400

    /// Two years of real snapshots, one a day at 02:00.
    private static let real: [RetentionCandidate] = (1...730).map { number in
        let time = Fixture.moment("2025-10-16T02:00:00Z").adding(Int64(number - 730) * day)
        return Fixture.candidate(number, time)
    }

    private static let policy: RetentionPolicy = {
        var policy = RetentionPolicy(.daily, .count(7))
        policy.keepPeriods[.monthly] = .count(12)
        return policy
    }()

    enum Forgery: CaseIterable {
        case past, future, both, shuffled, oldSequences, lateInTheDay
    }

    /// 400 snapshots that a thief makes on the 16th at 11:00.
    private static func forged(_ forgery: Forgery) -> [RetentionCandidate] {
        var random = SeededBytes(seed: 7)
        return (1...400).map { number in
            let back = Fixture.now.adding(-Int64(number) * day)
            let ahead = Fixture.now.adding(Int64(number) * day)
            var snapshot = Fixture.candidate(730 + number, back)
            switch forgery {
            case .past: break
            case .future: snapshot.time = ahead
            case .both: snapshot.time = number % 2 == 0 ? back : ahead
            case .shuffled: snapshot.time = Fixture.now.adding(Int64(random.below(800) - 400) * day)
            case .oldSequences: snapshot.sequence = 730 - number
            case .lateInTheDay: snapshot.time = Fixture.moment("2025-10-15T23:59:59Z").adding(-Int64(number - 1) * day)
            }
            return snapshot
        }
    }

    /// Those of the last 6 days: today's newest is the thief's, as it would be with an honest clock.
    private static let recent = (724...729).map(Fixture.id)

    @Test("with forged times of all kinds the real snapshots of the last days stay", arguments: Forgery.allCases)
    func watched(_ forgery: Forgery) throws {
        var snapshots = Self.real
        for index in snapshots.indices { snapshots[index].firstSeen = snapshots[index].time.adding(60) }
        let honest = try Fixture.plan(snapshots, Self.policy).keptIDs
        let seen = Fixture.moment("2025-10-16T11:00:00Z")
        for var thief in Self.forged(forgery) {
            thief.firstSeen = seen
            snapshots.append(thief)
        }
        let kept = try Fixture.plan(snapshots, Self.policy).keptIDs
        #expect(kept.isSuperset(of: Self.recent))
        #expect(kept.isSuperset(of: honest), "a time that does not stand takes no place from one that does")
        #expect(kept.count <= honest.count + 1, "and 400 snapshots of one day are one day")
    }

    @Test("so they do for a machine that looks for the first time", arguments: [
        Forgery.past, .future, .both, .shuffled, .lateInTheDay,
    ])
    func unwatched(_ forgery: Forgery) throws {
        let honest = try Fixture.plan(Self.real, Self.policy).keptIDs
        let kept = try Fixture.plan(Self.real + Self.forged(forgery), Self.policy).keptIDs
        #expect(kept.isSuperset(of: Self.recent))
        #expect(kept.isSuperset(of: honest))
    }

    @Test("a time ahead of its day does not collapse the days that follow")
    func earlyFuture() throws {
        // On the 2nd a thief claims the 15th; the machine looks only on the 16th.
        var snapshots = (1...15).map { Fixture.candidate($0 * 10, "2025-10-\($0 < 10 ? "0" : "")\($0)T02:00:00Z") }
        snapshots.append(Fixture.candidate(15, "2025-10-15T23:00:00Z"))
        let plan = try Fixture.plan(snapshots, .init(.daily, .count(7)))
        for number in 3...15 { #expect(plan.keeps(number * 10), "day \(number)") }
        #expect(plan.reasons(150) == ["last written of its group"])
        #expect(plan.reasons(100).first?.hasPrefix("time in doubt: made after") == true)
        // Had it looked each day, it would know.
        for index in 0..<15 { snapshots[index].firstSeen = snapshots[index].time.adding(60) }
        snapshots[15].firstSeen = Fixture.moment("2025-10-02T12:00:00Z")
        let watched = try Fixture.plan(snapshots, .init(.daily, .count(7)))
        #expect(watched.kept == 7)
        for number in 9...15 { #expect(watched.keeps(number * 10), "day \(number)") }
        #expect(watched.reasons(15) == ["no rule keeps it", "claims 2025-10-15, not believed"])
    }

    @Test("a machine whose clock stands at 1970 is thinned by the days on which its snapshots were seen")
    func deadBattery() throws {
        let snapshots = (1...30).map { number in
            var snapshot = Fixture.candidate(number, Timestamp(seconds: Int64(number % 3) * 600))
            if number <= 5 { snapshot.time = Fixture.now.adding(Int64(number - 30) * Self.day - 60) }
            snapshot.firstSeen = Fixture.now.adding(Int64(number - 30) * Self.day)
            return snapshot
        }
        let plan = try Fixture.plan(snapshots, .init(.daily, .count(7)))
        #expect(plan.kept(of: 30) == [5] + Array(24...30))
        #expect(plan.reasons(5) == ["newest of its group"], "the last time that can be believed")
        #expect(plan.reasons(30) == ["daily 2025-10-16", "claims 1970-01-01, not believed"])
    }

    @Test("a clock that is minutes ahead is believed, as far as first sight")
    func skew() throws {
        let snapshots = Fixture.series(6, every: Self.day).map { snapshot in
            var ahead = snapshot
            ahead.firstSeen = snapshot.time
            ahead.time = snapshot.time.adding(290)
            return ahead
        }
        let plan = try Fixture.plan(snapshots, .init(.daily, .count(2)))
        #expect(plan.reasons(5) == ["daily 2025-10-15"])
        #expect(plan.decisions.map(\.time) == snapshots.reversed().map(\.firstSeen))
    }

    @Test("backups that overlap are no contradiction")
    func overlap() throws {
        let snapshots = [(1, "2025-10-14T02:00:00Z"), (2, "2025-10-15T04:00:00Z"), (3, "2025-10-15T02:00:00Z")]
            .map(Fixture.candidate)
        var policy = RetentionPolicy(.daily, .count(7))
        #expect(try Fixture.plan(snapshots, policy).reasons(3) == ["last written of its group"])
        policy.allowsEmptyResult = true
        #expect(try Fixture.plan(snapshots, policy).kept(of: 3) == [1, 2])
    }

    @Test("an unknown first sight is not later than that of what was written after it")
    func inferredSight() throws {
        var snapshots = Fixture.series(10, every: Self.day)
        snapshots[4].time = Fixture.now
        snapshots[5].firstSeen = snapshots[5].time
        let plan = try Fixture.plan(snapshots, .init(.daily, .count(3)))
        #expect(plan.kept(of: 10) == [8, 9, 10])
        #expect(plan.decisions.first { $0.id == Fixture.id(5) }?.time == snapshots[5].time)
    }

    @Test("times at the ends of what can be written do no harm")
    func extremes() throws {
        var snapshots = Fixture.series(4, every: Self.day)
        snapshots[1].time = Timestamp(seconds: .min)
        snapshots[2].time = Timestamp(seconds: .max, nanoseconds: 999_999_999)
        var policy = RetentionPolicy(.hourly, .seconds(.max))
        for period in RetentionPeriod.allCases { policy.keepPeriods[period] = .seconds(.max) }
        policy.keepWithin = .max
        policy.maxAge = .max
        #expect(try Fixture.plan(snapshots, policy).kept == 4)
    }
}

extension Timestamp {
    fileprivate func adding(_ seconds: Int64) -> Timestamp {
        Timestamp(seconds: self.seconds + seconds, nanoseconds: nanoseconds)
    }
}
