import Varve
import VarveFormat

/// Snapshots and local times for the tests of retention.
enum RetentionFixture {
    /// Noon in UTC on 2025-10-16, a Thursday.
    static let now = moment("2025-10-16T12:00:00Z")

    static func moment(_ text: String) -> Timestamp { (try? Timestamp(rfc3339: text)) ?? Timestamp(seconds: 0) }

    static func id(_ number: Int) -> SnapshotID {
        // Spread, so that the order of ids says nothing about the order of snapshots.
        var random = SeededBytes(seed: UInt64(number))
        return SnapshotID(hex: hexDigits(random.bytes(32))) ?? SnapshotID(0, 0, 0, UInt64(number))
    }

    /// The snapshot of a number, which is its sequence too.
    static func candidate(_ number: Int, _ time: Timestamp, host: String = "web1") -> RetentionCandidate {
        RetentionCandidate(id: id(number), sequence: number, time: time, host: host, paths: [Array("/home".utf8)])
    }

    static func candidate(_ number: Int, _ time: String) -> RetentionCandidate { candidate(number, moment(time)) }

    /// So many snapshots, one every `interval` seconds, the newest at `now`. Numbered from 1, the oldest.
    static func series(_ count: Int, every interval: Int64) -> [RetentionCandidate] {
        (1...count).map { candidate($0, Timestamp(seconds: now.seconds - Int64(count - $0) * interval)) }
    }

    /// Random snapshots of two hosts with honest clocks, some of them protected, tagged or unfinished.
    static func random(seed: UInt64, count: Int) -> [RetentionCandidate] {
        var random = SeededBytes(seed: seed)
        var time = now.seconds - 1
        let intervals: [Int] = [300, 7_200, 90_000, 2_000_000]
        return (0..<count).map { index in
            var snapshot = candidate(count - index, Timestamp(seconds: time), host: ["web1", "web2"][random.below(2)])
            time -= Int64(1 + random.below(intervals[random.below(intervals.count)]))
            if random.below(3) == 0 { snapshot.firstSeen = Timestamp(seconds: snapshot.time.seconds + 1) }
            snapshot.job = random.below(4) == 0 ? "nightly" : nil
            snapshot.tags = random.below(6) == 0 ? ["important"] : []
            snapshot.isPinned = random.below(12) == 0
            if random.below(12) == 0 { snapshot.holdUntil = Timestamp(seconds: now.seconds + 86_400) }
            if random.below(9) == 0 { snapshot.state = .interrupted }
            if random.below(9) == 0 { snapshot.origin = .safety }
            snapshot.bytesStored = UInt64(random.below(1_000))
            return snapshot
        }
    }

    /// A random policy of keep rules; with counts only, or also with durations and limits.
    static func policy(_ random: inout SeededBytes, countsOnly: Bool) -> RetentionPolicy {
        var policy = RetentionPolicy()
        func span(_ random: inout SeededBytes) -> RetentionSpan {
            if !countsOnly, random.below(2) == 0 { return .seconds(Int64(random.below(40_000_000))) }
            return .count(1 + random.below(6))
        }
        policy.keepLast = .count(1 + random.below(3))
        for period in RetentionPeriod.allCases where random.below(2) == 0 {
            policy.keepPeriods[period] = span(&random)
        }
        if random.below(3) == 0 { policy.keepTags = ["important"] }
        if random.below(3) == 0 { policy.groupBy = [.host] }
        if !countsOnly {
            if random.below(3) == 0 { policy.keepWithin = Int64(random.below(1_000_000)) }
            if random.below(4) == 0 { policy.maxAge = Int64(random.below(30_000_000)) }
            if random.below(4) == 0 { policy.maxCount = random.below(20) }
            if random.below(4) == 0 { policy.maxSize = UInt64(random.below(30_000)) }
        }
        return policy
    }

    static func plan(
        _ candidates: [RetentionCandidate], _ policy: RetentionPolicy, now: Timestamp = now,
        calendar: RetentionCalendar = .utc
    ) throws -> RetentionPlan {
        try Retention.plan(candidates, policy: policy, now: now, calendar: calendar)
    }
}

extension RetentionPlan {
    var decisions: [RetentionDecision] { groups.flatMap(\.decisions) }
    var keptIDs: Set<SnapshotID> { Set(decisions.filter(\.keeps).map(\.id)) }

    func reasons(_ number: Int) -> [String] {
        decisions.first { $0.id == RetentionFixture.id(number) }?.reasons ?? []
    }

    func keeps(_ number: Int) -> Bool { keptIDs.contains(RetentionFixture.id(number)) }

    /// The numbers of those that stay.
    func kept(of count: Int) -> [Int] { (1...count).filter(keeps) }
}

extension RetentionPolicy {
    init(_ period: RetentionPeriod, _ span: RetentionSpan) {
        self.init()
        keepPeriods[period] = span
    }

    init(last count: Int) {
        self.init()
        keepLast = .count(count)
    }
}

/// Time zones with the changes that the tests look at.
extension RetentionCalendar {
    private static func summer(_ from: String, _ to: String, _ winter: Int64) -> RetentionCalendar {
        let (begin, end) = (RetentionFixture.moment(from).seconds, RetentionFixture.moment(to).seconds)
        // In the south, summer lasts over the new year.
        return RetentionCalendar { seconds in
            let isSummer = begin < end ? seconds >= begin && seconds < end : seconds >= begin || seconds < end
            return winter + (isSummer ? 3_600 : 0)
        }
    }

    /// Europe/Berlin in 2025.
    static let berlin = summer("2025-03-30T01:00:00Z", "2025-10-26T01:00:00Z", 3_600)
    /// Pacific/Chatham in 2025: 12 hours and 45 minutes east, and summer time.
    static let chatham = summer("2025-09-27T14:00:00Z", "2025-04-05T14:00:00Z", 45_900)
    /// Asia/Kathmandu: 5 hours and 45 minutes east.
    static let kathmandu = RetentionCalendar { _ in 20_700 }
}
