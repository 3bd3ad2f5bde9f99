import Glibc
package import VarveFormat

/// Dates and times in the zone of this machine, as people read and write them.
package enum LocalTime {
    /// `2025-06-23 14:34:56` in local time. Falls back on UTC where the zone cannot be applied.
    package static func text(_ time: Timestamp) -> String {
        let parts = components(time.seconds)
        return "\(padded(Int(parts.tm_year) + 1900, 4))-\(padded(Int(parts.tm_mon) + 1, 2))-"
            + "\(padded(Int(parts.tm_mday), 2)) \(padded(Int(parts.tm_hour), 2)):"
            + "\(padded(Int(parts.tm_min), 2)):\(padded(Int(parts.tm_sec), 2))"
    }

    /// The seconds since 1970 of a local date and time; nil if there is no such date. A time that the change to summer
    /// time skips becomes the one that the clocks showed instead.
    package static func seconds(_ date: DateText.Fields) -> Int64? {
        tzset()
        var parts = tm()
        parts.tm_year = Int32(date.year - 1900)
        parts.tm_mon = Int32(date.month - 1)
        parts.tm_mday = Int32(date.day)
        parts.tm_hour = Int32(date.hour)
        parts.tm_min = Int32(date.minute)
        parts.tm_sec = Int32(date.second)
        parts.tm_isdst = -1
        // mktime answers -1 for failures and for the last second of 1969 alike; a year that was not filled in tells.
        parts.tm_wday = -1
        let seconds = mktime(&parts)
        return parts.tm_wday == -1 ? nil : Int64(seconds)
    }

    private static func components(_ seconds: Int64) -> tm {
        tzset()
        var parts = tm()
        var value = time_t(seconds)
        if localtime_r(&value, &parts) == nil { gmtime_r(&value, &parts) }
        return parts
    }

    private static func padded(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
