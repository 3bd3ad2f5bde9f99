package import Varve
package import VarveFormat

/// A date, or a date and time, as people write them: `2025-10-16`, `2025-10-16T14:30`, `2025-10-16T14:30:05.25+02:00`.
///
/// Local time unless `Z` or an offset follows. A date alone stands for the whole day.
package struct DateText: Hashable, Sendable {
    /// The fields of a date, as written.
    package struct Fields: Hashable, Sendable {
        package var year, month, day: Int
        package var hour = 0, minute = 0, second = 0
    }

    /// The first moment that the text stands for.
    package let start: Timestamp
    /// The last one: the end of the day for a date alone, else `start`.
    package let end: Timestamp

    /// Parses the whole of a text.
    ///
    /// - Throws: `usage` for anything else than a date, or a date and time.
    package init(_ text: String) throws(StoreError) {
        let (date, rest) = try DateText.parsePrefix(Array(text.utf8)[...])
        guard rest.isEmpty else { throw Self.malformed(text) }
        self = date
    }

    private init(start: Timestamp, end: Timestamp) {
        self.start = start
        self.end = end
    }

    /// Parses the longest date at the start of some bytes and returns what is left.
    ///
    /// - Throws: `usage` if they start with no date.
    package static func parsePrefix(
        _ bytes: ArraySlice<UInt8>
    ) throws(StoreError) -> (date: DateText, rest: ArraySlice<UInt8>) {
        var scanner = DateScanner(bytes: bytes)
        guard let year = scanner.number(4), scanner.skip("-"), let month = scanner.number(2), scanner.skip("-"),
            let day = scanner.number(2), isDate(year, month, day)
        else { throw malformed(String(decoding: bytes, as: UTF8.self)) }
        var fields = Fields(year: year, month: month, day: day)
        guard let time = scanner.time() else {
            guard let start = LocalTime.seconds(fields) else { throw malformed(String(decoding: bytes, as: UTF8.self)) }
            fields.day += 1
            let next = LocalTime.seconds(fields) ?? start + 86_400
            let end = Timestamp(seconds: next - 1, nanoseconds: 999_999_999)
            return (DateText(start: Timestamp(seconds: start), end: end), scanner.bytes)
        }
        fields.hour = time.hour
        fields.minute = time.minute
        fields.second = time.second
        let seconds: Int64?
        if let offset = time.offset {
            seconds = utcSeconds(fields).map { $0 - Int64(offset) }
        } else {
            seconds = LocalTime.seconds(fields)
        }
        guard let seconds else { throw malformed(String(decoding: bytes, as: UTF8.self)) }
        let moment = Timestamp(seconds: seconds, nanoseconds: time.nanoseconds)
        return (DateText(start: moment, end: moment), scanner.bytes)
    }

    private static func isDate(_ year: Int, _ month: Int, _ day: Int) -> Bool {
        utcSeconds(Fields(year: year, month: month, day: day)) != nil
    }

    private static func utcSeconds(_ fields: Fields) -> Int64? {
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : String(value) }
        let year = String(repeating: "0", count: max(0, 4 - String(fields.year).count)) + String(fields.year)
        let text = "\(year)-\(two(fields.month))-\(two(fields.day))T"
            + "\(two(fields.hour)):\(two(fields.minute)):\(two(fields.second))Z"
        return (try? Timestamp(rfc3339: text))?.seconds
    }

    private static func malformed(_ text: String) -> StoreError {
        StoreError(
            .usage, "\"\(text)\" is not a date", remedy: "write 2025-10-16, 2025-10-16T14:30 or 2025-10-16T14:30:05Z")
    }
}

/// Takes a date's parts off the front of some bytes.
private struct DateScanner {
    struct Time {
        var hour, minute: Int
        var second = 0
        var nanoseconds: UInt32 = 0
        /// Seconds east of UTC; nil for local time.
        var offset: Int?
    }

    private(set) var bytes: ArraySlice<UInt8>

    init(bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    mutating func number(_ digits: Int) -> Int? {
        guard bytes.count >= digits else { return nil }
        var value = 0
        for byte in bytes.prefix(digits) {
            guard byte &- UInt8(ascii: "0") < 10 else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        bytes = bytes.dropFirst(digits)
        return value
    }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard bytes.first == UInt8(ascii: character) else { return false }
        bytes = bytes.dropFirst()
        return true
    }

    /// `T14:30`, with seconds, a fraction and a zone where they follow; nil, and nothing taken, for anything else.
    mutating func time() -> Time? {
        var ahead = self
        guard ahead.skip("T") || ahead.skip(" "), let hour = ahead.number(2), hour < 24, ahead.skip(":"),
            let minute = ahead.number(2), minute < 60
        else { return nil }
        var time = Time(hour: hour, minute: minute)
        var beyond = ahead
        if beyond.skip(":"), let second = beyond.number(2), second < 60 {
            time.second = second
            ahead = beyond
            if let fraction = ahead.fraction() { time.nanoseconds = fraction }
        }
        time.offset = ahead.zone()
        self = ahead
        return time
    }

    private mutating func fraction() -> UInt32? {
        guard bytes.first == UInt8(ascii: ".") else { return nil }
        let digits = bytes.dropFirst().prefix { $0 &- UInt8(ascii: "0") < 10 }
        guard (1...9).contains(digits.count) else { return nil }
        var value: UInt32 = 0
        for byte in digits { value = value * 10 + UInt32(byte - UInt8(ascii: "0")) }
        for _ in digits.count..<9 { value *= 10 }
        bytes = bytes.dropFirst(1 + digits.count)
        return value
    }

    private mutating func zone() -> Int? {
        if skip("Z") { return 0 }
        var ahead = self
        let sign: Int
        if ahead.skip("+") { sign = 1 } else if ahead.skip("-") { sign = -1 } else { return nil }
        guard let hours = ahead.number(2), hours < 24 else { return nil }
        _ = ahead.skip(":")
        guard let minutes = ahead.number(2), minutes < 60 else { return nil }
        self = ahead
        return sign * (hours * 3600 + minutes * 60)
    }
}
