import Testing
import Varve

@Suite("PathRule")
struct PathRuleTests {
    private let origin = PathRule.Origin.option("--exclude")

    @Test(
        "a pattern that could match nothing is a usage error",
        arguments: ["", "/", "!", "!/", "//", "a//", "[", "x\\"])
    func refused(_ text: String) {
        #expect { try PathRule(Array(text.utf8), origin: origin) } throws: { ($0 as? StoreError)?.code == .usage }
    }

    @Test("an included pattern cannot be negated")
    func negatedInclude() {
        #expect(throws: StoreError.self) {
            try PathRule(Array("!a".utf8), origin: .option("--include"), action: .forceInclude)
        }
    }

    @Test("an option takes its text as it is, with spaces and #")
    func options() throws {
        #expect(try PathRule(Array("#a ".utf8), origin: origin).text == Array("#a ".utf8))
    }

    @Test("a file has comments, empty lines, spaces at ends, carriage returns and a byte order mark")
    func lines() {
        let text = "\u{FEFF}a\n# b\n\n  \nc  \nd\\ \ne \r\n\\#f\n[\n!g/"
        let parsed = PathRule.parseLines(Array(text.utf8)) { .file(path: [], line: $0) }
        #expect(parsed.rules.map { String(decoding: $0.text, as: UTF8.self) } == ["a", "c", "d\\ ", "e", "\\#f", "!g/"])
        #expect(parsed.rules.map(\.origin.description) == [1, 5, 6, 7, 8, 10].map { " line \($0)" })
        #expect(parsed.problems.count == 1)
        #expect(parsed.problems.first?.message.contains("line 9") == true)
    }
}
