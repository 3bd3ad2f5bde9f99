import VarveFormat

extension Repository {
    /// How a new repository is made.
    public struct CreateOptions: Sendable {
        /// What will open it; nil makes an unencrypted repository.
        public var secret: RepositorySecret?
        /// Size at which a data pack is closed, bytes; nil for 16 MiB.
        public var packBytes: Int?
        /// Average chunk of files up to 1 GiB, bytes, a power of two; nil for 64 KiB.
        public var fileChunkAverage: Int?
        /// Text that `key list` shows for the first key.
        public var label = ""
        /// Seconds since 1970, for the first key.
        public var timeMade: Int64 = 0

        /// Makes the defaults: unencrypted, standard sizes.
        public init() {}
    }

    /// Makes a repository in a local directory that does not exist or is empty.
    ///
    /// - Throws: `exists` if the place holds anything; `usage` for sizes that FORMAT.md does not allow.
    public static func create(
        at path: String, options: CreateOptions, openOptions: OpenOptions
    ) throws(StoreError) -> Repository {
        try create(on: LocalBackend(path: path), options: options, openOptions: openOptions)
    }

    /// Makes a repository on any backend. config comes last: a place without it is not a repository.
    package static func create(
        on backend: any Backend, options: CreateOptions, openOptions: OpenOptions
    ) throws(StoreError) -> Repository {
        guard let id = RepositoryID(bytes: try KeyWrapping.randomBytes(RepositoryID.byteCount)) else {
            throw StoreError(.failed, "a repository needs 16 random bytes")
        }
        let config = try config(id, options)
        let configBytes = config.encode(sha256: SHA256Digest.of)
        let keys: KeyChain
        let slot: [UInt8]
        if let secret = options.secret {
            let master = try KeyWrapping.newMasterKey()
            keys = try KeyChain(master: master, configDigest: SHA256Digest.of(configBytes))
            slot = try KeySlots.encodeSlot(
                secret, master: master, config: config, configBytes: configBytes, label: options.label,
                timeMade: options.timeMade, scryptSalt: try KeyWrapping.randomBytes(32))
        } else {
            keys = try KeyChain.unencrypted()
            slot = KeySlots.encodeConfigCopy(config: config, configBytes: configBytes, timeMade: options.timeMade)
        }
        try backend.createLayout(directories: layout)
        try backend.putIfAbsent("keys/\(SHA256Digest.of(slot).hex)", slot, session: nil)
        try backend.putIfAbsent("config", configBytes, session: nil)
        return Repository(
            backend: backend, config: config, configBytes: configBytes, keys: keys, options: openOptions, warnings: [])
    }

    private static func config(_ id: RepositoryID, _ options: CreateOptions) throws(StoreError) -> RepositoryConfig {
        var config = RepositoryConfig(
            repositoryID: id, suite: options.secret == nil ? .none : .aes256GCM, listFanout: 64, packBytes: 16 << 20,
            treePackBytes: 4 << 20)
        if let bytes = options.packBytes { config.packBytes = bytes }
        if let average = options.fileChunkAverage {
            config.chunker.file = ChunkSizes(minimum: average / 4, average: average, maximum: average * 4)
        }
        do throws(FormatError) {
            // Its own parser is the judge of what is allowed.
            _ = try RepositoryConfig(parsing: config.encode(sha256: SHA256Digest.of), sha256: SHA256Digest.of)
        } catch {
            throw StoreError(.usage, "the sizes are not allowed: \(error.message)")
        }
        return config
    }

    /// Every directory of a new repository, parents first (FORMAT.md section 2).
    private static var layout: [String] {
        var directories = [
            "condemned", "index", "keys", "manifests", "packs", "packs/data", "packs/tree", "records", "sessions",
        ]
        let digits = Array("0123456789abcdef")
        for kind in ["data", "tree"] {
            for high in digits { for low in digits { directories.append("packs/\(kind)/\(high)\(low)") } }
        }
        return directories
    }
}
