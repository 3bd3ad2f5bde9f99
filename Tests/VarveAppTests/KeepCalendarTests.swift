import Testing
import Varve
import VarveApp
import VarveFormat

@Suite("The calendar of what is kept")
struct KeepCalendarTests {
    private func decisions(_ times: [String], last: Int) throws -> [RetentionDecision] {
        let candidates = try times.enumerated().map { index, time in
            RetentionCandidate(
                id: SnapshotID(0, 0, 0, UInt64(index)), sequence: index + 1, time: try Timestamp(rfc3339: time),
                host: "h", paths: [])
        }
        var policy = RetentionPolicy()
        policy.keepLast = .count(last)
        let now = try Timestamp(rfc3339: "2026-01-01T00:00:00Z")
        return try Retention.plan(candidates, policy: policy, now: now, calendar: .utc).groups.flatMap(\.decisions)
    }

    @Test("a month is a row, a day a column, and months without snapshots are left out")
    func rows() throws {
        let times = [
            "2024-02-29T12:00:00Z", "2025-10-01T01:00:00Z", "2025-10-01T02:00:00Z", "2025-10-31T02:00:00Z",
            "2025-10-31T03:00:00Z",
        ]
        #expect(KeepCalendar(try decisions(times, last: 1), .utc).lines(.ascii) == [
            "        1       5        10        15        20        25        30   kept  drop",
            "2025-10 x . . . . . . . . . . . . . . . . . . . . . . . . . . . . . #    1     3",
            "2024-02 . . . . . . . . . . . . . . . . . . . . . . . . . . . . x        0     1",
        ])
    }

    @Test("days are those of the calendar's local time, and no row is wider than a terminal")
    func local() throws {
        let late = try decisions(["2025-10-31T23:30:00Z"], last: 1)
        let lines = KeepCalendar(late, RetentionCalendar { _ in 3_600 }).lines(.unicode)
        #expect(lines[1].hasPrefix("2025-11 \u{25CF} \u{00B7}"))
        #expect(lines.allSatisfy { $0.count == 80 })
        #expect(KeepCalendar.legend(.ascii) == "# kept   x all dropped   . none")
    }
}
