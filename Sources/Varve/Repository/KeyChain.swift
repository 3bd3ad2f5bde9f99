import Crypto
package import VarveFormat

/// Every key of an open repository, derived from its master key (FORMAT.md section 3.2).
///
/// HKDF-SHA256 (RFC 5869) is extracted from the master key with the digest of the config file as salt, so that a
/// changed config opens nothing, and expanded with an info string for each use. An unencrypted repository goes the
/// same way from a fixed, public start: its keys protect nothing, but they name and cut as in any other repository.
package struct KeyChain: Sendable {
    /// Names blobs.
    package private(set) var blobHasher: BlobHasher
    /// Cuts content.
    package let chunker: Chunker
    /// The suite that files are sealed with.
    package let suite: Suite

    /// Makes the salt of each new file: 32 bytes that no other file has.
    package private(set) var makeSalt: @Sendable () -> [UInt8] = FileHeader.randomSalt

    private let names: SymmetricKey
    private let packs: SymmetricKey
    private let index: SymmetricKey
    private let manifest: SymmetricKey
    private let record: SymmetricKey
    private let commitment: SymmetricKey

    /// The length of a master key, of a file's salt and of a key commitment.
    package static let length = 32

    /// Derives the keys of an encrypted repository.
    ///
    /// - Throws: `damaged` unless the master key has 32 bytes.
    package init(master: SecretBytes, configDigest: FileID) throws(StoreError) {
        guard master.count == Self.length else {
            throw StoreError(.damaged, "a master key has \(master.count) bytes instead of 32")
        }
        let input = master.withUnsafeBytes { SymmetricKey(data: $0) }
        let start = HKDF<SHA256>.extract(inputKeyMaterial: input, salt: configDigest.bytes)
        try self.init(start: start.withUnsafeBytes { SymmetricKey(data: $0) }, suite: .aes256GCM)
    }

    /// The public keys of unencrypted repositories.
    package static func unencrypted() throws(StoreError) -> KeyChain {
        let start = SHA256Digest.of(Array("varve format 1 unencrypted".utf8))
        return try KeyChain(start: SymmetricKey(data: start.bytes), suite: .none)
    }

    private init(start: SymmetricKey, suite: Suite) throws(StoreError) {
        func key(_ use: String) -> SymmetricKey { Self.expand(start, Array("varve 1 \(use)".utf8), 32) }
        guard
            let hasher = BlobHasher(
                data: key("id data").bytes, list: key("id list").bytes, tree: key("id tree").bytes,
                treeList: key("id treelist").bytes),
            let chunker = Chunker(gearTable: Self.gearTable(start))
        else { throw StoreError(.failed, "the keys could not be derived") }
        blobHasher = hasher
        self.chunker = chunker
        self.suite = suite
        names = key("names")
        packs = key("data")
        index = key("index")
        manifest = key("manifest")
        record = key("record")
        commitment = key("commitment")
    }

    /// The same keys with another way to hash and other salts, so that tests can compare whole files. Files of one
    /// salt are sealed with one key: a salt that comes twice gives away what they hold.
    ///
    /// - Returns: nil if this processor lacks the path.
    package func forComparison(
        path: VectorPath, makeSalt: @escaping @Sendable () -> [UInt8]
    ) -> KeyChain? {
        guard let hasher = blobHasher.on(path) else { return nil }
        var keys = self
        keys.blobHasher = hasher
        keys.makeSalt = makeSalt
        return keys
    }

    /// The sealer of a file, from the 32 random bytes of salt in its header.
    package func sealer(_ kind: VarveFormat.FileKind, salt: [UInt8], repository: RepositoryID) -> Sealer {
        guard suite != .none else { return Sealer() }
        let info = Array("varve 1 file".utf8) + repository.bytes + [kind.rawValue, suite.rawValue]
        return Sealer(
            HKDF<SHA256>.deriveKey(inputKeyMaterial: classKey(kind), salt: salt, info: info, outputByteCount: 32))
    }

    /// The key commitment of a file with this salt: 32 bytes that stand in clear in its header. It ties the file to
    /// this key chain before anything is decrypted, as AES-GCM alone can be made to open under two keys.
    package func commitment(salt: [UInt8]) -> [UInt8] {
        Self.expand(commitment, Array("varve 1 file commitment".utf8) + salt, 32).bytes
    }

    /// Whether a commitment read from a file's header is the one for its salt; compared in constant time.
    package func isCommitment(_ claimed: [UInt8], salt: [UInt8]) -> Bool {
        let expected = commitment(salt: salt)
        guard claimed.count == expected.count else { return false }
        return zip(claimed, expected).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// The keyed hash of a file name or path: the first 8 bytes of BLAKE2b-256, read little-endian.
    package func nameHash(_ name: [UInt8]) -> UInt64 {
        names.withUnsafeBytes { key in name.withUnsafeBytes { BlobHasher.id(key: key, $0).word0.byteSwapped } }
    }

    private func classKey(_ kind: VarveFormat.FileKind) -> SymmetricKey {
        switch kind {
        case .dataPack, .treePack: packs
        case .index: index
        case .manifest: manifest
        case .record: record
        }
    }

    /// 256 words, little-endian, of 2048 expanded bytes.
    private static func gearTable(_ start: SymmetricKey) -> [UInt64] {
        let bytes = expand(start, Array("varve 1 chunker".utf8), 2048).bytes
        return (0..<256).map { word in
            (0..<8).reduce(0) { $0 | UInt64(bytes[8 * word + $1]) << UInt64(8 * $1) }
        }
    }

    private static func expand(_ start: SymmetricKey, _ info: [UInt8], _ count: Int) -> SymmetricKey {
        HKDF<SHA256>.expand(pseudoRandomKey: start, info: info, outputByteCount: count)
    }
}

extension SymmetricKey {
    fileprivate var bytes: [UInt8] { withUnsafeBytes { Array($0) } }
}
