import VarveFormat

/// What all records together say about each manifest.
struct StatementFold {
    /// For each manifest of the graph.
    private(set) var standings: [Snapshot.Standing]
    /// Interrupted snapshots that a manifest of the same job, host and paths stands for (FORMAT.md section 10).
    private(set) var replaced: Set<SnapshotID> = []
    /// Subjects whose latest tombstone was not taken back, whether their manifest is there or not.
    private(set) var tombstoned: Set<SnapshotID> = []
    /// Snapshots that some manifest says it stands for; of those that are gone nothing more can be checked.
    private var namedAsReplaced: Set<SnapshotID> = []
    private var accepted: Set<SnapshotID> = []

    init(_ graph: StatementGraph) {
        standings = Array(repeating: Snapshot.Standing(), count: graph.manifests.count)
        var positions: [SnapshotID: Int32] = [:]
        positions.reserveCapacity(graph.manifests.count)
        for (position, entry) in graph.manifests.enumerated() { positions[entry.id] = Int32(position) }
        // The latest comes last, and wins.
        for saying in graph.records {
            guard let statement = saying.record.statement else { continue }
            for subject in saying.record.subjects {
                take(statement, saying.record.time, subject, positions[subject].map(Int.init))
            }
        }
        findReplaced(graph, positions)
    }

    private mutating func take(_ statement: Statement, _ time: Timestamp, _ subject: SnapshotID, _ position: Int?) {
        switch statement {
        case .tombstone(let reason):
            tombstoned.insert(subject)
            if let position { standings[position].deletion = Deletion(time: time, reason: reason) }
        case .undelete:
            tombstoned.remove(subject)
            if let position { standings[position].deletion = nil }
        case .accepted: accepted.insert(subject)
        case .verified(let level, let result):
            if let position {
                standings[position].verification = Verification(time: time, level: level, result: result)
            }
        case .drilled(let result):
            if let position { standings[position].drill = Drilled(time: time, result: result) }
        case .pin(let isPinned): if let position { standings[position].isPinned = isPinned }
        case .hold(let until): if let position { standings[position].holdUntil = until }
        case .tag(let change): if let position { standings[position].tagChanges.append(change) }
        }
    }

    private mutating func findReplaced(_ graph: StatementGraph, _ positions: [SnapshotID: Int32]) {
        for entry in graph.manifests where !entry.box.manifest.replaces.isEmpty {
            let manifest = entry.box.manifest
            for id in manifest.replaces {
                namedAsReplaced.insert(id)
                guard let position = positions[id] else { continue }
                let old = graph.manifests[Int(position)].box.manifest
                guard old.state == .interrupted, old.job == manifest.job, old.host == manifest.host,
                    old.paths == manifest.paths
                else { continue }
                replaced.insert(id)
            }
        }
    }

    /// Whether a manifest that is gone went as it should.
    func explainsLoss(of id: SnapshotID) -> Bool {
        tombstoned.contains(id) || accepted.contains(id) || namedAsReplaced.contains(id)
    }
}
