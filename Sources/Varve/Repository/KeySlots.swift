public import VarveFormat

/// What a user opens a repository with.
public enum RepositorySecret: Sendable {
    /// The UTF-8 bytes of a password, without a line feed.
    case password(SecretBytes)
    /// The 32 bytes of a key file.
    case keyFile(SecretBytes)
}

/// The key slots of a repository: files that each hold the master key, sealed for one secret (FORMAT.md section 5).
public enum KeySlots {
    /// What `key list` shows of a slot.
    public struct Description: Sendable {
        /// The slot file's name.
        public let id: FileID
        /// Which secret opens it; nil if the slot is damaged.
        public let kind: KeySlotKind?
        /// The label given when it was made.
        public let label: String
        /// Seconds since 1970.
        public let timeMade: Int64
        /// What does not match its checksum; empty if all is well.
        public let damage: [String]
    }

    /// A slot file as read.
    package struct StoredSlot: Sendable {
        package let name: FileID
        package let record: KeySlotRecord?
        package let configBytes: [UInt8]?
        package let damage: [String]

        package var warnings: [String] { damage.map { "key slot \(name.hex) is damaged: \($0)" } }
    }

    /// Reads every slot file; damaged ones are returned with what is left of them.
    package static func read(from backend: any Backend) throws(StoreError) -> [StoredSlot] {
        var slots: [StoredSlot] = []
        for entry in try backend.list("keys") {
            guard let name = FileID(hex: entry.name) else { continue }
            let bytes: [UInt8]
            do {
                bytes = try backend.read("keys/\(entry.name)", limit: FormatLimits.keySlot)
            } catch where error.code == .damaged {
                slots.append(StoredSlot(name: name, record: nil, configBytes: nil, damage: [error.message]))
                continue
            }
            let parsed = KeySlotFile.parse(bytes, sha256: SHA256Digest.of)
            var damage = parsed.damage
            if damage.isEmpty, SHA256Digest.of(bytes) != name { damage.append("its bytes do not match its name") }
            slots.append(
                StoredSlot(name: name, record: parsed.slot, configBytes: parsed.configBytes, damage: damage))
        }
        return slots
    }

    /// Finds the slot that one of the secrets opens. A password is stretched once for all slots that share salt and
    /// cost.
    package static func unlock(
        _ slots: [StoredSlot], configBytes: [UInt8], secrets: [RepositorySecret]
    ) throws(StoreError) -> KeyChain {
        guard !secrets.isEmpty else {
            throw StoreError(
                .wrongKey, "the repository is encrypted and no password or key file was given",
                remedy: "use --key-file, --password-file, --password-command or the environment")
        }
        let digest = SHA256Digest.of(configBytes)
        for secret in secrets {
            if let master = try openAny(slots, secret, digest) {
                return try KeyChain(master: master, configDigest: digest)
            }
        }
        if let damaged = slots.first(where: { $0.record == nil }) {
            throw StoreError(
                .damaged, "a key slot is damaged and no other opens with this password or key",
                path: "keys/\(damaged.name.hex)", remedy: "put the file back from a copy of the repository")
        }
        if slots.isEmpty {
            throw StoreError(
                .damaged, "the repository has no key slots", path: "keys",
                remedy: "put keys/ back from a copy of the repository")
        }
        throw StoreError(.wrongKey, "the password or key is wrong", remedy: "check it; nothing was changed")
    }

    private static func openAny(
        _ slots: [StoredSlot], _ secret: RepositorySecret, _ digest: FileID
    ) throws(StoreError) -> SecretBytes? {
        var stretches: [[UInt8]: SecretBytes] = [:]
        for record in slots.compactMap(\.record) {
            let candidate: KeyWrapping.Secret
            switch (secret, record.kind) {
            case (.password(let password), .password):
                let cost = [record.scryptLogN, record.scryptR, record.scryptP] + record.scryptSalt
                let parameters = ScryptParameters(
                    logN: record.scryptLogN, r: record.scryptR, p: record.scryptP)
                let stretched: SecretBytes
                if let known = stretches[cost] {
                    stretched = known
                } else {
                    stretched = try KeyWrapping.stretch(
                        password: password, salt: record.scryptSalt, parameters: parameters)
                    stretches[cost] = stretched
                }
                candidate = .stretchedPassword(stretched)
            case (.keyFile(let key), .keyFile):
                candidate = .keyFile(key)
            default:
                continue
            }
            let wrapped = KeyWrapping.Wrapped(nonce: record.nonce, bytes: record.sealed)
            if let master = KeyWrapping.unwrap(
                wrapped, with: candidate, configDigest: digest, associated: record.associatedData())
            {
                return master
            }
        }
        return nil
    }

    /// The bytes of a slot file that holds `master` for one secret.
    package static func encodeSlot(
        _ secret: RepositorySecret, master: SecretBytes, config: RepositoryConfig, configBytes: [UInt8], label: String,
        timeMade: Int64, scryptSalt: [UInt8]
    ) throws(StoreError) -> [UInt8] {
        var record = KeySlotRecord(kind: .keyFile, suite: config.suite, repositoryID: config.repositoryID)
        record.timeMade = timeMade
        record.label = label
        let wrapping: KeyWrapping.Secret
        switch secret {
        case .keyFile(let key):
            wrapping = .keyFile(key)
        case .password(let password):
            let cost = ScryptParameters.standard
            record.kind = .password
            record.scryptLogN = cost.logN
            record.scryptR = cost.r
            record.scryptP = cost.p
            record.scryptSalt = scryptSalt
            wrapping = .stretchedPassword(
                try KeyWrapping.stretch(password: password, salt: scryptSalt, parameters: cost))
        }
        let wrapped = try KeyWrapping.wrap(
            master: master, with: wrapping, configDigest: SHA256Digest.of(configBytes),
            associated: record.associatedData())
        record.nonce = wrapped.nonce
        record.sealed = wrapped.bytes
        return KeySlotFile(record: record, configBytes: configBytes).encode(sha256: SHA256Digest.of)
    }

    /// The bytes of a slot file that only carries config, for unencrypted repositories.
    package static func encodeConfigCopy(
        config: RepositoryConfig, configBytes: [UInt8], timeMade: Int64
    ) -> [UInt8] {
        var record = KeySlotRecord(kind: .configCopy, suite: config.suite, repositoryID: config.repositoryID)
        record.timeMade = timeMade
        return KeySlotFile(record: record, configBytes: configBytes).encode(sha256: SHA256Digest.of)
    }
}

extension Repository {
    /// The repository's key slots, damaged ones included.
    public func keySlots() throws(StoreError) -> [KeySlots.Description] {
        try KeySlots.read(from: backend).map { slot in
            KeySlots.Description(
                id: slot.name, kind: slot.record?.kind, label: slot.record?.label ?? "",
                timeMade: slot.record?.timeMade ?? 0, damage: slot.damage)
        }
    }

    /// Adds a slot that `secret` opens. `existing` must open the repository: the master key is not kept in memory.
    ///
    /// - Throws: `wrongKey` if `existing` opens nothing.
    public func addKey(
        _ secret: RepositorySecret, existing: [RepositorySecret], label: String, timeMade: Int64
    ) throws(StoreError) -> FileID {
        guard isEncrypted else {
            throw StoreError(
                .usage, "an unencrypted repository has no keys", path: location,
                remedy: "make an encrypted repository with varve init")
        }
        let slots = try KeySlots.read(from: backend)
        let master = try KeySlots.master(slots, configBytes: configBytes, secrets: existing)
        // One salt for all password slots, so that opening costs one stretch.
        let salt = slots.compactMap(\.record).first { $0.kind == .password }?.scryptSalt
        let newSalt = try KeyWrapping.randomBytes(KeySlotRecord.saltByteCount)
        let bytes = try KeySlots.encodeSlot(
            secret, master: master, config: config, configBytes: configBytes, label: label, timeMade: timeMade,
            scryptSalt: salt ?? newSalt)
        let name = SHA256Digest.of(bytes)
        try backend.putIfAbsent("keys/\(name.hex)", bytes, session: nil)
        return name
    }

    /// Removes a slot; never the last one that opens.
    ///
    /// - Throws: `notFound`; `refused` if nothing would open the repository any more.
    public func removeKey(_ id: FileID) throws(StoreError) {
        let slots = try KeySlots.read(from: backend)
        guard slots.contains(where: { $0.name == id }) else {
            throw StoreError(.notFound, "there is no key slot \(id.hex)", remedy: "see varve key list")
        }
        guard slots.contains(where: { $0.name != id && $0.record != nil }) else {
            throw StoreError(
                .refused, "this is the only key: without it nothing opens the repository",
                remedy: "add another key first")
        }
        try backend.remove("keys/\(id.hex)")
    }
}

extension KeySlots {
    fileprivate static func master(
        _ slots: [StoredSlot], configBytes: [UInt8], secrets: [RepositorySecret]
    ) throws(StoreError) -> SecretBytes {
        let digest = SHA256Digest.of(configBytes)
        for secret in secrets {
            if let master = try openAny(slots, secret, digest) { return master }
        }
        throw StoreError(.wrongKey, "the password or key is wrong", remedy: "check it; nothing was changed")
    }

    /// The slot that one of the secrets opens; nil for none.
    public static func opened(in repository: Repository, by secrets: [RepositorySecret]) throws(StoreError) -> FileID? {
        let digest = SHA256Digest.of(repository.configBytes)
        for slot in try read(from: repository.backend) {
            for secret in secrets where try openAny([slot], secret, digest) != nil { return slot.name }
        }
        return nil
    }
}
