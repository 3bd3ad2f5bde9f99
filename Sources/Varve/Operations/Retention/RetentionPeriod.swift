import VarveFormat

/// The local time that rules count in, given by the caller: the engine knows no time zone.
public struct RetentionCalendar: Sendable {
    /// Seconds east of UTC that local time is at a moment, given in seconds since 1970.
    public var offset: @Sendable (Int64) -> Int64

    /// Makes a calendar.
    public init(offset: @escaping @Sendable (Int64) -> Int64) { self.offset = offset }

    /// The calendar in UTC.
    public static let utc = RetentionCalendar { _ in 0 }
}

/// A period of local time, of which a rule keeps the newest snapshot.
///
/// Days, weeks, months and years are those of the local calendar, however many hours the clock changes leave them;
/// weeks begin on Monday and belong to the year of their Thursday (ISO 8601). An hour is what the local clock names so:
/// the one that the end of summer time repeats is two hours, the one that its beginning skips does not exist.
public enum RetentionPeriod: String, Sendable, CaseIterable {
    case hourly, daily, weekly, monthly, yearly

    /// A number that all moments of one period share and no other moment has.
    func key(_ moment: LocalMoment) -> Int64 {
        let day = moment.day
        switch self {
        case .hourly:
            // Two hours of one name differ by their distance from UTC, which is below 2^18 seconds.
            return LocalMoment.floored(moment.local, 3_600) << 18 | (moment.offset & 0x3FFFF)
        case .daily: return day
        case .weekly: return LocalMoment.floored(day + 3, 7)  // 1970-01-01 was a Thursday
        case .monthly:
            let date = CivilDate(daysSince1970: day)
            return date.year * 12 + date.month
        case .yearly: return CivilDate(daysSince1970: day).year
        }
    }

    /// The period's name: `2025-10-16 14:00+02:00`, `2025-10-16`, `2025-W42`, `2025-10`, `2025`.
    func name(_ moment: LocalMoment) -> String {
        let date = CivilDate(daysSince1970: moment.day)
        switch self {
        case .hourly:
            let hour = LocalMoment.floored(moment.local, 3_600) - moment.day * 24
            return "\(moment.dayName) \(Self.two(hour)):00\(Self.zone(moment.offset))"
        case .daily: return moment.dayName
        case .weekly:
            let week = LocalMoment.floored(moment.day + 3, 7)
            let year = CivilDate(daysSince1970: week * 7).year  // week * 7 is the Thursday
            let first = CivilDate(year: year, month: 1, day: 4).daysSince1970  // always in the first week
            return "\(year)-W\(Self.two(week - LocalMoment.floored(first + 3, 7) + 1))"
        case .monthly: return "\(date.year)-\(Self.two(date.month))"
        case .yearly: return String(date.year)
        }
    }

    private static func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : String(value) }

    private static func zone(_ offset: Int64) -> String {
        let minutes = abs(offset) / 60
        return "\(offset < 0 ? "-" : "+")\(two(minutes / 60)):\(two(minutes % 60))"
    }
}

/// A moment as local clocks show it.
struct LocalMoment {
    /// Seconds east of UTC.
    let offset: Int64
    /// Seconds since local 1970-01-01.
    let local: Int64

    init(_ time: Timestamp, _ calendar: RetentionCalendar) {
        offset = min(max(calendar.offset(time.seconds), -100_000), 100_000)
        local = time.seconds + offset
    }

    /// Days since 1970.
    var day: Int64 { Self.floored(local, 86_400) }

    /// `2025-10-16`.
    var dayName: String { String(Timestamp(seconds: local).rfc3339.prefix(10)) }

    /// The quotient rounded down, for a positive divisor.
    static func floored(_ value: Int64, _ divisor: Int64) -> Int64 {
        value / divisor - (value % divisor < 0 ? 1 : 0)
    }
}
