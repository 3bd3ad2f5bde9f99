import Testing
import Varve
import VarveApp
import VarveFormat

@Suite("Keep rules as people write them")
struct RetentionRulesTests {
    @Test("a number is a count, a duration reaches back, and all has no end")
    func spans() throws {
        #expect(try RetentionRules.span("7") == .count(7))
        #expect(try RetentionRules.span("0") == .count(0))
        #expect(try RetentionRules.span("90d") == .seconds(90 * 86_400))
        #expect(try RetentionRules.span("1y6h") == .seconds(365 * 86_400 + 6 * 3_600))
        #expect(try RetentionRules.span("all") == .unlimited)
    }

    @Test("anything else is a usage error", arguments: [
        "", "-1", "7 d", "d", "+3", "1.5", "99999999999999999999", "All",
    ])
    func refused(_ text: String) {
        #expect { try RetentionRules.span(text) } throws: { ($0 as? StoreError)?.code == .usage }
    }

    @Test("groups are lists of words, and none is one group")
    func grouping() throws {
        #expect(try RetentionRules.grouping("host,job,paths") == [.host, .job, .paths])
        #expect(try RetentionRules.grouping("tags") == [.tags])
        #expect(try RetentionRules.grouping("none").isEmpty)
        for text in ["host,", ",", "host job", "user", "none,host"] {
            #expect(throws: StoreError.self, "\(text)") { try RetentionRules.grouping(text) }
        }
    }

    @Test("a share is a percentage of at most 100")
    func percent() throws {
        #expect(try RetentionRules.percent("50%") == 50)
        #expect(try RetentionRules.percent("100") == 100)
        for text in ["", "%", "101%", "-1%", "5.5%", "50%%"] {
            #expect(throws: StoreError.self, "\(text)") { try RetentionRules.percent(text) }
        }
    }

    @Test("the calendar is the one that times are shown in", arguments: [
        0, 951_782_400, 1_750_086_400, -86_401,
    ] as [Int64])
    func calendar(_ seconds: Int64) {
        let offset = RetentionRules.localCalendar().offset(seconds)
        let shown = LocalTime.text(Timestamp(seconds: seconds))
        let expected = Timestamp(seconds: seconds + offset).rfc3339.prefix(19)
        #expect(shown == expected.split(separator: "T").joined(separator: " "))
    }
}
