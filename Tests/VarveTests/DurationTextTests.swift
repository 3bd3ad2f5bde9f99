import Testing
import Varve

@Suite("DurationText")
struct DurationTextTests {
    @Test(
        "a duration is numbers with units, the largest first",
        arguments: [
            ("0", 0), ("0s", 0), ("30s", 30), ("5m", 300), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600),
            ("1y", 31_536_000), ("1d12h", 129_600), ("1y2w3d4h5m6s", 33_019_506),
        ] as [(String, Int64)])
    func accepts(_ text: String, _ seconds: Int64) throws {
        #expect(try DurationText.parse(text) == seconds)
    }

    @Test(
        "anything else is a usage error",
        arguments: [
            "", "5", "s", "-5m", "5M", "5 m", "5mm", "1h1d", "1m1m", "1.5h", "5x", "5m3", "00", "1d ",
            "99999999999999999999s", "9223372036854775807m", "292471208677y292471208677w",
        ])
    func refuses(_ text: String) {
        #expect { try DurationText.parse(text) } throws: { ($0 as? StoreError)?.code == .usage }
    }

    @Test(
        "a number of seconds becomes the largest unit that divides it",
        arguments: [(0, "0s"), (90, "90s"), (120, "2m"), (172_800, "2d"), (14 * 86_400, "14d"), (31_536_000, "1y")]
            as [(Int64, String)])
    func writes(_ seconds: Int64, _ text: String) throws {
        #expect(DurationText.text(seconds) == text)
        #expect(try DurationText.parse(text) == seconds)
    }
}
