import Glibc
package import Varve

/// Keep rules as people write them.
package enum RetentionRules {
    /// `7` for a count, `90d` for as far back as that, `all` for no end.
    ///
    /// - Throws: `usage` for anything else.
    package static func span(_ text: String) throws(StoreError) -> RetentionSpan {
        if text == "all" { return .unlimited }
        if let count = count(text) { return .count(count) }
        if let seconds = try? DurationText.parse(text) { return .seconds(seconds) }
        throw StoreError(
            .usage, "\"\(text)\" is neither a number nor a duration", remedy: "write 7, 90d, 1y or all")
    }

    /// `host,job,paths,tags`, any of them; `none` for one group of everything.
    ///
    /// - Throws: `usage` for another word.
    package static func grouping(_ text: String) throws(StoreError) -> Set<RetentionPolicy.Grouping> {
        if text.isEmpty || text == "none" { return [] }
        var result: Set<RetentionPolicy.Grouping> = []
        for word in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let grouping = RetentionPolicy.Grouping(rawValue: String(word)) else {
                throw StoreError(
                    .usage, "\"\(word)\" does not make groups", remedy: "write host, job, paths and tags, or none")
            }
            result.insert(grouping)
        }
        return result
    }

    /// A whole number, as a count.
    ///
    /// - Throws: `usage` for anything else.
    package static func number(_ text: String) throws(StoreError) -> Int {
        if let count = count(text) { return count }
        throw StoreError(.usage, "\"\(text)\" is not a whole number")
    }

    /// `50%` or `50`.
    ///
    /// - Throws: `usage` for anything that is not from 0 to 100.
    package static func percent(_ text: String) throws(StoreError) -> Int {
        guard let percent = count(text.hasSuffix("%") ? String(text.dropLast()) : text), percent <= 100 else {
            throw StoreError(.usage, "\"\(text)\" is not a percentage", remedy: "write 0% to 100%")
        }
        return percent
    }

    private static func count(_ text: String) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }) else { return nil }
        return Int(text)
    }

    /// The calendar of this machine's time zone, or of `TZ`.
    package static func localCalendar() -> RetentionCalendar {
        tzset()
        return RetentionCalendar { seconds in
            var parts = tm()
            var value = time_t(seconds)
            return localtime_r(&value, &parts) == nil ? 0 : Int64(parts.tm_gmtoff)
        }
    }
}
