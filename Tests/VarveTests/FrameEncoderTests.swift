import CZstd
import Testing
import Varve
import VarveFormat

@Suite("FrameEncoder")
struct FrameEncoderTests {
    private static func text(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = SeededBytes(seed: seed)
        return (0..<count).map { _ in UInt8(ascii: "a") + UInt8(random.below(6)) }
    }

    private func roundTrip(_ raw: [UInt8], suite: Suite, level: Int = 1) throws -> (FrameCodec, stored: Int) {
        let encoder = try FrameEncoder(suite: suite, level: level)
        let decoder = try FrameDecoder(suite: suite)
        return try raw.withUnsafeBytes { raw in
            let frame = try encoder.encode(raw)
            var decoded = [UInt8](repeating: 0, count: raw.count)
            try decoded.withUnsafeMutableBytes { try decoder.decode(frame.bytes, codec: frame.codec, into: $0) }
            #expect(decoded.elementsEqual(raw))
            return (frame.codec, frame.bytes.count)
        }
    }

    @Test("What was encoded decodes", arguments: [Suite.none, .aes256GCM], [1, 2, 255, 256, 65_791, 65_792, 1 << 20])
    func lengths(suite: Suite, count: Int) throws {
        var random = SeededBytes(seed: UInt64(count))
        for level in [1, 3, 19] {
            _ = try roundTrip(Self.text(count, seed: 1), suite: suite, level: level)
            _ = try roundTrip(random.bytes(count), suite: suite, level: level)
            _ = try roundTrip([UInt8](repeating: 0, count: count), suite: suite, level: level)
        }
    }

    @Test("Even bytes are stored in suite 1 and stay zstd in suite 0", arguments: [100, 4096, 64 << 10, 1 << 20])
    func incompressible(count: Int) throws {
        var random = SeededBytes(seed: 5)
        let raw = random.bytes(count)
        #expect(try roundTrip(raw, suite: .aes256GCM) == (.stored, count))
        let plain = try roundTrip(raw, suite: .none)
        #expect(plain.0 == .zstd && plain.stored <= count + count / 256 + 32)
    }

    @Test("Content that gains is compressed, also where only a part of it gains")
    func compressible() throws {
        var random = SeededBytes(seed: 6)
        let half = random.bytes(256 << 10) + Self.text(256 << 10, seed: 2)
        for raw in [Self.text(512 << 10, seed: 1), half] {
            let result = try roundTrip(raw, suite: .aes256GCM)
            #expect(result.0 == .zstd && result.stored < raw.count * 9 / 10)
        }
    }

    @Test("Bytes of which some are more frequent are compressed, though nothing repeats")
    func frequencies() throws {
        var random = SeededBytes(seed: 9)
        // One byte of eight is a zero, and all others are even.
        let uneven = random.bytes(256 << 10).map { $0 < 32 ? 0 : $0 }
        #expect(try roundTrip(uneven, suite: .aes256GCM).0 == .zstd)
    }

    @Test("Frames carry their content size, and a checksum in suite 0 only", arguments: [Suite.none, .aes256GCM])
    func header(suite: Suite) throws {
        let raw = Self.text(100_000, seed: 3)
        let encoder = try FrameEncoder(suite: suite, level: 3)
        try raw.withUnsafeBytes { raw in
            let header = try #require(ZstdHeader(try encoder.encode(raw).bytes))
            #expect(header.contentSize == 100_000)
            #expect(header.hasChecksum == (suite == .none))
            #expect(header.windowSize <= UInt64(FormatLimits.zstdWindow) && !header.hasDictionary)
        }
    }

    @Test("The largest frame has a window that readers grant, at every level")
    func largest() throws {
        let raw = [UInt8](repeating: 3, count: FormatLimits.frame)
        for level in [1, 19] { #expect(try roundTrip(raw, suite: .aes256GCM, level: level).0 == .zstd) }
    }

    @Test("Nothing and too much are refused")
    func refused() throws {
        let encoder = try FrameEncoder(suite: .none, level: 1)
        #expect(throws: StoreError.self) { try encoder.encode(UnsafeRawBufferPointer(start: nil, count: 0)) }
        let long = [UInt8](repeating: 0, count: FormatLimits.frame + 1)
        #expect(throws: StoreError.self) { try long.withUnsafeBytes { try encoder.encode($0).bytes.count } }
    }

    @Test("The content of a file is zstd in both suites", arguments: [Suite.none, .aes256GCM])
    func file(suite: Suite) throws {
        var random = SeededBytes(seed: 8)
        let raw = random.bytes(200_000)
        let encoder = try FrameEncoder(suite: suite, level: 3)
        let decoder = try FrameDecoder(suite: suite)
        let content = try raw.withUnsafeBytes { try decoder.decodeFile(encoder.encodeFile($0), limit: 200_000) }
        #expect(content == raw)
    }
}
