import Testing
import Varve
import VarveFormat

@Suite("Periods of local time")
struct RetentionPeriodTests {
    private typealias Fixture = RetentionFixture

    /// The names of the periods that stay with a rule without end, newest first.
    private func names(
        _ period: RetentionPeriod, _ times: [String], _ calendar: RetentionCalendar = .utc
    ) throws -> [String] {
        let snapshots = times.enumerated().map { Fixture.candidate($0 + 1, $1) }
        let plan = try Fixture.plan(
            snapshots, .init(period, .unlimited), now: Fixture.moment("2035-01-01T00:00:00Z"), calendar: calendar)
        let prefix = period.rawValue + " "
        let reasons = plan.decisions.flatMap(\.reasons).filter { $0.hasPrefix(prefix) }
        return reasons.map { String($0.dropFirst(prefix.count)) }
    }

    @Test("the hour that the end of summer time repeats is two hours")
    func repeatedHour() throws {
        let times = ["2025-10-25T23:30:00Z", "2025-10-26T00:10:00Z", "2025-10-26T00:50:00Z", "2025-10-26T01:10:00Z",
                     "2025-10-26T02:10:00Z"]
        #expect(try names(.hourly, times, .berlin) == [
            "2025-10-26 03:00+01:00", "2025-10-26 02:00+01:00", "2025-10-26 02:00+02:00", "2025-10-26 01:00+02:00",
        ])
    }

    @Test("the hour that its beginning skips does not exist")
    func skippedHour() throws {
        #expect(try names(.hourly, ["2025-03-30T00:59:59Z", "2025-03-30T01:00:00Z"], .berlin) == [
            "2025-03-30 03:00+02:00", "2025-03-30 01:00+01:00",
        ])
    }

    @Test("a day of 23 or of 25 hours is one day")
    func changeDays() throws {
        #expect(try names(.daily, ["2025-03-29T22:59:59Z", "2025-03-29T23:00:00Z", "2025-03-30T21:59:59Z",
                                   "2025-03-30T22:00:00Z"], .berlin) == ["2025-03-31", "2025-03-30", "2025-03-29"])
        #expect(try names(.daily, ["2025-10-25T21:59:59Z", "2025-10-25T22:00:00Z", "2025-10-26T22:59:59Z",
                                   "2025-10-26T23:00:00Z"], .berlin) == ["2025-10-27", "2025-10-26", "2025-10-25"])
    }

    @Test("zones that are 45 minutes off have hours and days of their own")
    func quarterHours() throws {
        #expect(try names(.hourly, ["2025-10-16T11:14:59Z", "2025-10-16T11:15:00Z", "2025-10-16T12:14:59Z"], .kathmandu)
            == ["2025-10-16 17:00+05:45", "2025-10-16 16:00+05:45"])
        #expect(try names(.daily, ["2025-10-16T18:14:59Z", "2025-10-16T18:15:00Z"], .kathmandu)
            == ["2025-10-17", "2025-10-16"])
        // 03:45 becomes 02:45: the hours from 2 to 4 are cut into four.
        #expect(try names(.hourly, ["2025-04-05T13:10:00Z", "2025-04-05T13:50:00Z", "2025-04-05T14:05:00Z",
                                    "2025-04-05T14:20:00Z", "2025-04-05T15:20:00Z"], .chatham) == [
            "2025-04-06 04:00+12:45", "2025-04-06 03:00+12:45", "2025-04-06 02:00+12:45", "2025-04-06 03:00+13:45",
            "2025-04-06 02:00+13:45",
        ])
    }

    @Test("a leap day is a day of February")
    func leapDay() throws {
        let times = ["2024-02-28T12:00:00Z", "2024-02-29T12:00:00Z", "2024-03-01T00:00:00Z"]
        #expect(try names(.daily, times) == ["2024-03-01", "2024-02-29", "2024-02-28"])
        #expect(try names(.monthly, times) == ["2024-03", "2024-02"])
        #expect(try names(.daily, ["2023-02-28T23:59:59Z", "2023-03-01T00:00:00Z"]) == ["2023-03-01", "2023-02-28"])
    }

    @Test("weeks are those of ISO 8601, whatever the year", arguments: [
        ("2019-12-29T12:00:00Z", "2019-W52"), ("2019-12-30T12:00:00Z", "2020-W01"),
        ("2020-12-31T12:00:00Z", "2020-W53"), ("2021-01-03T23:59:59Z", "2020-W53"),
        ("2021-01-04T00:00:00Z", "2021-W01"), ("2022-01-01T12:00:00Z", "2021-W52"),
        ("2024-12-30T12:00:00Z", "2025-W01"), ("2026-12-31T12:00:00Z", "2026-W53"),
        ("2027-01-01T12:00:00Z", "2026-W53"), ("1970-01-01T00:00:00Z", "1970-W01"),
        ("1969-12-28T12:00:00Z", "1969-W52"),
    ])
    func weeks(_ time: String, _ name: String) throws {
        #expect(try names(.weekly, [time]) == [name])
    }

    @Test("a week over the new year is one week, two months and two years")
    func newYear() throws {
        let times = ["2024-12-31T22:59:59Z", "2024-12-31T23:00:00Z"]
        #expect(try names(.weekly, times, .berlin) == ["2025-W01"])
        #expect(try names(.monthly, times, .berlin) == ["2025-01", "2024-12"])
        #expect(try names(.yearly, times, .berlin) == ["2025", "2024"])
    }
}
