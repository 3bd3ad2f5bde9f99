package import Varve

/// What a varve.toml says, checked.
package struct Configuration: Sendable {
    /// A scalar as people write it, so that options, variables and the file are understood by the same code. Paths are
    /// absolute.
    package typealias Values = [String: String]

    /// A part of the application.
    package struct Component: Sendable {
        package let name: String
        package let kind: ComponentKind
        package let type: String
        /// By the name of the key.
        package let values: Values
        package let lists: [String: [String]]
        /// The line for the shell, or the words of `command`.
        package let command: [String]

        /// Its files and directories, absolute.
        package var paths: [[UInt8]] { (lists["paths"] ?? []).map { Array($0.utf8) } }
    }

    /// A kind of run with a name.
    package struct Job: Sendable {
        package let name: String
        package let values: Values
        package let lists: [String: [String]]
        /// Empty without hooks of its own.
        package let hooks: Values
        /// Empty without rules of its own.
        package let retention: Values
        /// Its `retention.keep_tag`.
        package let keepTags: [String]

        package var hasRetention: Bool { !retention.isEmpty || !keepTags.isEmpty }
    }

    /// The file, absolute.
    package let file: [UInt8]
    /// Scalars outside the component and job tables, by their path.
    package let values: Values
    /// Lists outside those tables, by their path.
    package let lists: [String: [String]]
    package let components: [Component]
    package let jobs: [Job]

    /// The directory that relative paths start from, and commands too.
    package var directory: [UInt8] {
        let end = file.lastIndex(of: UInt8(ascii: "/")) ?? 0
        return end == 0 ? [UInt8(ascii: "/")] : Array(file[..<end])
    }

    /// The types that components have and `--type` understands, `full` aside.
    package var types: [String] { ["data", "database", "config"] + (lists["backup.types"] ?? []) }

    /// The job of a name.
    ///
    /// - Throws: `usage` if there is none.
    package func job(_ name: String) throws(StoreError) -> Job {
        if let job = jobs.first(where: { $0.name == name }) { return job }
        let names = jobs.map(\.name).joined(separator: ", ")
        throw StoreError(
            .usage, "there is no job \"\(name)\"", path: file,
            remedy: names.isEmpty ? "add a [[job]] table" : "the jobs are \(names)")
    }

    /// The components that a type and a choice select, in the order of the file.
    ///
    /// - Parameter only: names of components, or types; empty for all.
    /// - Throws: `usage` for a word that is neither, and if nothing is selected.
    package func components(type: String, only: [String]) throws(StoreError) -> [Component] {
        guard type == "full" || types.contains(type) else {
            throw StoreError(
                .usage, "there is no type \"\(type)\"", path: file,
                remedy: "take full, " + types.joined(separator: ", ") + ", or add it to backup.types")
        }
        for word in only {
            let isKnown = components.contains { $0.name == word } || types.contains(word)
            guard isKnown else {
                throw StoreError(
                    .usage, "there is no component \"\(word)\"", path: file,
                    remedy: "the components are " + components.map(\.name).joined(separator: ", "))
            }
        }
        let selected = components.filter { component in
            let fits = only.isEmpty || only.contains { word in
                word == component.name || (word == component.type && !components.contains { $0.name == word })
            }
            return fits && (type == "full" || component.type == type)
        }
        guard !selected.isEmpty else {
            throw StoreError(
                .usage, "no component is selected", path: file, remedy: "look at --type, --only and the job")
        }
        return selected
    }
}

/// Something in a varve.toml that is not right.
package struct ConfigurationMistake: Error, Sendable, Hashable {
    /// The file, absolute.
    package let file: [UInt8]
    /// nil where it concerns the file as a whole.
    package let line: Int?
    /// As in `component[1].paths`; nil for a mistake of syntax.
    package let key: String?
    package let message: String
    package let remedy: String

    /// As compilers write it, with the place in front.
    package var description: String {
        let place = String(decoding: file, as: UTF8.self) + (line.map { ":\($0)" } ?? "")
        return "\(place): \(key.map { $0 + ": " } ?? "")\(message) (\(remedy))"
    }

    /// All mistakes as one error.
    package static func error(_ mistakes: [ConfigurationMistake]) -> StoreError {
        guard let first = mistakes.first else { return StoreError(.usage, "the configuration is wrong") }
        let place = first.line.map { "line \($0): " } ?? ""
        let more = mistakes.count > 1 ? "; varve config check lists all \(mistakes.count) mistakes" : ""
        return StoreError(
            .usage, "the configuration: \(place)\(first.key.map { $0 + ": " } ?? "")\(first.message)", path: first.file,
            remedy: first.remedy + more)
    }
}
