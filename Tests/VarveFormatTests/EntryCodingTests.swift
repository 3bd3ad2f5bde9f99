import Testing
import VarveFormat

private func parse(_ bytes: [UInt8], isRoot: Bool = false) throws(FormatError) -> TreeEntry {
    var reader = ByteReader(bytes)
    let entry = try TreeEntry(from: &reader, isRoot: isRoot)
    try reader.finish()
    return entry
}

@Suite struct EntryCodingTests {
    @Test("An entry of every type reads back as it was written", arguments: sampleEntries)
    func roundTrip(entry: TreeEntry) throws { #expect(try parse(entry.encoded) == entry) }

    @Test("No damage traps, and what is accepted is written again as it was read", arguments: sampleEntries)
    func damage(entry: TreeEntry) {
        survivesDamage(
            entry.encoded, parse: { (bytes) throws(FormatError) in try parse(bytes) }, encode: { $0.encoded })
    }

    @Test("Implied entries keep only mode and owner")
    func implied() throws {
        var entry = TreeEntry.sample("a").with(.directory, .directory(.empty))
        entry.isImplied = true
        entry.attributes.xattrs = [ExtendedAttribute(name: [1], value: [])]
        entry.attributes.inodeFlags = .append
        let read = try parse(entry.encoded).attributes
        #expect(read.owner == entry.attributes.owner && read.group == entry.attributes.group)
        #expect(read.mtimeSeconds == 0 && read.mtimeNanoseconds == 0)
        #expect(read.xattrs.isEmpty && read.inodeFlags.isEmpty)
    }

    @Test("The ends of every range survive", arguments: [Int64.min, -1, 0, .max])
    func extremes(seconds: Int64) throws {
        var entry = TreeEntry.sample([UInt8](repeating: 0xff, count: 255))
        entry.attributes = Attributes(
            mode: 0o7777, uid: .max, gid: .max, mtimeSeconds: seconds, mtimeNanoseconds: 999_999_999)
        entry.hardLinkKey = .max
        #expect(try parse(entry.encoded) == entry)
    }

    @Test("A name is empty in the root tree and nowhere else")
    func rootName() throws {
        let root = TreeEntry.sample("").with(.directory, .directory(.empty))
        #expect(try parse(root.encoded, isRoot: true) == root)
        #expect(refusal { () throws(FormatError) in try parse(root.encoded) } == .malformed)
        let named = TreeEntry.sample("a").encoded
        #expect(refusal { () throws(FormatError) in try parse(named, isRoot: true) } == .malformed)
    }
}
