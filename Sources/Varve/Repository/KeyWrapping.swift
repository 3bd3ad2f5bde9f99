import CSys
import Crypto
import CryptoExtras
import Glibc
package import VarveFormat

/// The cost of turning a password into a key by scrypt (RFC 7914).
package struct ScryptParameters: Hashable, Sendable {
    /// The logarithm to base 2 of the cost N.
    package let logN: UInt8
    /// The block size factor.
    package let r: UInt8
    /// The number of passes.
    package let p: UInt8

    /// What new repositories get: 64 MiB and about 0.4 s.
    package static let standard = ScryptParameters(logN: 16, r: 8, p: 2)

    /// Makes parameters of any cost.
    package init(logN: UInt8, r: UInt8, p: UInt8) {
        self.logN = logN
        self.r = r
        self.p = p
    }

    /// Whether the cost is neither so low that passwords could be tried by the million, nor so high that opening a
    /// repository with forged slots would exhaust the machine.
    package var isAcceptable: Bool {
        guard (15...20).contains(logN), (1...16).contains(r), (1...8).contains(p) else { return false }
        return 128 * UInt64(r) << UInt64(logN) <= 1 << 30
    }
}

/// Wraps the master key for the key slots, and unwraps it (FORMAT.md section 5).
package enum KeyWrapping {
    /// A wrapped master key.
    package struct Wrapped: Hashable, Sendable {
        /// 12 random bytes.
        package let nonce: [UInt8]
        /// 32 bytes of ciphertext, 16 of tag.
        package let bytes: [UInt8]

        /// Takes the fields as stored.
        package init(nonce: [UInt8], bytes: [UInt8]) {
            self.nonce = nonce
            self.bytes = bytes
        }
    }

    /// What opens a slot.
    package enum Secret: Sendable {
        /// The 32 bytes that scrypt made of a password.
        case stretchedPassword(SecretBytes)
        /// The 32 bytes of a key file.
        case keyFile(SecretBytes)

        var info: String {
            switch self {
            case .stretchedPassword: "varve 1 slot password"
            case .keyFile: "varve 1 slot key file"
            }
        }

        var bytes: SecretBytes {
            switch self {
            case .stretchedPassword(let bytes), .keyFile(let bytes): bytes
            }
        }
    }

    private static let keyLength = 32
    private static let nonceLength = 12
    private static let tagLength = 16

    /// Random bytes from the kernel.
    ///
    /// - Throws: `failed` if it has none.
    package static func randomBytes(_ count: Int) throws(StoreError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let status = bytes.withUnsafeMutableBytes { sys_random($0.baseAddress, $0.count) }
        guard status == 0 else {
            throw StoreError(.failed, "the system gives no random bytes", errno: -status)
        }
        return bytes
    }

    /// A new master key.
    ///
    /// - Throws: `failed` if the kernel has no random bytes.
    package static func newMasterKey() throws(StoreError) -> SecretBytes {
        var bytes = try randomBytes(keyLength)
        return SecretBytes(taking: &bytes)
    }

    /// Makes 32 bytes of a password by scrypt, and gives the memory it took back to the system.
    ///
    /// - Parameter salt: 32 bytes, shared by all password slots of a repository.
    /// - Throws: `refused` if the cost is not acceptable; `usage` for an empty password.
    package static func stretch(
        password: SecretBytes, salt: [UInt8], parameters: ScryptParameters
    ) throws(StoreError) -> SecretBytes {
        guard parameters.isAcceptable else {
            throw StoreError(
                .refused, "a key slot asks for a password cost outside the permitted range",
                remedy: "the slot may be forged; use another one")
        }
        defer { Allocator.trim() }
        return try scrypt(password: password, salt: salt, parameters: parameters)
    }

    /// The first 32 bytes of scrypt at any cost. For slots use `stretch`.
    ///
    /// - Throws: `usage` for an empty password, `failed` if there is not enough memory.
    package static func scrypt(
        password: SecretBytes, salt: [UInt8], parameters: ScryptParameters
    ) throws(StoreError) -> SecretBytes {
        guard password.count > 0, !salt.isEmpty else { throw StoreError(.usage, "the password is empty") }
        guard parameters.logN < 32 else { throw StoreError(.failed, "the password cost is out of range") }
        do {
            let key = try password.withUnsafeBytes { password in
                try KDF.Scrypt.deriveKey(
                    from: password, salt: salt, outputByteCount: keyLength, rounds: 1 << Int(parameters.logN),
                    blockSize: Int(parameters.r), parallelism: Int(parameters.p))
            }
            return key.withUnsafeBytes { SecretBytes(copying: $0) }
        } catch {
            throw StoreError(.failed, "there is not enough memory to work on the password")
        }
    }

    /// Wraps the master key for one slot.
    ///
    /// - Parameter associated: the slot record's bytes before the nonce, 0..<144.
    /// - Throws: `usage` if the master key or the secret has not 32 bytes, `failed` without random bytes.
    package static func wrap(
        master: SecretBytes, with secret: Secret, configDigest: FileID, associated: [UInt8]
    ) throws(StoreError) -> Wrapped {
        guard master.count == keyLength, let key = key(secret, configDigest) else {
            throw StoreError(.usage, "a key file has exactly 32 bytes")
        }
        let nonce = try randomBytes(nonceLength)
        do {
            let box = try master.withUnsafeBytes { master in
                try AES.GCM.seal(master, using: key, nonce: AES.GCM.Nonce(data: nonce), authenticating: associated)
            }
            return Wrapped(
                nonce: nonce,
                bytes: box.ciphertext.withUnsafeBytes { Array($0) } + box.tag.withUnsafeBytes { Array($0) })
        } catch {
            throw StoreError(.failed, "the master key could not be wrapped")
        }
    }

    /// Unwraps the master key; nil if the secret, the config or the slot is not the one it was wrapped with.
    package static func unwrap(
        _ wrapped: Wrapped, with secret: Secret, configDigest: FileID, associated: [UInt8]
    ) -> SecretBytes? {
        guard wrapped.nonce.count == nonceLength, wrapped.bytes.count == keyLength + tagLength,
            let key = key(secret, configDigest),
            let nonce = try? AES.GCM.Nonce(data: wrapped.nonce),
            let box = try? AES.GCM.SealedBox(
                nonce: nonce, ciphertext: wrapped.bytes[..<keyLength], tag: wrapped.bytes[keyLength...]),
            var master = try? AES.GCM.open(box, using: key, authenticating: associated)
        else { return nil }
        return master.withUnsafeMutableBytes { master in
            defer { if let base = master.baseAddress { explicit_bzero(base, master.count) } }
            return SecretBytes(copying: UnsafeRawBufferPointer(master))
        }
    }

    private static func key(_ secret: Secret, _ configDigest: FileID) -> SymmetricKey? {
        guard secret.bytes.count == keyLength else { return nil }
        return HKDF<SHA256>.deriveKey(
            inputKeyMaterial: secret.bytes.withUnsafeBytes { SymmetricKey(data: $0) }, salt: configDigest.bytes,
            info: Array(secret.info.utf8), outputByteCount: keyLength)
    }
}
