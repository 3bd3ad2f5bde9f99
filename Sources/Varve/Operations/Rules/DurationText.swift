/// Durations as people write them: `30s`, `5m`, `24h`, `7d`, `2w`, `1y`, or several together, `1d12h`.
package enum DurationText {
    /// The number of seconds that `text` names. Units from large to small, each at most once: y (365 days), w, d, h,
    /// m (minutes), s. A bare `0` needs none.
    ///
    /// - Throws: `usage` for anything else, and for durations of 2^63 seconds and more.
    package static func parse(_ text: String) throws(StoreError) -> Int64 {
        if text == "0" { return 0 }
        let bytes = Array(text.utf8)
        var position = 0
        var total: Int64 = 0
        var smallest = Int64.max
        repeat {
            let digits = DecimalDigits(bytes, &position)
            guard digits.count > 0, position < bytes.count, let unit = seconds(in: bytes[position]), unit < smallest
            else { throw malformed(text) }
            position += 1
            smallest = unit
            let value = Int64(exactly: digits.value).map { $0.multipliedReportingOverflow(by: unit) }
            guard !digits.overflowed, let (product, first) = value, !first,
                case let (sum, second) = total.addingReportingOverflow(product), !second
            else { throw StoreError(.usage, "the duration \"\(text)\" is too long") }
            total = sum
        } while position < bytes.count
        return total
    }

    /// The text of a number of seconds in the largest unit that divides it, `90d` for instance; weeks are left out, as
    /// people count 14 days and not always 2 weeks.
    package static func text(_ seconds: Int64) -> String {
        for (unit, letter) in [(365 * 86_400, "y"), (86_400, "d"), (3_600, "h"), (60, "m")] as [(Int64, String)]
        where seconds > 0 && seconds % unit == 0 {
            return "\(seconds / unit)\(letter)"
        }
        return "\(seconds)s"
    }

    private static func seconds(in unit: UInt8) -> Int64? {
        switch unit {
        case UInt8(ascii: "s"): 1
        case UInt8(ascii: "m"): 60
        case UInt8(ascii: "h"): 3600
        case UInt8(ascii: "d"): 86_400
        case UInt8(ascii: "w"): 7 * 86_400
        case UInt8(ascii: "y"): 365 * 86_400
        default: nil
        }
    }

    private static func malformed(_ text: String) -> StoreError {
        StoreError(.usage, "\"\(text)\" is not a duration", remedy: "write a duration like 30s, 5m, 24h, 7d, 2w or 1y")
    }
}
