import Testing
import VarveFormat

let samplePasswordSlot: KeySlotRecord = {
    var slot = KeySlotRecord(kind: .password, suite: .aes256GCM, repositoryID: sampleRepository)
    (slot.scryptLogN, slot.scryptR, slot.scryptP) = (16, 8, 2)
    slot.scryptSalt = Array(32..<64)
    slot.timeMade = 1_750_682_096
    slot.label = "laptop"
    slot.nonce = Array(64..<76)
    slot.sealed = Array(80..<128)
    return slot
}()

@Suite struct KeySlotFormatTests {
    @Test("The fields lie where the table of section 5 puts them")
    func offsets() {
        let bytes = samplePasswordSlot.encode()
        #expect(bytes.count == 256)
        #expect(Array(bytes[8..<16]) == [1, 0, 1, 1, 0, 0, 0, 0])
        #expect(Array(bytes[16..<32]) == sampleRepository.bytes)
        #expect(Array(bytes[32..<40]) == [16, 8, 2, 0, 0, 0, 0, 0])
        #expect(Array(bytes[40..<72]) == samplePasswordSlot.scryptSalt)
        #expect(Array(bytes[80..<86]) == Array("laptop".utf8))
        #expect(Array(bytes[144..<156]) == samplePasswordSlot.nonce)
        #expect(Array(bytes[156..<204]) == samplePasswordSlot.sealed)
        #expect(samplePasswordSlot.associatedData() == Array(bytes[..<144]))
    }

    @Test("A slot may have been made before 1970")
    func negativeTime() throws {
        var slot = samplePasswordSlot
        slot.timeMade = -5
        #expect(try KeySlotRecord(parsing: slot.encode()) == slot)
    }

    @Test("A label is cut between characters and before a zero byte", arguments: [
        (String(repeating: "é", count: 40), String(repeating: "é", count: 32)),
        ("a" + String(repeating: "é", count: 40), "a" + String(repeating: "é", count: 31)),
        ("desk\0top", "desk"), (String(repeating: "x", count: 64), String(repeating: "x", count: 64)),
    ])
    func labels(given: String, kept: String) throws {
        var slot = samplePasswordSlot
        slot.label = given
        #expect(try KeySlotRecord(parsing: slot.encode()).label == kept)
    }

    @Test("No damage traps, and what is accepted is written again as it was read")
    func damage() {
        survivesDamage(
            samplePasswordSlot.encode(), parse: { (bytes) throws(FormatError) in try KeySlotRecord(parsing: bytes) },
            encode: { $0.encode() })
    }
}
