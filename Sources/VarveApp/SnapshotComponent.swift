package import Varve
package import VarveFormat

/// A component as a manifest has it.
package struct SnapshotComponent: Sendable {
    package let name: String
    package let type: String
    package let kind: String
    package let paths: [[UInt8]]

    /// The components of a snapshot; those that make no sense are left out.
    package static func all(_ manifest: Manifest) -> [SnapshotComponent] {
        manifest.components.compactMap { value in
            guard let name = value["name"]?.stringValue else { return nil }
            return SnapshotComponent(
                name: name, type: value["type"]?.stringValue ?? "", kind: value["kind"]?.stringValue ?? "",
                paths: (value["paths"]?.arrayValue ?? []).compactMap { try? FileNameJSON.decode($0) })
        }
    }

    /// Those that words choose, by name or by type.
    ///
    /// - Parameter type: `full` or nil for every type.
    /// - Throws: `notFound` if the snapshot has none of a word.
    package static func chosen(
        _ words: [String], type: String?, from all: [SnapshotComponent]
    ) throws(StoreError) -> [SnapshotComponent] {
        let names = Set(all.map(\.name))
        func fits(_ component: SnapshotComponent, _ word: String) -> Bool {
            component.name == word || (component.type == word && !names.contains(word))
        }
        let remedy = all.isEmpty
            ? "it was made of paths: name one behind a colon, or use --include"
            : "its components are " + all.map { "\($0.name) (\($0.type))" }.joined(separator: ", ")
        for word in words where !all.contains(where: { fits($0, word) }) {
            throw StoreError(.notFound, "the snapshot has no component \"\(word)\"", remedy: remedy)
        }
        let chosen = all.filter { component in
            (words.isEmpty || words.contains { fits(component, $0) })
                && (type == nil || type == "full" || component.type == type)
        }
        guard !chosen.isEmpty else {
            throw StoreError(.notFound, "the snapshot has no such component", remedy: remedy)
        }
        return chosen
    }

    /// Rules that let a restore touch some components and nothing else.
    package static func rules(
        _ chosen: [SnapshotComponent], of all: [SnapshotComponent]
    ) throws(StoreError) -> [PathRule] {
        let names = Set(chosen.map(\.name))
        var rules: [(path: [UInt8], rule: PathRule)] = []
        for component in all {
            let isChosen = names.contains(component.name)
            // What SQLite keeps beside a database goes where that goes.
            let isDatabase = component.kind == ComponentKind.sqlite.rawValue && !isChosen
            let paths = isDatabase ? component.paths.flatMap(SQLiteSource.names) : component.paths
            for path in paths where path.count > 1 {
                let rule = try PathRule(
                    ExactPattern.text(path), origin: .option("--only"), action: isChosen ? .forceInclude : .exclude)
                rules.append((path, rule))
            }
        }
        // One that lies in another is decided after that.
        return rules.sorted { $0.path.count < $1.path.count }.map(\.rule)
    }
}
