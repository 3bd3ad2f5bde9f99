public import VarveFormat

/// The newest statement of a verification about a snapshot.
public struct Verification: Sendable, Hashable {
    /// When the verification began.
    public let time: Timestamp
    /// `structure` or `data`.
    public let level: String
    /// `ok`, `damaged` or `incomplete`.
    public let result: String
}

/// One snapshot: its id, its manifest and what was last proven about it.
public struct Snapshot: Sendable {
    /// The name of the manifest.
    public let id: SnapshotID
    /// The stored record of the capture.
    public let manifest: Manifest
    /// The newest verification; nil if it was never verified.
    public let verification: Verification?

    package init(id: SnapshotID, manifest: Manifest, verification: Verification?) {
        self.id = id
        self.manifest = manifest
        self.verification = verification
    }

    /// `ok`, `damaged`, `incomplete` or `unverified`.
    public var status: String { verification?.result ?? "unverified" }
}

/// All snapshots of a repository, and what could not be read.
public struct SnapshotList: Sendable {
    /// A manifest or record that cannot be read.
    public struct Unreadable: Sendable {
        /// The file's name.
        public let id: FileID
        /// `manifests` or `records`.
        public let directory: String
        /// Why.
        public let error: StoreError
    }

    /// Newest first. Interrupted snapshots that a later one of the same job replaces are left out.
    public let snapshots: [Snapshot]
    /// Every readable manifest by id, replaced ones included.
    public let all: [SnapshotID: Manifest]
    /// What could not be read.
    public let unreadable: [Unreadable]
    /// What a new manifest or record names as its tips: at most 64, sorted.
    package let tips: [FileID]
    /// What a new manifest or record carries as its sequence.
    package let nextSequence: Int

    init(reading repository: Repository) throws(StoreError) {
        var manifests: [SnapshotID: Manifest] = [:]
        var records: [FileID: Record] = [:]
        var unreadable: [Unreadable] = []
        for directory in ["manifests", "records"] {
            for entry in try repository.backend.list(directory) {
                guard let id = FileID(hex: entry.name) else { continue }
                do {
                    if directory == "manifests" {
                        manifests[id] = try Self.manifest(id, repository)
                    } else {
                        records[id] = try Self.record(id, repository)
                    }
                } catch {
                    // Removed since the listing: not damage.
                    if error.code == .missing { continue }
                    unreadable.append(Unreadable(id: id, directory: directory, error: error))
                }
            }
        }
        Self.refuseForged(&manifests, &records, &unreadable)
        let verifications = Self.verifications(records)
        let replaced = Self.replaced(manifests)
        all = manifests
        self.unreadable = unreadable
        snapshots = manifests.filter { !replaced.contains($0.key) }
            .map { Snapshot(id: $0.key, manifest: $0.value, verification: verifications[$0.key]) }
            .sorted { ($0.manifest.time, $0.id) > ($1.manifest.time, $1.id) }
        (tips, nextSequence) = Self.tips(manifests, records)
    }

    /// Reads one manifest: its name, its seal and its rules checked.
    static func manifest(_ id: SnapshotID, _ repository: Repository) throws(StoreError) -> Manifest {
        let path = "manifests/\(id.hex)"
        let bytes = try repository.sealed.read(.manifest, id, from: repository.backend)
        do {
            return try Manifest(parsing: bytes, repositoryID: repository.id)
        } catch {
            throw StoreError(
                error.code == .unsupported ? .unsupported : .damaged, "the manifest is refused: \(error.message)",
                path: path)
        }
    }

    private static func record(_ id: FileID, _ repository: Repository) throws(StoreError) -> Record {
        let path = "records/\(id.hex)"
        let bytes = try repository.sealed.read(.record, id, from: repository.backend)
        do {
            return try Record(parsing: bytes, repositoryID: repository.id)
        } catch {
            throw StoreError(.damaged, "the record is refused: \(error.message)", path: path)
        }
    }

    /// Refuses what does not stand where its tips put it: its sequence is 1 + the highest of them (FORMAT.md section
    /// 10). A tip that is gone may have been the highest.
    private static func refuseForged(
        _ manifests: inout [SnapshotID: Manifest], _ records: inout [FileID: Record], _ unreadable: inout [Unreadable]
    ) {
        var sequences = manifests.mapValues(\.sequence)
        sequences.merge(records.mapValues(\.sequence)) { first, _ in first }
        func isForged(_ sequence: Int, _ tips: [FileID]) -> Bool {
            let present = tips.compactMap { sequences[$0] }
            let least = (present.max() ?? 0) + 1
            return present.count == tips.count ? sequence != least : sequence < least
        }
        func refuse(_ id: FileID, _ directory: String) {
            let error = StoreError(
                .damaged, "its sequence does not follow from its tips: it is forged", path: "\(directory)/\(id.hex)")
            unreadable.append(Unreadable(id: id, directory: directory, error: error))
        }
        for (id, manifest) in manifests where isForged(manifest.sequence, manifest.tips) {
            manifests[id] = nil
            refuse(id, "manifests")
        }
        for (id, record) in records where isForged(record.sequence, record.tips) {
            records[id] = nil
            refuse(id, "records")
        }
    }

    private static func verifications(_ records: [FileID: Record]) -> [SnapshotID: Verification] {
        var newest: [SnapshotID: (sequence: Int, id: FileID)] = [:]
        var result: [SnapshotID: Verification] = [:]
        for (id, record) in records where record.kind == "verified" {
            guard let level = record.details["level"]?.stringValue, let outcome = record.details["result"]?.stringValue
            else { continue }
            for subject in record.subjects {
                if let known = newest[subject], (known.sequence, known.id) > (record.sequence, id) { continue }
                newest[subject] = (record.sequence, id)
                result[subject] = Verification(time: record.time, level: level, result: outcome)
            }
        }
        return result
    }

    /// The interrupted snapshots that a manifest of the same job, host and paths stands for (FORMAT.md section 10).
    private static func replaced(_ manifests: [SnapshotID: Manifest]) -> Set<SnapshotID> {
        var replaced: Set<SnapshotID> = []
        for manifest in manifests.values {
            for id in manifest.replaces {
                guard let old = manifests[id], old.state == .interrupted, old.job == manifest.job,
                    old.host == manifest.host, old.paths == manifest.paths
                else { continue }
                replaced.insert(id)
            }
        }
        return replaced
    }

    private static func tips(
        _ manifests: [SnapshotID: Manifest], _ records: [FileID: Record]
    ) -> ([FileID], Int) {
        var sequences: [FileID: Int] = [:]
        var named: Set<FileID> = []
        for (id, manifest) in manifests {
            sequences[id] = manifest.sequence
            named.formUnion(manifest.tips)
        }
        for (id, record) in records {
            sequences[id] = record.sequence
            named.formUnion(record.tips)
        }
        let open = sequences.filter { !named.contains($0.key) }.sorted { ($0.value, $0.key) > ($1.value, $1.key) }
        let tips = open.prefix(FormatLimits.tipCount)
        return (tips.map(\.key).sorted(), (tips.map(\.value).max() ?? 0) + 1)
    }
}
