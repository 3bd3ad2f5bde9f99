import Testing
import Varve
import VarveFormat

@Suite("KeyWrapping")
struct KeyWrappingTests {
    private static let config = SHA256Digest.of(Array("config".utf8))
    private static let associated = Array("slot".utf8)
    /// The master key 100...131 under the key 0...31 and the nonce 0...11, computed with other implementations.
    private static let passwordVector =
        "56b3346abab5807ff11c4d5874b9a77fb4bd2d09ed4d2a0c076fcefea1a63ce9605f615aff5df121654ad39a23a09d07"
    private static let keyFileVector =
        "25c83282edd6a245fbd20077e8db696c63881943623ff5bd7bd39c1a7073803343ac1d2a3d1cd80b7cce8ddeaa7412ef"

    private func secret(_ bytes: some Sequence<UInt8>) -> SecretBytes {
        var bytes = Array(bytes)
        return SecretBytes(taking: &bytes)
    }

    private func bytes(_ secret: SecretBytes?) -> [UInt8]? { secret?.withUnsafeBytes { Array($0) } }

    private func unwrap(
        _ wrapped: KeyWrapping.Wrapped, _ secret: KeyWrapping.Secret, config: FileID = config,
        associated: [UInt8] = associated
    ) -> [UInt8]? {
        bytes(KeyWrapping.unwrap(wrapped, with: secret, configDigest: config, associated: associated))
    }

    @Test("scrypt gives the first halves of the vectors of RFC 7914")
    func scrypt() throws {
        let first = try KeyWrapping.scrypt(
            password: secret("password".utf8), salt: Array("NaCl".utf8),
            parameters: ScryptParameters(logN: 10, r: 8, p: 16))
        #expect(
            hexDigits(bytes(first) ?? []) == "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162")
        let second = try KeyWrapping.scrypt(
            password: secret("pleaseletmein".utf8), salt: Array("SodiumChloride".utf8),
            parameters: ScryptParameters(logN: 14, r: 8, p: 1))
        #expect(
            hexDigits(bytes(second) ?? []) == "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2")
    }

    @Test(
        "A cost below the floor or above the ceiling is refused",
        arguments: [
            (14, 8, 1), (21, 8, 1), (16, 0, 1), (16, 17, 1), (16, 8, 0), (16, 8, 9), (20, 9, 1), (255, 8, 1),
        ] as [(UInt8, UInt8, UInt8)])
    func cost(logN: UInt8, r: UInt8, p: UInt8) {
        let error = #expect(throws: StoreError.self) {
            try KeyWrapping.stretch(
                password: secret([1]), salt: [UInt8](repeating: 0, count: 32),
                parameters: ScryptParameters(logN: logN, r: r, p: p))
        }
        #expect(error?.code == .refused)
    }

    @Test("The standard cost and the ceilings themselves are accepted")
    func acceptable() {
        #expect(ScryptParameters.standard.isAcceptable)
        #expect(ScryptParameters(logN: 15, r: 1, p: 1).isAcceptable)
        #expect(ScryptParameters(logN: 20, r: 8, p: 8).isAcceptable)
        #expect(ScryptParameters(logN: 19, r: 16, p: 8).isAcceptable)
    }

    @Test("An empty password is refused")
    func emptyPassword() {
        let error = #expect(throws: StoreError.self) {
            try KeyWrapping.stretch(
                password: secret([]), salt: [UInt8](repeating: 0, count: 32), parameters: .standard)
        }
        #expect(error?.code == .usage)
    }

    @Test("A password opens what it closed, and another password does not")
    func password() throws {
        let salt = try KeyWrapping.randomBytes(32)
        let cost = ScryptParameters(logN: 15, r: 8, p: 1)
        let master = try KeyWrapping.newMasterKey()
        func stretched(_ password: String) throws -> KeyWrapping.Secret {
            .stretchedPassword(
                try KeyWrapping.stretch(password: secret(password.utf8), salt: salt, parameters: cost))
        }
        let wrapped = try KeyWrapping.wrap(
            master: master, with: stretched("one"), configDigest: Self.config, associated: Self.associated)
        #expect(wrapped.nonce.count == 12 && wrapped.bytes.count == 48)
        #expect(unwrap(wrapped, try stretched("one")) == bytes(master))
        #expect(unwrap(wrapped, try stretched("One")) == nil)
    }

    @Test("Slots made elsewhere after the format open")
    func vectors() {
        let expected = (100..<132).map { UInt8($0) }
        let nonce = (0..<12).map { UInt8($0) }
        let key = secret((0..<32).map { UInt8($0) })
        let password = KeyWrapping.Wrapped(nonce: nonce, bytes: unhex(Self.passwordVector))
        let file = KeyWrapping.Wrapped(nonce: nonce, bytes: unhex(Self.keyFileVector))
        #expect(unwrap(password, .stretchedPassword(key)) == expected)
        #expect(unwrap(file, .keyFile(key)) == expected)
        #expect(unwrap(password, .keyFile(key)) == nil)
        #expect(unwrap(file, .stretchedPassword(key)) == nil)
    }

    @Test("Another config, other associated bytes or any changed bit open nothing")
    func tampered() throws {
        let key = KeyWrapping.Secret.keyFile(secret((0..<32).map { UInt8($0) }))
        let master = try KeyWrapping.newMasterKey()
        let wrapped = try KeyWrapping.wrap(
            master: master, with: key, configDigest: Self.config, associated: Self.associated)
        #expect(unwrap(wrapped, key) == bytes(master))
        #expect(unwrap(wrapped, key, config: SHA256Digest.of([1])) == nil)
        #expect(unwrap(wrapped, key, associated: []) == nil)
        for bit in 0..<384 {
            var changed = wrapped.bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(unwrap(KeyWrapping.Wrapped(nonce: wrapped.nonce, bytes: changed), key) == nil)
        }
        for count in 0..<48 {
            let short = KeyWrapping.Wrapped(nonce: wrapped.nonce, bytes: Array(wrapped.bytes[..<count]))
            #expect(unwrap(short, key) == nil)
        }
        #expect(unwrap(KeyWrapping.Wrapped(nonce: [], bytes: wrapped.bytes), key) == nil)
    }

    @Test("A key file of another length is refused", arguments: [0, 31, 33, 64])
    func keyFileLength(count: Int) throws {
        let key = KeyWrapping.Secret.keyFile(secret([UInt8](repeating: 1, count: count)))
        let master = try KeyWrapping.newMasterKey()
        #expect(throws: StoreError.self) {
            try KeyWrapping.wrap(master: master, with: key, configDigest: Self.config, associated: [])
        }
    }

    @Test("Wrapping twice never uses a nonce twice, and random bytes differ")
    func randomness() throws {
        let key = KeyWrapping.Secret.keyFile(try KeyWrapping.newMasterKey())
        let master = try KeyWrapping.newMasterKey()
        let nonces = try (0..<50).map { _ in
            try KeyWrapping.wrap(master: master, with: key, configDigest: Self.config, associated: []).nonce
        }
        #expect(Set(nonces).count == 50)
        #expect(try KeyWrapping.randomBytes(1000).count == 1000)
        #expect(try KeyWrapping.randomBytes(0).isEmpty)
    }
}
