import Testing
import VarveFormat

private func parse(_ bytes: [UInt8]) throws(FormatError) -> [TreeEntry] { try TreeCoding.parse(bytes) }

@Suite struct TreeFormatTests {
    @Test("A tree reads back as it was written")
    func roundTrip() throws {
        #expect(try parse(TreeCoding.encode(entries: sampleEntries)) == sampleEntries)
        #expect(try parse(TreeCoding.encode(entries: [])).isEmpty)
    }

    @Test("Entries that are encoded already make the same tree")
    func encodedEntries() {
        let joined = sampleEntries.flatMap(\.encoded)
        #expect(
            TreeCoding.encode(encodedEntries: joined, count: sampleEntries.count)
                == TreeCoding.encode(entries: sampleEntries))
    }

    @Test("No damage traps, and what is accepted is written again as it was read")
    func damage() {
        survivesDamage(
            TreeCoding.encode(entries: sampleEntries), parse: parse, encode: { TreeCoding.encode(entries: $0) })
    }

    @Test("Names are in the order of their bytes")
    func order() throws {
        let names: [[UInt8]] = [[1], [1, 1], [2], [0x7f], [0x80], [0xc3, 0xa9], [0xff], [0xff, 1]]
        let entries = names.map { TreeEntry.sample($0) }
        #expect(try parse(TreeCoding.encode(entries: entries)) == entries)
        for index in 1..<entries.count {
            var swapped = entries
            swapped.swapAt(index - 1, index)
            #expect(refusal { () throws(FormatError) in try parse(TreeCoding.encode(entries: swapped)) } == .malformed)
        }
    }

    @Test("Random bytes behind a valid beginning are refused without a trap")
    func randomBytes() {
        var random = SplitMix(state: 3)
        for _ in 0..<20_000 {
            let tail = (0..<random.next() % 61).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            guard let entries = try? parse([1, UInt8(tail.count / 12)] + tail) else { continue }
            #expect(TreeCoding.encode(entries: entries) == [1, UInt8(tail.count / 12)] + tail)
        }
    }
}
