package import VarveFormat

/// Seals and opens index files, manifests and records (FORMAT.md section 6).
package struct SealedFile: Sendable {
    /// What sealing may add to a file at most: header, tag and what zstd adds to bytes that it cannot shorten.
    private static let sealingLimit = 2_097_152
    /// These files are small or mostly ids, which do not compress: a higher level gains next to nothing.
    private static let compressionLevel = 1

    private let keys: KeyChain
    private let repository: RepositoryID

    /// Makes a sealer for the files of a repository.
    package init(keys: KeyChain, repository: RepositoryID) {
        self.keys = keys
        self.repository = repository
    }

    /// The most bytes of content that a file of a kind may have.
    package static func contentLimit(_ kind: FileKind) -> Int {
        kind == .index ? FormatLimits.indexFile : FormatLimits.manifest
    }

    /// The most bytes that a file of a kind may have.
    package static func fileLimit(_ kind: FileKind) -> Int { contentLimit(kind) + sealingLimit }

    /// The bytes of the file that holds `content`.
    ///
    /// - Parameter features: what a reader must know to read it.
    /// - Throws: `failed` if there is nothing to seal or more than a file may hold.
    package func seal(
        _ kind: FileKind, _ content: [UInt8], features: ReadFeatures = []
    ) throws(StoreError) -> [UInt8] {
        guard !content.isEmpty, content.count <= Self.contentLimit(kind) else {
            throw StoreError(.failed, "a file of \(content.count) bytes is outside the limits")
        }
        if keys.suite == .none, kind != .index { return content }
        let encoder = try FrameEncoder(suite: keys.suite, level: Self.compressionLevel)
        var header: [UInt8] = []
        var sealer = Sealer()
        if keys.suite != .none {
            let salt = keys.makeSalt()
            header = FileHeader(
                kind: kind, suite: keys.suite, features: features, repositoryID: repository, salt: salt,
                commitment: keys.commitment(salt: salt)
            ).encode(magic: FileMagic(kind), sha256: SHA256Digest.of)
            sealer = keys.sealer(kind, salt: salt, repository: repository)
        }
        var bytes = header
        try content.withBytes { content throws(StoreError) in
            let encoded = try encoder.encodeFile(content)
            try sealer.seal(.frame(0), encoded, associated: header, appendingTo: &bytes)
        }
        return bytes
    }

    /// Opens one file.
    ///
    /// - Throws: as `Opener.open`.
    package func open(_ kind: FileKind, _ bytes: [UInt8], path: String) throws(StoreError) -> [UInt8] {
        try opener().open(kind, bytes, path: path)
    }

    /// Reads one file of the repository, checks its name and opens it.
    ///
    /// - Throws: as `Opener.read`.
    package func read(_ kind: FileKind, _ id: FileID, from backend: any Backend) throws(StoreError) -> [UInt8] {
        try opener().read(kind, id, from: backend)
    }

    /// Opens any number of files, one after the other.
    package func opener() throws(StoreError) -> Opener {
        Opener(keys: keys, repository: repository, decoder: try FrameDecoder(suite: keys.suite))
    }

    /// Opens files with one decoder. Each thread has its own.
    package final class Opener {
        private let keys: KeyChain
        private let repository: RepositoryID
        private let decoder: FrameDecoder

        fileprivate init(keys: KeyChain, repository: RepositoryID, decoder: FrameDecoder) {
            self.keys = keys
            self.repository = repository
            self.decoder = decoder
        }

        /// The content of a file.
        ///
        /// - Parameter path: of the file, for errors.
        /// - Throws: `damaged` if the bytes are not what was written in this repository; `unsupported` for what this
        ///   program does not know.
        package func open(_ kind: FileKind, _ bytes: [UInt8], path: String) throws(StoreError) -> [UInt8] {
            guard bytes.count <= SealedFile.fileLimit(kind) else {
                throw StoreError(.damaged, "a file of \(bytes.count) bytes is longer than any may be", path: path)
            }
            do throws(StoreError) {
                if keys.suite == .none { return try openPlain(kind, bytes) }
                return try openSealed(kind, bytes)
            } catch {
                throw StoreError(error.code, error.message, path: path)
            }
        }

        /// Reads a file of the repository, checks its name and opens it.
        ///
        /// - Throws: `missing` if it is absent; what `open` throws.
        package func read(_ kind: FileKind, _ id: FileID, from backend: any Backend) throws(StoreError) -> [UInt8] {
            let path = RepositoryPath.file(kind, id)
            let bytes = try backend.read(path, limit: SealedFile.fileLimit(kind))
            guard SHA256Digest.of(bytes) == id else {
                throw StoreError(.damaged, "the file's bytes do not match its name", path: path)
            }
            return try open(kind, bytes, path: path)
        }

        private func openPlain(_ kind: FileKind, _ bytes: [UInt8]) throws(StoreError) -> [UInt8] {
            guard kind == .index else {
                guard !bytes.isEmpty, bytes.count <= SealedFile.contentLimit(kind) else {
                    throw StoreError(.damaged, "\(bytes.count) bytes are outside the limits")
                }
                return bytes
            }
            return try bytes.withBytes { bytes throws(StoreError) in
                try decoder.decodeFile(bytes, limit: SealedFile.contentLimit(kind))
            }
        }

        private func openSealed(_ kind: FileKind, _ bytes: [UInt8]) throws(StoreError) -> [UInt8] {
            let headerBytes = Array(bytes.prefix(FileHeader.byteCount))
            let header: FileHeader
            do throws(FormatError) {
                header = try FileHeader(parsing: headerBytes, magic: FileMagic(kind), sha256: SHA256Digest.of)
            } catch { throw StoreError(error) }
            try header.check(kind: kind, keys: keys, repository: repository)
            let sealer = keys.sealer(kind, salt: header.salt, repository: repository)
            return try bytes.withBytes { bytes throws(StoreError) in
                let sealed = UnsafeRawBufferPointer(rebasing: bytes[FileHeader.byteCount...])
                return try sealer.withOpened(.frame(0), sealed, associated: headerBytes) { plain throws(StoreError) in
                    try decoder.decodeFile(plain, limit: SealedFile.contentLimit(kind))
                }
            }
        }
    }
}

extension FileHeader {
    /// 32 bytes from the system's random source, four system calls.
    @Sendable static func randomSalt() -> [UInt8] {
        var source = SystemRandomNumberGenerator()
        return (0..<saltLength / 8).flatMap { _ in
            let word = source.next()
            return (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
        }
    }

    /// Refuses a header of another kind, suite, repository or key.
    func check(kind: FileKind, keys: KeyChain, repository: RepositoryID) throws(StoreError) {
        guard self.kind == kind else { throw StoreError(.damaged, "the file is of another kind than its place says") }
        guard suite == keys.suite else {
            throw StoreError(.damaged, "the file is sealed in another way than its repository")
        }
        guard repositoryID == repository else { throw StoreError(.damaged, "the file is of another repository") }
        guard keys.isCommitment(commitment, salt: salt) else {
            throw StoreError(.damaged, "the file was not written with the key of this repository")
        }
    }
}

extension StoreError {
    /// What stored bytes that the format refuses mean to the store.
    init(_ error: FormatError, path: String? = nil) {
        let code: Code = error.code == .unsupported ? .unsupported : .damaged
        self.init(code, error.message, path: path.map { Array($0.utf8) })
    }
}
