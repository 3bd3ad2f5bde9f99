import Testing
import VarveFormat

private let configBytes = RepositoryConfig(repositoryID: sampleRepository, suite: .aes256GCM).encode(sha256: sha256)
private let bytes = KeySlotFile(record: samplePasswordSlot, configBytes: configBytes).encode(sha256: sha256)

private func parse(_ bytes: [UInt8]) -> KeySlotFile.Parsed { KeySlotFile.parse(bytes, sha256: sha256) }

private func flipped(_ position: Int, _ mask: UInt8 = 1) -> [UInt8] {
    var result = bytes
    result[position] ^= mask
    return result
}

@Suite struct KeySlotFileTests {
    @Test("A whole file gives its slot and config without damage")
    func whole() {
        let parsed = parse(bytes)
        #expect(parsed.slot == samplePasswordSlot)
        #expect(parsed.configBytes == configBytes)
        #expect(parsed.damage.isEmpty)
        #expect(parsed.refusal == nil)
        #expect(bytes.count == 2 * 288 + 4 + configBytes.count)
    }

    @Test("Either record stands in for the other", arguments: [0, 255, 256, 287, 288, 543, 544, 575])
    func oneRecordDamaged(position: Int) {
        let parsed = parse(flipped(position))
        #expect(parsed.slot == samplePasswordSlot)
        #expect(parsed.configBytes == configBytes)
        #expect(parsed.damage == [(position < 288 ? "first" : "second") + " record does not match its SHA-256"])
    }

    @Test("With both records damaged only the config is left")
    func bothRecordsDamaged() {
        var damaged = flipped(10)
        damaged[298] ^= 1
        let parsed = parse(damaged)
        #expect(parsed.slot == nil)
        #expect(parsed.configBytes == configBytes)
        #expect(parsed.damage.count == 2)
    }

    @Test("A damaged copy of config leaves the slot", arguments: [576, 579, 580, 600, bytes.count - 1])
    func configDamaged(position: Int) {
        let parsed = parse(flipped(position, 2))
        #expect(parsed.slot == samplePasswordSlot)
        #expect(parsed.configBytes == nil)
        #expect(parsed.damage.count == 1)
    }

    @Test("Records that differ although both match their sums are damage")
    func recordsDiffer() {
        var other = samplePasswordSlot
        other.label = "desk"
        let first = KeySlotFile(record: other, configBytes: configBytes).encode(sha256: sha256)
        #expect(parse(Array(first[..<288] + bytes[288...])).damage == ["the two records differ"])
    }

    @Test("A record of a kind that this program does not know is refused and no damage")
    func unknownKind() {
        var record = samplePasswordSlot.encode()
        record[10] = 3
        let copy = record + sha256(record).bytes
        let parsed = parse(copy + copy + Array(bytes[576...]))
        #expect(parsed.slot == nil)
        #expect(parsed.damage.isEmpty)
        #expect(parsed.refusal?.code == .unsupported)
        #expect(parsed.configBytes == configBytes)
    }

    @Test("A copy of config of a later format is handed out as it is")
    func laterFormat() {
        let later = Array(#"{"format":2}"#.utf8)
        let file = KeySlotFile(record: samplePasswordSlot, configBytes: later).encode(sha256: sha256)
        #expect(parse(file).configBytes == later)
        #expect(parse(file).damage.isEmpty)
    }

    @Test("Every flipped bit, every truncation and every extra byte is damage, and never gives a wrong slot")
    func damage() {
        var inputs = (0..<bytes.count).map { Array(bytes[..<$0]) }
        for bit in 0..<bytes.count * 8 { inputs.append(flipped(bit / 8, 1 << UInt8(bit % 8))) }
        inputs.append(bytes + [0])
        inputs.append(bytes + [UInt8](repeating: 0, count: 9_000))
        for input in inputs {
            let parsed = parse(input)
            let isOtherFormat = parsed.configBytes.map { $0 != configBytes } ?? false
            #expect(!parsed.damage.isEmpty || isOtherFormat)
            #expect(parsed.slot == nil || parsed.slot == samplePasswordSlot)
        }
    }
}
