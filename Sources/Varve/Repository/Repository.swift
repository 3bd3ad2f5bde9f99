public import VarveFormat

/// An open repository: where it lives, its configuration and its keys.
public final class Repository: Sendable {
    /// What `open` needs besides the place.
    public struct OpenOptions: Sendable {
        /// Secrets to try, in order. None for an unencrypted repository.
        public var secrets: [RepositorySecret] = []
        /// Directory for caches of all repositories; nil for none.
        public var cacheDirectory: String?
        /// Directory for what this machine remembers of all repositories, so that it notices deletions; nil for none.
        public var stateDirectory: String?
        /// Worker threads; 0 for one a core.
        public var threads = 0
        /// Name and version of the program, for sessions and manifests.
        public var program = "varve"

        /// Makes the defaults: no secret, no cache, no memory, all cores.
        public init() {}
    }

    /// The repository's name for itself; a copy has the same.
    public let id: RepositoryID
    /// What is worth telling the user, such as a damaged copy of the configuration.
    public let warnings: [String]
    /// Immutable parameters (FORMAT.md section 4).
    package let config: RepositoryConfig
    /// The bytes of config as stored: keys depend on every one of them.
    package let configBytes: [UInt8]
    package let backend: any Backend
    package let keys: KeyChain
    package let options: OpenOptions
    /// What this machine remembers of the repository at this place; nil where it keeps nothing.
    package let memory: ClientMemory?

    package init(
        backend: any Backend, config: RepositoryConfig, configBytes: [UInt8], keys: KeyChain, options: OpenOptions,
        warnings: [String]
    ) {
        id = config.repositoryID
        self.backend = backend
        self.config = config
        self.configBytes = configBytes
        self.keys = keys
        self.options = options
        self.warnings = warnings
        memory = ClientMemory(
            directory: options.stateDirectory, repository: config.repositoryID, location: backend.location)
    }

    /// The place, canonical.
    public var location: String { backend.location }
    /// Whether everything but the configuration is sealed.
    public var isEncrypted: Bool { config.suite != .none }
    /// Worker threads to use.
    package var threadCount: Int { options.threads > 0 ? options.threads : Threads.processorCount }

    /// Opens the repository in a local directory.
    ///
    /// - Throws: `noRepository`, `wrongKey` (no secret opens it), `damaged` (config and all its copies, or the only key
    ///   slots), `unsupported` (another format or feature), `refused` (secrets for an unencrypted repository).
    public static func open(at path: String, options: OpenOptions) throws(StoreError) -> Repository {
        try open(on: LocalBackend(path: path), options: options)
    }

    /// Opens the repository on any backend.
    package static func open(on backend: any Backend, options: OpenOptions) throws(StoreError) -> Repository {
        let slots = try KeySlots.read(from: backend)
        let (config, configBytes, warnings) = try readConfig(from: backend, slots: slots)
        let keys: KeyChain
        switch config.suite {
        case .none:
            guard options.secrets.isEmpty else {
                throw StoreError(
                    .refused, "a password or key file was given, but the repository is not encrypted",
                    path: backend.location,
                    remedy: "somebody may have replaced it; if you made it with --unencrypted, give no secret")
            }
            keys = try KeyChain.unencrypted()
        case .aes256GCM:
            keys = try KeySlots.unlock(slots, configBytes: configBytes, secrets: options.secrets)
        }
        return Repository(
            backend: backend, config: config, configBytes: configBytes, keys: keys, options: options,
            warnings: warnings + slots.flatMap(\.warnings))
    }

    /// Reads config, or the copy in a key slot where it is damaged or gone.
    private static func readConfig(
        from backend: any Backend, slots: [KeySlots.StoredSlot]
    ) throws(StoreError) -> (RepositoryConfig, [UInt8], [String]) {
        var problem = StoreError(
            .noRepository, "there is no repository", path: backend.location,
            remedy: "make one with varve init, or check the path")
        do {
            let bytes = try backend.read("config", limit: FormatLimits.config)
            return (try RepositoryConfig(parsing: bytes, sha256: SHA256Digest.of), bytes, [])
        } catch let error as FormatError where error.code == .unsupported {
            // Unless a key slot has a config of this format: then config is damaged just where it says its format.
            problem = StoreError(
                .unsupported, "\(error.message)", path: backend.location, remedy: "use a newer version of varve")
        } catch let error as FormatError {
            problem = StoreError(.damaged, "config is damaged: \(error.message)", path: backend.location)
        } catch let error as StoreError {
            if error.code != .missing && error.code != .damaged { throw error }
            if error.code == .damaged { problem = error }
        } catch {
            throw StoreError(.failed, "config could not be read: \(error)", path: backend.location)
        }
        for slot in slots {
            guard let bytes = slot.configBytes,
                let config = try? RepositoryConfig(parsing: bytes, sha256: SHA256Digest.of)
            else { continue }
            let what = problem.code == .noRepository ? "missing" : "damaged"
            return (config, bytes, ["config is \(what); the copy in keys/\(slot.name.hex) is used"])
        }
        throw problem
    }

    /// Reads every manifest and record.
    public func snapshots() throws(StoreError) -> SnapshotList { try SnapshotList(reading: self) }
}
