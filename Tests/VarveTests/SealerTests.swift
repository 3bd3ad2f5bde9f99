import Testing
import Varve
import VarveFormat

@Suite("Sealer")
struct SealerTests {
    private func sealer(_ key: [UInt8] = [UInt8](repeating: 0, count: 32)) throws -> Sealer {
        try #require(Sealer(key: key))
    }

    private func seal(
        _ sealer: Sealer, _ number: Sealer.Number, _ plain: [UInt8], _ associated: [UInt8] = []
    ) throws -> [UInt8] {
        var output: [UInt8] = []
        try plain.withUnsafeBytes { try sealer.seal(number, $0, associated: associated, appendingTo: &output) }
        return output
    }

    private func open(
        _ sealer: Sealer, _ number: Sealer.Number, _ sealed: [UInt8], _ associated: [UInt8] = []
    ) throws -> [UInt8] {
        try sealed.withUnsafeBytes { try sealer.open(number, $0, associated: associated) }
    }

    @Test("Sealing gives test cases 13 and 14 of the GCM specification")
    func known() throws {
        #expect(hexDigits(try seal(sealer(), .frame(0), [])) == "530f8afbc74536b9a963b4f1c4cb738b")
        #expect(
            hexDigits(try seal(sealer(), .frame(0), [UInt8](repeating: 0, count: 16)))
                == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919")
    }

    @Test("Numbers become nonces as the format says")
    func nonces() throws {
        let plain = Array("abc".utf8)
        let associated = Array("aad".utf8)
        #expect(
            hexDigits(try seal(sealer(), .frame(0x01_0203_0405), plain, associated))
                == "f0d7c22fcef05a850ca9bc176442082654dd9e")
        #expect(
            hexDigits(try seal(sealer(), .directory, plain, associated)) == "b3d2ea985769e2d9ba2431b2a7fc91edd4c532")
    }

    @Test("What was sealed opens, at any length", arguments: [0, 1, 15, 16, 17, 4096, 512 << 10, 1 << 20])
    func roundTrip(count: Int) throws {
        var random = SeededBytes(seed: UInt64(count))
        let plain = random.bytes(count)
        for sealer in [try sealer(), Sealer()] {
            let sealed = try seal(sealer, .frame(5), plain, [1, 2])
            #expect(sealed.count == count + sealer.overhead)
            #expect(try open(sealer, .frame(5), sealed, [1, 2]) == plain)
        }
    }

    @Test("An error of whoever is handed the sealed bytes comes through")
    func sealedBodyError() throws {
        let plain: [UInt8] = [1, 1, 1]
        for sealer in [try sealer(), Sealer()] {
            let error = #expect(throws: StoreError.self) {
                try plain.withUnsafeBytes { plain in
                    try sealer.withSealed(.frame(0), plain, associated: []) { _ throws(StoreError) in
                        throw StoreError(.noSpace, "full")
                    }
                }
            }
            #expect(error?.code == .noSpace)
        }
    }

    @Test("Sealing appends")
    func appends() throws {
        var output: [UInt8] = [9, 9]
        try [UInt8](repeating: 1, count: 3).withUnsafeBytes {
            try sealer().seal(.frame(0), $0, associated: [], appendingTo: &output)
        }
        #expect(output.count == 2 + 3 + 16 && output[..<2] == [9, 9])
    }

    @Test("Any changed bit is damage")
    func tampered() throws {
        let sealer = try sealer()
        let sealed = try seal(sealer, .frame(1), Array("some bytes".utf8), [7])
        for bit in 0..<sealed.count * 8 {
            var changed = sealed
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            let error = #expect(throws: StoreError.self) { try open(sealer, .frame(1), changed, [7]) }
            #expect(error?.code == .damaged)
        }
        for count in 0..<sealed.count {
            #expect(throws: StoreError.self) { try open(sealer, .frame(1), Array(sealed[..<count]), [7]) }
        }
    }

    @Test("Another number, other associated bytes or another key are damage")
    func misplaced() throws {
        let sealed = try seal(sealer(), .frame(1), [1, 2, 3], [7])
        #expect(throws: StoreError.self) { try open(sealer(), .frame(2), sealed, [7]) }
        #expect(throws: StoreError.self) { try open(sealer(), .directory, sealed, [7]) }
        #expect(throws: StoreError.self) { try open(sealer(), .frame(1), sealed, []) }
        let other = try sealer([UInt8](repeating: 1, count: 32))
        #expect(throws: StoreError.self) { try open(other, .frame(1), sealed, [7]) }
    }

    @Test("Memory of another length than the content is refused and left alone")
    func wrongLength() throws {
        let sealer = try sealer()
        let sealed = try seal(sealer, .frame(0), [1, 2, 3])
        for count in [0, 2, 4, 100] {
            var memory = [UInt8](repeating: 0xee, count: count)
            #expect(throws: StoreError.self) {
                try memory.withUnsafeMutableBytes { memory in
                    try sealed.withUnsafeBytes { try sealer.open(.frame(0), $0, associated: [], into: memory) }
                }
            }
            #expect(memory == [UInt8](repeating: 0xee, count: count))
        }
    }

    @Test("An error of the body passes through")
    func bodyError() throws {
        let sealer = try sealer()
        let sealed = try seal(sealer, .frame(0), [1, 2, 3])
        let error = #expect(throws: StoreError.self) {
            try sealed.withUnsafeBytes { sealed in
                try sealer.withOpened(.frame(0), sealed, associated: []) { _ throws(StoreError) in
                    throw StoreError(.interrupted, "stop")
                }
            }
        }
        #expect(error?.code == .interrupted)
    }

    @Test("A key of another length makes no sealer", arguments: [0, 16, 31, 33])
    func keyLength(count: Int) { #expect(Sealer(key: [UInt8](repeating: 0, count: count)) == nil) }
}
