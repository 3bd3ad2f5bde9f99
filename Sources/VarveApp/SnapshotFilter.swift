package import Varve
package import VarveFormat

/// Which snapshots a command looks at. A filter given more than once takes what fits any of its values; different
/// filters must all fit.
package struct SnapshotFilter: Sendable {
    package var hosts: [String] = []
    package var tags: [String] = []
    package var names: [String] = []
    package var types: [String] = []
    package var jobs: [String] = []
    /// Captured paths, absolute; a snapshot fits if it captured one of them.
    package var paths: [[UInt8]] = []
    package var since: Timestamp?
    package var until: Timestamp?

    package init() {}

    package var isEmpty: Bool {
        hosts.isEmpty && tags.isEmpty && names.isEmpty
            && types.isEmpty && jobs.isEmpty && paths.isEmpty && since == nil && until == nil
    }

    package func matches(_ snapshot: SnapshotCandidate) -> Bool {
        if !hosts.isEmpty, !hosts.contains(snapshot.host) { return false }
        if !tags.isEmpty, !tags.contains(where: snapshot.tags.contains) { return false }
        if !names.isEmpty, !names.contains(where: { $0 == snapshot.name }) { return false }
        if !types.isEmpty, !types.contains(where: { $0 == snapshot.type }) { return false }
        if !jobs.isEmpty, !jobs.contains(where: { $0 == snapshot.job }) { return false }
        if !paths.isEmpty, !paths.contains(where: snapshot.paths.contains) { return false }
        if let since, snapshot.time < since { return false }
        if let until, snapshot.time > until { return false }
        return true
    }

    /// The moment that `--since` or `--until` names: a date as in `@DATE`, with or without the `@`, or how long ago.
    ///
    /// - Throws: `usage` for anything else.
    package static func moment(_ text: String, endOfDay: Bool) throws(StoreError) -> Timestamp {
        if let age = try? DurationText.parse(text) {
            let now = Timestamp.now()
            return Timestamp(seconds: now.seconds - min(age, now.seconds), nanoseconds: now.nanoseconds)
        }
        let date = try DateText(text.hasPrefix("@") ? String(text.dropFirst()) : text)
        return endOfDay ? date.end : date.start
    }
}
