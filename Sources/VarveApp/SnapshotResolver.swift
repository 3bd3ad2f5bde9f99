package import Varve
package import VarveFormat

/// What references and filters look at in a snapshot.
package struct SnapshotCandidate: Sendable {
    package var id: SnapshotID
    package var time: Timestamp
    package var alias: String?
    package var name: String?
    package var host = ""
    package var type: String?
    package var job: String?
    package var tags: [String] = []
    package var paths: [[UInt8]] = []
    /// Neither a checkpoint nor a safety snapshot, which `latest` and `@DATE` skip.
    package var isOrdinary = true
    /// Its newest verification passed.
    package var isValid = false

    package init(id: SnapshotID, time: Timestamp) {
        self.id = id
        self.time = time
    }
}

/// Finds the snapshot that a reference names.
package struct SnapshotResolver: Sendable {
    /// All snapshots, newest first.
    private let all: [SnapshotCandidate]
    /// Those that `latest` and `@DATE` choose from, newest first.
    private let ordinary: [SnapshotCandidate]

    /// - Parameters:
    ///   - snapshots: in any order.
    ///   - filter: narrows `latest` and `@DATE`; ids and names find any snapshot.
    package init(_ snapshots: [SnapshotCandidate], filter: SnapshotFilter = SnapshotFilter()) {
        all = snapshots.sorted { $0.time != $1.time ? $0.time > $1.time : $0.id > $1.id }
        ordinary = all.filter { $0.isOrdinary && filter.matches($0) }
    }

    /// The id of the snapshot.
    ///
    /// - Parameter nearest: for `@DATE`, the closest before or after instead of the newest not after.
    /// - Throws: `notFound`; `ambiguous` if a name or prefix fits more than one, naming them.
    package func resolve(_ reference: SnapshotReference, nearest: Bool = false) throws(StoreError) -> SnapshotID {
        switch reference.form {
        case .latest(let back):
            guard back < ordinary.count else {
                throw missing(reference, ordinary.isEmpty ? nil : "there are only \(ordinary.count)")
            }
            return ordinary[back].id
        case .latestValid:
            guard let found = ordinary.first(where: \.isValid) else {
                throw missing(reference, "run varve verify first")
            }
            return found.id
        case .at(let date):
            let found = nearest ? closest(to: date) : ordinary.first { $0.time <= date.end }
            guard let found else {
                throw missing(reference, nearest ? nil : "all are newer; --nearest takes the closest")
            }
            return found.id
        case .word(let text): return try resolve(word: text, reference)
        }
    }

    private func resolve(word: String, _ reference: SnapshotReference) throws(StoreError) -> SnapshotID {
        if let id = SnapshotID(hex: word.lowercased()), all.contains(where: { $0.id == id }) { return id }
        if SnapshotReference.isAlias(word) {
            if let found = try unique(all.filter { $0.alias == word }, "alias", word) { return found }
            throw missing(reference, nil)
        }
        if let found = try unique(all.filter { $0.name == word }, "name", word) { return found }
        if SnapshotReference.isPrefix(word) {
            let prefix = word.lowercased()
            let matches = all.filter { $0.id.hex.hasPrefix(prefix) }
            if let found = try unique(matches, "id prefix", word) { return found }
        }
        throw missing(reference, nil)
    }

    private func unique(
        _ matches: [SnapshotCandidate], _ what: String, _ text: String
    ) throws(StoreError) -> SnapshotID? {
        guard matches.count > 1 else { return matches.first?.id }
        let list = matches.prefix(8).map { "\($0.id.hex.prefix(16)) of \(LocalTime.text($0.time))" }
        let more = matches.count > 8 ? " and \(matches.count - 8) more" : ""
        throw StoreError(
            .ambiguous, "\(matches.count) snapshots have the \(what) \"\(text)\": "
                + list.joined(separator: ", ") + more, remedy: "name the one that you mean by its id")
    }

    private func closest(to date: DateText) -> SnapshotCandidate? {
        ordinary.min { distance($0.time, date) < distance($1.time, date) }
    }

    private func distance(_ time: Timestamp, _ date: DateText) -> Double {
        if time < date.start { return seconds(date.start) - seconds(time) }
        return time > date.end ? seconds(time) - seconds(date.end) : 0
    }

    private func seconds(_ time: Timestamp) -> Double { Double(time.seconds) + Double(time.nanoseconds) / 1e9 }

    private func missing(_ reference: SnapshotReference, _ why: String?) -> StoreError {
        if all.isEmpty {
            return StoreError(.notFound, "there is no snapshot \"\(reference.text)\": the repository is empty")
        }
        return StoreError(
            .notFound, "there is no snapshot \"\(reference.text)\"", remedy: why ?? "varve list shows them all")
    }
}
