import Testing
import Varve
import VarveFormat

/// The expected values were computed from FORMAT.md section 3 with other implementations of every algorithm.
@Suite("KeyChain")
struct KeyChainTests {
    private static let repository = RepositoryID(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f)
    private static let salt = (100..<132).map { UInt8($0) }

    private func encrypted(config: String = "config") throws -> KeyChain {
        var master = (0..<32).map { UInt8($0) }
        return try KeyChain(master: SecretBytes(taking: &master), configDigest: SHA256Digest.of(Array(config.utf8)))
    }

    private func seal(_ keys: KeyChain, _ kind: VarveFormat.FileKind, salt: [UInt8] = salt) throws -> String {
        var output: [UInt8] = []
        try Array("abc".utf8).withUnsafeBytes {
            try keys.sealer(kind, salt: salt, repository: Self.repository)
                .seal(.frame(0), $0, associated: Array("aad".utf8), appendingTo: &output)
        }
        return hexDigits(output)
    }

    @Test("The ids of an encrypted repository are as the format says")
    func encryptedIDs() throws {
        let hasher = try encrypted().blobHasher
        #expect(
            BlobType.allCases.map { hasher.id($0, Array("abc".utf8)).hex } == [
                "3d36b9f9a404de640b3062c1266907c9608ac2954f563cf965746eb3d0269776",
                "8571a1e5d9af895f22b35ae54a889677c90ac42b9f00b07caf94e3c5b332b85f",
                "99924df8da895c49a411e3163e6505088992282ec6a06bc0d76f62b020a95049",
                "7ce4d88aef511457aa1890d0c4733751509b7fd7e895d3536e46b5cfa7d008e2",
            ])
    }

    @Test("The ids of an unencrypted repository are as the format says")
    func plainIDs() throws {
        let hasher = try KeyChain.unencrypted().blobHasher
        #expect(
            BlobType.allCases.map { hasher.id($0, Array("abc".utf8)).hex } == [
                "2621877af3141c70109af68492ae068d88b704641c07c22d5d34605d66b8c1a8",
                "83d6d4f173bcc178695ef53abc20edeaf365134d4280d45ef9fedbb49d7910b6",
                "b5a8bbad8fe91131739e774f2b0e45d3fb3c7022466d4b4df31cd8fb8543581a",
                "85520fe90f0dd690e4d3c9cc069b05d3bbc1aee25cf87354e0da6768b75c07c9",
            ])
    }

    @Test("Name hashes and gear tables are as the format says")
    func namesAndGear() throws {
        let keys = try encrypted()
        #expect(keys.nameHash(Array("name".utf8)) == 0xc27e_d149_cadb_defb)
        #expect(
            [0, 1, 255].map { keys.chunker.gearTable[$0] }
                == [0x8a51_ffbe_c22b_e1cf, 0x5f4f_aac6_f861_f92d, 0x5a3c_cafe_433d_ca22])
        let plain = try KeyChain.unencrypted()
        #expect(plain.nameHash(Array("name".utf8)) == 0x7804_e16b_9611_eeb9)
        #expect(
            [0, 1, 255].map { plain.chunker.gearTable[$0] }
                == [0xc3d8_f858_03b7_e1ab, 0x60b5_2d22_a353_f9c2, 0xb336_02dd_1c9e_888e])
    }

    @Test("The files of each kind are sealed as the format says")
    func files() throws {
        let keys = try encrypted()
        #expect(
            try VarveFormat.FileKind.allCases.map { try seal(keys, $0) } == [
                "b5321f174d1fd9346f9ec547342ee2a51c8114", "fe9aca8ea3ef9803a3e432b9c9466964b9ab06",
                "766d62c2ad87ede747b8912ebc652cba55b05f", "ac28fb273f5b7684b857b4a8ea38a32e938c9e",
                "b50b41a835c188c94f2faf04329c88c137d863",
            ])
    }

    @Test("The files of an unencrypted repository are not sealed")
    func plainFiles() throws {
        let keys = try KeyChain.unencrypted()
        #expect(keys.suite == .none)
        for kind in VarveFormat.FileKind.allCases { #expect(try seal(keys, kind) == hexDigits(Array("abc".utf8))) }
    }

    @Test("Another salt or another repository is another key")
    func distinct() throws {
        let keys = try encrypted()
        let other = keys.sealer(.index, salt: Self.salt, repository: RepositoryID(1, 2))
        var output: [UInt8] = []
        try Array("abc".utf8).withUnsafeBytes {
            try other.seal(.frame(0), $0, associated: Array("aad".utf8), appendingTo: &output)
        }
        let results = [
            try seal(keys, .index), try seal(keys, .index, salt: Self.salt.reversed()), hexDigits(output),
        ]
        #expect(Set(results).count == 3)
    }

    @Test("Commitments are as the format says, and any other is refused")
    func commitments() throws {
        let keys = try encrypted()
        let commitment = keys.commitment(salt: Self.salt)
        #expect(hexDigits(commitment) == "f465b51c4880448469ccd3033bfec3bab5960e1a59919dd751bf683530658727")
        #expect(keys.isCommitment(commitment, salt: Self.salt))
        #expect(!keys.isCommitment(commitment, salt: Self.salt.reversed()))
        #expect(!keys.isCommitment(Array(commitment.dropLast()), salt: Self.salt))
        #expect(!keys.isCommitment(commitment + [0], salt: Self.salt))
        for bit in 0..<256 {
            var changed = commitment
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!keys.isCommitment(changed, salt: Self.salt))
        }
        #expect(
            hexDigits(try KeyChain.unencrypted().commitment(salt: Self.salt))
                == "f98b06c91e330c0309ec27b1b3b03a8ce2e011273be04023e34e1267ce73f892")
    }

    @Test("A changed config changes every key")
    func config() throws {
        let keys = try encrypted()
        let other = try encrypted(config: "konfig")
        #expect(keys.blobHasher.id(.data, [1]) != other.blobHasher.id(.data, [1]))
        #expect(keys.nameHash([1]) != other.nameHash([1]))
        #expect(keys.commitment(salt: Self.salt) != other.commitment(salt: Self.salt))
        #expect(keys.chunker.gearTable != other.chunker.gearTable)
        for kind in VarveFormat.FileKind.allCases { #expect(try seal(keys, kind) != seal(other, kind)) }
    }

    @Test("A master key of another length is refused")
    func masterLength() {
        #expect(throws: StoreError.self) {
            var short: [UInt8] = [1, 2, 3]
            return try KeyChain(master: SecretBytes(taking: &short), configDigest: SHA256Digest.of([1]))
        }
    }
}
