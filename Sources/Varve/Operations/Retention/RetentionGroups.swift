import VarveFormat

/// What the snapshots of a group have in common; nil for what does not make groups.
public struct RetentionGroupKey: Hashable, Sendable {
    /// The host.
    public let host: String?
    /// The job; empty for snapshots without one.
    public let job: String?
    /// The captured paths, sorted.
    public let paths: [[UInt8]]?
    /// The tags, sorted.
    public let tags: [String]?

    init(_ candidate: RetentionCandidate, _ grouping: Set<RetentionPolicy.Grouping>) {
        host = grouping.contains(.host) ? candidate.host : nil
        job = grouping.contains(.job) ? candidate.job ?? "" : nil
        paths = grouping.contains(.paths) ? candidate.paths.sorted { $0.lexicographicallyPrecedes($1) } : nil
        tags = grouping.contains(.tags) ? candidate.tags.sorted() : nil
    }

    /// Bytes that put groups in order.
    fileprivate var order: [UInt8] {
        let names = [host ?? "", job ?? ""].map { Array($0.utf8) }
        let parts = names + (paths ?? []) + (tags ?? []).map { Array($0.utf8) }
        return Array(parts.joined(separator: [0]))
    }
}

enum RetentionGroups {
    /// The numbers of the candidates of each group, the groups in order of host, job, paths and tags.
    static func split(
        _ numbers: some Sequence<Int>, _ candidates: [RetentionCandidate], by grouping: Set<RetentionPolicy.Grouping>
    ) -> [(key: RetentionGroupKey, members: [Int])] {
        var groups: [RetentionGroupKey: [Int]] = [:]
        for number in numbers { groups[RetentionGroupKey(candidates[number], grouping), default: []].append(number) }
        return groups.map { (order: $0.key.order, key: $0.key, members: $0.value) }
            .sorted { $0.order.lexicographicallyPrecedes($1.order) }
            .map { ($0.key, $0.members) }
    }
}
