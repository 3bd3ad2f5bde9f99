import Testing
import Varve
import VarveFormat

@Suite struct SealedFileTests {
    private static let content = Array(#"{"kind":"full"}"#.utf8)

    @Test("What was sealed opens again", arguments: Suite.allCases, [FileKind.index, .manifest, .record])
    func roundTrip(suite: Suite, kind: FileKind) throws {
        let fixture = try PackFixture(suite)
        let bytes = try fixture.sealed.seal(kind, Self.content)
        #expect(try fixture.sealed.open(kind, bytes, path: "x") == Self.content)
    }

    @Test("In suite 0 a manifest is its own bytes, and an index file a zstd frame")
    func plain() throws {
        let fixture = try PackFixture(.none)
        #expect(try fixture.sealed.seal(.manifest, Self.content) == Self.content)
        #expect(try fixture.sealed.seal(.index, Self.content).prefix(4) == [0x28, 0xb5, 0x2f, 0xfd])
    }

    @Test("Every flipped bit of a sealed file is refused as damage or as unknown, with the path")
    func flips() throws {
        let fixture = try PackFixture(.aes256GCM)
        let bytes = try fixture.sealed.seal(.manifest, Self.content)
        for bit in 0..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            let error = #expect(throws: StoreError.self) {
                try fixture.sealed.open(.manifest, damaged, path: "manifests/a")
            }
            #expect(error?.code == .damaged)
            #expect(error?.path == Array("manifests/a".utf8))
        }
    }

    @Test("A sealed file cut short anywhere is refused")
    func truncation() throws {
        let fixture = try PackFixture(.aes256GCM)
        let bytes = try fixture.sealed.seal(.record, Self.content)
        for length in 0..<bytes.count {
            #expect(throws: StoreError.self) {
                try fixture.sealed.open(.record, Array(bytes[..<length]), path: "x")
            }
        }
    }

    @Test("A record put in the place of a manifest is refused, as is a file of another repository")
    func replay() throws {
        let fixture = try PackFixture(.aes256GCM)
        let record = try fixture.sealed.seal(.record, Self.content)
        #expect(throws: StoreError.self) { try fixture.sealed.open(.manifest, record, path: "x") }
        let other = SealedFile(keys: fixture.keys, repository: RepositoryID(1, 1))
        let foreign = try other.seal(.record, Self.content)
        #expect(throws: StoreError.self) { try fixture.sealed.open(.record, foreign, path: "x") }
    }

    @Test("A file under a name that is not its digest is refused")
    func wrongName() throws {
        let fixture = try PackFixture(.aes256GCM)
        let bytes = try fixture.sealed.seal(.record, Self.content)
        let name = SHA256Digest.of(bytes)
        let wrong = FileID(1, 2, 3, 4)
        try fixture.backend.putIfAbsent("records/" + name.hex, bytes, session: nil)
        try fixture.backend.putIfAbsent("records/" + wrong.hex, bytes, session: nil)
        #expect(try fixture.sealed.read(.record, name, from: fixture.backend) == Self.content)
        let error = #expect(throws: StoreError.self) {
            try fixture.sealed.read(.record, wrong, from: fixture.backend)
        }
        #expect(error?.code == .damaged)
    }

    @Test("Content of the limit is sealed, more is not")
    func limits() throws {
        let fixture = try PackFixture(.none)
        let most = [UInt8](repeating: 32, count: FormatLimits.manifest)
        #expect(try fixture.sealed.seal(.manifest, most).count == most.count)
        #expect(throws: StoreError.self) { try fixture.sealed.seal(.manifest, most + [32]) }
        #expect(throws: StoreError.self) { try fixture.sealed.open(.manifest, most + [32], path: "x") }
        #expect(throws: StoreError.self) { try fixture.sealed.seal(.manifest, []) }
    }
}
