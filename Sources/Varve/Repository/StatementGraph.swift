import VarveFormat

/// All manifests and records of a repository, read by all threads, their seals and names checked and forged ones
/// refused (FORMAT.md section 10).
struct StatementGraph: Sendable {
    /// A readable manifest.
    struct Entry: Sendable {
        let id: SnapshotID
        let box: Snapshot.Box
    }

    /// A readable record.
    struct Saying: Sendable {
        let id: FileID
        let record: Record
    }

    /// By id.
    private(set) var manifests: [Entry] = []
    /// The earliest first.
    private(set) var records: [Saying] = []
    private(set) var unreadable: [SnapshotList.Unreadable] = []
    /// The names of all files in `manifests/`, sorted, whatever they hold.
    let present: [SnapshotID]

    /// Manifests are listed before records: a tombstone is written before its manifest is removed, so that every
    /// manifest that is gone from the listing has its tombstone in the other one.
    init(reading repository: Repository) throws(StoreError) {
        present = try Self.names(RepositoryPath.manifests, repository)
        let recordNames = try Self.names(RepositoryPath.records, repository)
        let manifests = try StatementReader(repository, .manifest, present).read()
        let records = try StatementReader(repository, .record, recordNames).read()
        self.manifests = manifests.entries
        self.records = records.sayings
        unreadable = manifests.unreadable + records.unreadable
        refuseForged()
        self.records.sort { ($0.record.sequence, $0.id) < ($1.record.sequence, $1.id) }
    }

    private static func names(_ directory: String, _ repository: Repository) throws(StoreError) -> [FileID] {
        try repository.backend.list(directory).compactMap { FileID(hex: $0.name) }
    }

    /// Refuses what does not stand where its tips put it: its sequence is 1 + the highest of them. A tip that is gone
    /// may have been the highest.
    private mutating func refuseForged() {
        var sequences: [FileID: Int] = [:]
        sequences.reserveCapacity(manifests.count + records.count)
        for entry in manifests { sequences[entry.id] = entry.box.manifest.sequence }
        for saying in records { sequences[saying.id] = saying.record.sequence }
        func isForged(_ sequence: Int, _ tips: [FileID]) -> Bool {
            var highest = 0
            var isWhole = true
            for tip in tips {
                if let sequence = sequences[tip] { highest = max(highest, sequence) } else { isWhole = false }
            }
            return isWhole ? sequence != highest + 1 : sequence <= highest
        }
        func refusal(_ id: FileID, _ directory: String) -> SnapshotList.Unreadable {
            let error = StoreError(
                .damaged, "its sequence does not follow from its tips: it is forged", path: "\(directory)/\(id.hex)")
            return SnapshotList.Unreadable(id: id, directory: directory, error: error)
        }
        let forgedManifests = manifests.filter { isForged($0.box.manifest.sequence, $0.box.manifest.tips) }
        let forgedRecords = records.filter { isForged($0.record.sequence, $0.record.tips) }
        guard !forgedManifests.isEmpty || !forgedRecords.isEmpty else { return }
        let forged = Set(forgedManifests.map(\.id) + forgedRecords.map(\.id))
        manifests.removeAll { forged.contains($0.id) }
        records.removeAll { forged.contains($0.id) }
        unreadable += forgedManifests.map { refusal($0.id, RepositoryPath.manifests) }
        unreadable += forgedRecords.map { refusal($0.id, RepositoryPath.records) }
    }

    /// What a new manifest or record names as its tips, and its sequence.
    func tips() -> (tips: [FileID], nextSequence: Int) {
        var named: Set<FileID> = []
        for entry in manifests { named.formUnion(entry.box.manifest.tips) }
        for saying in records { named.formUnion(saying.record.tips) }
        var open = manifests.filter { !named.contains($0.id) }.map { ($0.box.manifest.sequence, $0.id) }
        open += records.filter { !named.contains($0.id) }.map { ($0.record.sequence, $0.id) }
        open.sort { $0 > $1 }
        return (open.prefix(FormatLimits.tipCount).map(\.1).sorted(), (open.first?.0 ?? 0) + 1)
    }
}
