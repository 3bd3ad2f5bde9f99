import CZstd
import Testing
import Varve
import VarveFormat

/// A zstd frame that is asked for parameters which `FrameEncoder` never uses.
private func frame(_ raw: [UInt8], _ parameters: [(ZSTD_cParameter, Int32)] = []) throws -> [UInt8] {
    let context = try #require(ZSTD_createCCtx())
    defer { ZSTD_freeCCtx(context) }
    for (name, value) in parameters { #expect(ZSTD_isError(ZSTD_CCtx_setParameter(context, name, value)) == 0) }
    var output = [UInt8](repeating: 0, count: ZSTD_compressBound(raw.count))
    let count = ZSTD_compress2(context, &output, output.count, raw, raw.count)
    #expect(ZSTD_isError(count) == 0)
    return Array(output[..<count])
}

private func decode(
    _ bytes: [UInt8], _ count: Int, suite: Suite = .aes256GCM, codec: FrameCodec = .zstd
) throws -> [UInt8] {
    let decoder = try FrameDecoder(suite: suite)
    var raw = [UInt8](repeating: 0, count: count)
    try raw.withUnsafeMutableBytes { raw in
        try bytes.withUnsafeBytes { try decoder.decode($0, codec: codec, into: raw) }
    }
    return raw
}

private func expectDamage(_ bytes: [UInt8], _ count: Int, suite: Suite = .aes256GCM, codec: FrameCodec = .zstd) {
    let error = #expect(throws: StoreError.self) { try decode(bytes, count, suite: suite, codec: codec) }
    #expect(error?.code == .damaged)
}

@Suite("FrameDecoder")
struct FrameDecoderTests {
    private let raw = (0..<3000).map { UInt8($0 / 40 % 256) }

    @Test("A frame decodes into memory of its length and no other", arguments: [0, 1, 2999, 3001, 100_000])
    func length(count: Int) throws {
        let bytes = try frame(raw)
        #expect(try decode(bytes, raw.count) == raw)
        expectDamage(bytes, count)
    }

    @Test("A frame cut anywhere, or with a byte behind it, is damage")
    func cut() throws {
        let bytes = try frame(raw, [(ZSTD_c_checksumFlag, 1)])
        for count in 0..<bytes.count { expectDamage(Array(bytes[..<count]), raw.count) }
        expectDamage(bytes + [0], raw.count)
        expectDamage(bytes + bytes, raw.count)
    }

    @Test("In suite 0 no changed bit yields other content")
    func flipped() throws {
        let bytes = try frame(raw, [(ZSTD_c_checksumFlag, 1)])
        for bit in 0..<bytes.count * 8 {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            if let content = try? decode(changed, raw.count, suite: .none) { #expect(content == raw, "bit \(bit)") }
        }
    }

    @Test("A frame that does not tell its content size is damage")
    func noContentSize() throws { expectDamage(try frame(raw, [(ZSTD_c_contentSizeFlag, 0)]), raw.count) }

    @Test("A frame without a checksum is damage in suite 0")
    func noChecksum() throws { expectDamage(try frame(raw), raw.count, suite: .none) }

    @Test("Stored bytes are taken as they are in suite 1, and are damage in suite 0")
    func stored() throws {
        #expect(try decode(raw, raw.count, codec: .stored) == raw)
        expectDamage(raw, raw.count - 1, codec: .stored)
        expectDamage(raw, raw.count + 1, codec: .stored)
        expectDamage(raw, raw.count, suite: .none, codec: .stored)
    }

    @Test("A skippable frame is damage")
    func skippable() { expectDamage([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4], 4) }

    @Test("A window above 16 MiB is damage, one of 16 MiB is not")
    func window() throws {
        // Magic, no single segment and a size of 8 bytes, window, size 1, one raw block of one byte.
        func bytes(_ window: UInt8) -> [UInt8] {
            [0x28, 0xb5, 0x2f, 0xfd, 0xc0, window, 1, 0, 0, 0, 0, 0, 0, 0, 0x09, 0, 0, 0xaa]
        }
        #expect(try decode(bytes(14 << 3), 1) == [0xaa])
        expectDamage(bytes(14 << 3 | 1), 1)
        expectDamage(bytes(0xff), 1)
    }

    @Test("A frame that wants a dictionary is damage")
    func dictionary() {
        expectDamage([0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 1, 0x09, 0, 0, 0xaa], 1)
    }

    @Test("The reserved bit of the header is damage")
    func reservedBit() { expectDamage([0x28, 0xb5, 0x2f, 0xfd, 0x28, 1, 0x09, 0, 0, 0xaa], 1) }

    @Test("A file's content may not exceed its limit, whatever its header claims")
    func fileLimit() throws {
        let decoder = try FrameDecoder(suite: .aes256GCM)
        let bytes = try frame(raw)
        #expect(try bytes.withUnsafeBytes { try decoder.decodeFile($0, limit: raw.count) } == raw)
        #expect(throws: StoreError.self) {
            try bytes.withUnsafeBytes { try decoder.decodeFile($0, limit: raw.count - 1) }
        }
        // A size of 2^63, and one of 2^64 - 1.
        for last in [0x80, 0xff] as [UInt8] {
            let fill: UInt8 = last == 0xff ? 0xff : 0
            let lie = [0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0x70] + [UInt8](repeating: fill, count: 7) + [last, 1, 0, 0]
            #expect(throws: StoreError.self) { try lie.withUnsafeBytes { try decoder.decodeFile($0, limit: 1 << 28) } }
        }
    }

    @Test("A content size that the blocks do not fill is damage")
    func shortContent() throws {
        let decoder = try FrameDecoder(suite: .aes256GCM)
        let lie: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0x70, 9, 0, 0, 0, 0, 0, 0, 0, 0x09, 0, 0, 0xaa]
        expectDamage(lie, 9)
        #expect(throws: StoreError.self) { try lie.withUnsafeBytes { try decoder.decodeFile($0, limit: 100) } }
    }
}
