import Testing
import VarveFormat

/// A structure of `Vectors` with what a reader must answer.
private struct Vector {
    var fields: [String: String] = [:]
    var bytes: [UInt8] = []

    init(_ name: String) throws {
        let text = String(decoding: try packageFile("Tests/VarveFormatTests/Vectors/\(name)"), as: UTF8.self)
        for line in text.split(separator: "\n") {
            if let colon = line.firstIndex(of: ":") {
                fields[String(line[..<colon])] = String(line[line.index(colon, offsetBy: 2)...])
            } else {
                bytes += try #require(hexBytes(line))
            }
        }
    }

    func number(_ key: String) -> UInt64 { fields[key].flatMap { UInt64($0) } ?? 0 }

    /// Reads the bytes as what they claim to be and writes them again.
    func reencoded() throws(FormatError) -> [UInt8] {
        let kind = FileKind(rawValue: UInt8(number("kind"))) ?? .dataPack
        let suite = Suite(rawValue: UInt8(number("suite"))) ?? .none
        switch fields["structure"] {
        case "tree": return TreeCoding.encode(entries: try TreeCoding.parse(bytes, isRoot: fields["root"] == "yes"))
        case "list": return try BlobListNode(parsing: bytes).encode()
        case "config": return try RepositoryConfig(parsing: bytes, sha256: sha256).encode(sha256: sha256)
        case "slot": return try KeySlotRecord(parsing: bytes).encode()
        case "manifest": return try Manifest(parsing: bytes, repositoryID: sampleRepository).encode()
        case "record": return try Record(parsing: bytes, repositoryID: sampleRepository).encode()
        case "condemned": return try CondemnedRecord(parsing: bytes).encode()
        case "header":
            let magic = fields["magic"].flatMap { FileMagic(rawValue: $0) } ?? .pack
            return try FileHeader(parsing: bytes, magic: magic, sha256: sha256).encode(magic: magic, sha256: sha256)
        case "directory":
            let frames = number("frames")
            return try PackDirectory(parsing: bytes, kind: kind, suite: suite, framesLength: frames).encode()
        case "trailer":
            return try PackTrailer(parsing: bytes, packLength: number("pack"), sha256: sha256).encode(sha256: sha256)
        case "segment": return try reencodedSegment()
        default: throw FormatError(.malformed, "the vector has no known structure")
        }
    }

    private func reencodedSegment() throws(FormatError) -> [UInt8] {
        let packs: [SegmentPack]
        do {
            packs = try bytes.withUnsafeBytes { memory in
                let view = try SegmentView(validating: memory, repository: sampleRepository)
                try view.checkBlobs()
                return try view.packs { _ in true }
            }
        } catch {
            throw error as? FormatError ?? FormatError(.malformed, "\(error)")
        }
        return try SegmentBuilder.build(repository: sampleRepository, packs: packs)
    }
}

private let names = (try? packageFileNames("Tests/VarveFormatTests/Vectors"))?.filter { $0.hasSuffix(".txt") } ?? []

@Suite struct VectorTests {
    @Test("Every vector is accepted and written again byte by byte, or refused for its reason", arguments: names)
    func vector(name: String) throws {
        let vector = try Vector(name)
        let expected = try #require(vector.fields["expect"])
        let code = expected == "over_limit" ? "overLimit" : expected
        do {
            let encoded = try vector.reencoded()
            #expect(code == "ok", "accepted")
            #expect(encoded == vector.bytes)
        } catch {
            #expect(error.code.rawValue == code, "\(error.message)")
        }
    }

    @Test("Every structure has good vectors and bad ones")
    func coverage() throws {
        #expect(names.count >= 200)
        let structures = [
            "tree", "list", "config", "slot", "manifest", "record", "condemned", "directory", "segment", "header",
            "trailer",
        ]
        for structure in structures {
            let vectors = try names.filter { $0.hasPrefix(structure + "-") }.map { try Vector($0) }
            #expect(vectors.allSatisfy { $0.fields["structure"] == structure })
            #expect(vectors.contains { $0.fields["expect"] == "ok" })
            #expect(vectors.contains { $0.fields["expect"] != "ok" })
        }
    }

    @Test("The SHA-256 of these tests is the one of FIPS 180-4", arguments: [
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func fips(message: String, digest: String) { #expect(sha256(Array(message.utf8)).hex == digest) }
}
