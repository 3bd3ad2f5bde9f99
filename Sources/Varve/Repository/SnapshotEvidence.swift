import VarveFormat

/// What this machine's memory says about a repository as it is now (FORMAT.md section 10).
struct SnapshotEvidence: Sendable {
    /// Seen at this place, gone, and nothing explains it.
    var vanished: [SnapshotID] = []
    /// Later statements were seen at this place.
    var isRolledBack = false
    /// Seen at other places, not here, and nothing explains it.
    var behind = 0
}

extension ClientMemory {
    /// Compares what was seen with what there is, and remembers what is new.
    ///
    /// - Parameters:
    ///   - highest: sequence of all statements that there are.
    ///   - explainsLoss: whether a manifest that is gone went as it should.
    func compare(
        with graph: StatementGraph, highest: Int, explains explainsLoss: (SnapshotID) -> Bool
    ) -> SnapshotEvidence {
        var evidence = SnapshotEvidence()
        var explained: [SnapshotID] = []
        for id in remembered where !graph.hasFile(id) {
            if explainsLoss(id) { explained.append(id) } else { evidence.vanished.append(id) }
        }
        evidence.vanished.sort()
        forget(explained)
        remember(graph.manifests.map(\.id))
        let known = highestSequence
        evidence.isRolledBack = highest < known
        if highest > known { setHighestSequence(highest) }
        evidence.behind = countElsewhere { id in
            graph.hasFile(id) || explainsLoss(id) || firstSeen(id) != nil
        }
        return evidence
    }
}

extension StatementGraph {
    /// Whether there is a manifest of this name, whatever it holds.
    func hasFile(_ id: SnapshotID) -> Bool {
        var low = 0
        var high = present.count
        while low < high {
            let middle = (low + high) / 2
            if present[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low < present.count && present[low] == id
    }
}
