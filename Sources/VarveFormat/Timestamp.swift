/// A moment in UTC, and its texts in manifests. Dates follow the proleptic Gregorian calendar; leap seconds do not
/// exist, as in POSIX.
public struct Timestamp: Hashable, Comparable, Sendable {
    /// Seconds since 1970-01-01T00:00:00Z.
    public var seconds: Int64
    /// Nanoseconds behind `seconds`, below 10^9.
    public var nanoseconds: UInt32

    /// Makes a moment.
    public init(seconds: Int64, nanoseconds: UInt32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// Whether `left` is earlier.
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.seconds != right.seconds ? left.seconds < right.seconds : left.nanoseconds < right.nanoseconds
    }

    /// Reads RFC 3339 text in UTC: `2025-06-23T12:34:56Z` with at most nine digits of fraction.
    ///
    /// - Throws: `.malformed` for anything else: another zone, lowercase letters, a 60th second, a day that is not.
    public init(rfc3339 text: String) throws(FormatError) {
        var scanner = DigitScanner(text: Array(text.utf8))
        guard let year = scanner.number(digits: 4, then: "-"), let month = scanner.number(digits: 2, then: "-"),
            let day = scanner.number(digits: 2, then: "T"), let hour = scanner.number(digits: 2, then: ":"),
            let minute = scanner.number(digits: 2, then: ":"), let second = scanner.number(digits: 2, then: nil),
            let nanoseconds = scanner.fraction(), scanner.isAtFinalZ,
            (1...12).contains(month), hour < 24, minute < 60, second < 60,
            day >= 1, day <= CivilDate.dayCount(year: year, month: month)
        else { throw FormatError(.malformed, "not a time in RFC 3339 and UTC") }
        let days = CivilDate(year: year, month: month, day: day).daysSince1970
        self.init(seconds: days * 86_400 + hour * 3_600 + minute * 60 + second, nanoseconds: UInt32(nanoseconds))
    }

    /// RFC 3339 text with nine digits of fraction, `2025-06-23T12:34:56.123456789Z`. Times outside the years 0 to
    /// 9999, which RFC 3339 cannot write, become the nearest second that it can.
    public var rfc3339: String {
        let (date, time) = Self.civil(writable)
        let day = "\(Self.padded(date.year, 4))-\(Self.padded(date.month, 2))-\(Self.padded(date.day, 2))"
        let clock = "\(Self.padded(time / 3_600, 2)):\(Self.padded(time / 60 % 60, 2)):\(Self.padded(time % 60, 2))"
        return "\(day)T\(clock).\(Self.padded(Int64(nanoseconds % 1_000_000_000), 9))Z"
    }

    /// The time as the alias of a snapshot, `20250623_123456`.
    public var alias: String {
        let (date, time) = Self.civil(writable)
        let day = Self.padded(date.year, 4) + Self.padded(date.month, 2) + Self.padded(date.day, 2)
        return day + "_" + Self.padded(time / 3_600 * 10_000 + time / 60 % 60 * 100 + time % 60, 6)
    }

    /// `seconds`, kept within the years 0 to 9999.
    private var writable: Int64 { min(max(seconds, -62_167_219_200), 253_402_300_799) }

    private static func civil(_ seconds: Int64) -> (CivilDate, secondOfDay: Int64) {
        let days = seconds.flooredQuotient(86_400)
        return (CivilDate(daysSince1970: days), seconds - days * 86_400)
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}

/// A day of the proleptic Gregorian calendar. The arithmetic counts years from March, so that the leap day is the
/// last of its year, in eras of 400 years, which all have 146,097 days.
package struct CivilDate: Hashable, Sendable {
    package let year, month, day: Int64

    package init(year: Int64, month: Int64, day: Int64) {
        self.year = year
        self.month = month
        self.day = day
    }

    package init(daysSince1970 days: Int64) {
        let shifted = days + 719_468  // days since 0000-03-01
        let era = shifted.flooredQuotient(146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    package var daysSince1970: Int64 {
        let yearFromMarch = month <= 2 ? year - 1 : year
        let era = yearFromMarch.flooredQuotient(400)
        let yearOfEra = yearFromMarch - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    package static func dayCount(year: Int64, month: Int64) -> Int64 {
        switch month {
        case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension Int64 {
    /// The quotient rounded down, for a positive divisor.
    fileprivate func flooredQuotient(_ divisor: Int64) -> Int64 {
        self / divisor - (self % divisor < 0 ? 1 : 0)
    }
}

/// Reads the fixed fields of an RFC 3339 text.
private struct DigitScanner {
    let text: [UInt8]
    var offset = 0

    var isAtFinalZ: Bool { offset == text.count - 1 && text[offset] == UInt8(ascii: "Z") }

    mutating func number(digits: Int, then separator: Unicode.Scalar?) -> Int64? {
        guard offset + digits <= text.count else { return nil }
        var value: Int64 = 0
        for byte in text[offset..<offset + digits] {
            guard byte &- UInt8(ascii: "0") < 10 else { return nil }
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        offset += digits
        guard let separator else { return value }
        guard offset < text.count, UInt32(text[offset]) == separator.value else { return nil }
        offset += 1
        return value
    }

    /// The nanoseconds of an optional fraction.
    mutating func fraction() -> Int64? {
        guard offset < text.count, text[offset] == UInt8(ascii: ".") else { return 0 }
        let digits = text[(offset + 1)...].prefix { $0 &- UInt8(ascii: "0") < 10 }.count
        guard (1...9).contains(digits) else { return nil }
        offset += 1
        guard var value = number(digits: digits, then: nil) else { return nil }
        for _ in digits..<9 { value *= 10 }
        return value
    }
}
