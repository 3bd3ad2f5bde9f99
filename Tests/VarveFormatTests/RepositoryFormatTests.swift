import Testing
import VarveFormat

private let config = RepositoryConfig(repositoryID: sampleRepository, suite: .aes256GCM)

private func parse(_ bytes: [UInt8]) throws(FormatError) -> RepositoryConfig {
    try RepositoryConfig(parsing: bytes, sha256: sha256)
}

@Suite struct RepositoryFormatTests {
    @Test("A config of other sizes reads back as it was written")
    func roundTrip() throws {
        let sizes = ChunkSizes(minimum: 64, average: 64, maximum: 16_777_216)
        let other = RepositoryConfig(
            repositoryID: sampleRepository, suite: .none,
            chunker: ChunkerConfig(file: sizes, large: sizes, stream: sizes, largeFrom: 0), listFanout: 65_536,
            packBytes: 134_217_728, treePackBytes: 1_048_576)
        #expect(try parse(other.encode(sha256: sha256)) == other)
    }

    @Test("The checksum is over the file with its own digits blank")
    func checksum() throws {
        let bytes = config.encode(sha256: sha256)
        let text = String(decoding: bytes, as: UTF8.self)
        let digits = try #require(try JSONValue(parsing: bytes)["sha256"]?.stringValue)
        let start = try #require(text.range(of: digits))
        let blank = text.replacingCharacters(in: start, with: String(repeating: "0", count: 64))
        #expect(sha256(Array(blank.utf8)).hex == digits)
    }

    @Test("Keys that a reader does not know are ignored if the checksum covers them")
    func unknownKeys() throws {
        let text = String(decoding: config.encode(sha256: { _ in FileID(0, 0, 0, 0) }), as: UTF8.self)
        let blank = "{\"a_later_key\":[1]," + text.dropFirst()
        let sum = sha256(Array(blank.utf8)).hex
        let zeros = try #require(blank.range(of: String(repeating: "0", count: 64)))
        #expect(try parse(Array(blank.replacingCharacters(in: zeros, with: sum).utf8)) == config)
    }

    @Test("Damage never passes for the config, and is taken for another format only where the format's number is hit")
    func damage() throws {
        let bytes = config.encode(sha256: sha256)
        survivesDamage(bytes, parse: parse, encode: { $0.encode(sha256: sha256) })
        for bit in 0..<bytes.count * 8 {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            let code = refusal { () throws(FormatError) in try parse(flipped) }
            let format = try? JSONValue(parsing: flipped)["format"]?.integerValue
            #expect(code != nil)
            if format == 1 { #expect(code == .checksum) }
            if code == .unsupported { #expect(format != 1) }
        }
    }
}

extension String {
    fileprivate func range(of other: String) -> Range<String.Index>? {
        indices.first { self[$0...].hasPrefix(other) }.map { $0..<index($0, offsetBy: other.count) }
    }

    fileprivate func replacingCharacters(in range: Range<String.Index>, with other: String) -> String {
        self[..<range.lowerBound] + other + self[range.upperBound...]
    }
}
