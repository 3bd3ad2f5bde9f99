import Testing
import Varve

@Suite("SizeText")
struct SizeTextTests {
    @Test(
        "a size is digits, a fraction and a unit of 1024",
        arguments: [
            ("0", 0), ("4096", 4096), ("10M", 10 << 20), ("10m", 10 << 20), ("10MB", 10 << 20), ("10MiB", 10 << 20),
            ("1.5GiB", 3 << 29), ("0.5k", 512), ("2T", 2 << 40), ("1P", 1 << 50), ("7b", 7), ("1.999999999K", 2047),
            ("18446744073709551615", UInt64.max), ("16383P", 16383 << 50),
        ] as [(String, UInt64)])
    func accepts(_ text: String, _ bytes: UInt64) throws {
        #expect(try SizeText.parse(text) == bytes)
    }

    @Test(
        "anything else is a usage error",
        arguments: [
            "", "K", "-1", "+1", "1X", "1.K", ".5K", "1,5K", "1 K", " 1", "1e3", "0x10", "1KBB", "1.1234567890K",
            "18446744073709551616", "16384P", "99999999999999999999999999", "1.5GiB\n", "\u{661}",
        ])
    func refuses(_ text: String) {
        #expect { try SizeText.parse(text) } throws: { ($0 as? StoreError)?.code == .usage }
    }
}
