import Testing
import VarveFormat

@Suite struct TimestampTests {
    @Test("Moments have the texts that RFC 3339 gives them", arguments: [
        (0, 0, "1970-01-01T00:00:00.000000000Z"), (1_750_682_096, 123_456_789, "2025-06-23T12:34:56.123456789Z"),
        (-1, 999_999_999, "1969-12-31T23:59:59.999999999Z"), (951_782_400, 0, "2000-02-29T00:00:00.000000000Z"),
        (-2_203_891_200, 0, "1900-03-01T00:00:00.000000000Z"), (4_107_542_400, 1, "2100-03-01T00:00:00.000000001Z"),
        (-62_167_219_200, 0, "0000-01-01T00:00:00.000000000Z"), (253_402_300_799, 0, "9999-12-31T23:59:59.000000000Z"),
    ] as [(Int64, UInt32, String)])
    func texts(seconds: Int64, nanoseconds: UInt32, text: String) throws {
        let moment = Timestamp(seconds: seconds, nanoseconds: nanoseconds)
        #expect(moment.rfc3339 == text)
        #expect(try Timestamp(rfc3339: text) == moment)
    }

    @Test("Every day of four centuries and random moments read back as themselves")
    func roundTrip() throws {
        for day in stride(from: Int64(-146_097), through: 146_097, by: 1) {
            let moment = Timestamp(seconds: day * 86_400)
            guard try Timestamp(rfc3339: moment.rfc3339) == moment else {
                Issue.record("day \(day) is written as \(moment.rfc3339)")
                return
            }
        }
        var random = SplitMix(state: 2)
        for _ in 0..<2_000 {
            let moment = Timestamp(
                seconds: .random(in: -62_167_219_200...253_402_300_799, using: &random),
                nanoseconds: .random(in: 0..<1_000_000_000, using: &random))
            #expect(try Timestamp(rfc3339: moment.rfc3339) == moment)
        }
    }

    @Test("Consecutive days have consecutive dates")
    func order() {
        var last = ""
        for day in Int64(-1_000)...50_000 {
            let text = Timestamp(seconds: day * 86_400).rfc3339
            #expect(last < text)
            last = text
        }
    }

    @Test("A fraction has up to nine digits or is absent", arguments: [
        ("1970-01-01T00:00:01Z", 0), ("1970-01-01T00:00:01.5Z", 500_000_000), ("1970-01-01T00:00:01.000000001Z", 1),
    ] as [(String, UInt32)])
    func fractions(text: String, nanoseconds: UInt32) throws {
        #expect(try Timestamp(rfc3339: text) == Timestamp(seconds: 1, nanoseconds: nanoseconds))
    }

    @Test("Text that is no moment in UTC is refused", arguments: [
        "", "2025-06-23", "2025-06-23T12:34:56", "2025-06-23t12:34:56Z", "2025-06-23T12:34:56z", "2025-06-23 12:34:56Z",
        "2025-06-23T12:34:56+00:00", "2025-06-23T24:00:00Z", "2025-06-23T12:60:00Z", "2025-06-23T12:34:60Z",
        "2025-00-23T12:34:56Z", "2025-13-23T12:34:56Z", "2025-06-00T12:34:56Z", "2025-06-31T12:34:56Z",
        "2025-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2025-06-23T12:34:56.Z", "2025-06-23T12:34:56.0000000000Z",
        "2025-06-23T12:34:56ZZ", "25-06-23T12:34:56Z", "-025-06-23T12:34:56Z", "2025-6-23T12:34:56Z",
        "２025-06-23T12:34:56Z",
    ])
    func refused(text: String) {
        #expect(refusal { () throws(FormatError) in try Timestamp(rfc3339: text) } == .malformed)
    }

    @Test("Times that RFC 3339 cannot write become the nearest that it can")
    func extremes() {
        #expect(Timestamp(seconds: .min).rfc3339 == "0000-01-01T00:00:00.000000000Z")
        #expect(Timestamp(seconds: .max, nanoseconds: .max).rfc3339.hasPrefix("9999-12-31T23:59:59."))
    }

    @Test("The alias is date and time")
    func alias() {
        #expect(Timestamp(seconds: 1_750_682_096, nanoseconds: 5).alias == "20250623_123456")
        #expect(Timestamp(seconds: 1).alias == "19700101_000001")
    }

    @Test("Moments are ordered by seconds, then nanoseconds")
    func comparison() {
        let moments = [
            Timestamp(seconds: -5, nanoseconds: 9), Timestamp(seconds: 0), Timestamp(seconds: 0, nanoseconds: 1),
            Timestamp(seconds: 3),
        ]
        #expect(moments.reversed().sorted() == moments)
    }
}
