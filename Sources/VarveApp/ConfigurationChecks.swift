import Varve

/// What has to hold between keys: required ones, kinds and their keys, names that exist.
enum ConfigurationChecks {
    typealias Table = ConfigurationReader.Table

    static func checked(
        _ values: Configuration.Values, _ lists: [String: [String]], _ components: [Table], _ jobs: [Table],
        _ reader: inout ConfigurationReader
    ) -> Configuration {
        general(values, lists, &reader)
        let read = components.compactMap { component($0, &reader) }
        let configuration = Configuration(
            file: reader.file, values: values, lists: lists, components: read, jobs: jobs.compactMap {
                job($0, &reader)
            })
        names(components, "component", &reader)
        names(jobs, "job", &reader)
        paths(components, &reader)
        types(configuration, components, jobs, &reader)
        return configuration
    }

    private static func general(
        _ values: Configuration.Values, _ lists: [String: [String]], _ reader: inout ConfigurationReader
    ) {
        if values["password_file"] != nil, values["password_command"] != nil {
            reader.add("password_command", "there is a password_file too", "keep one of them")
        }
        let versions = ["app_version", "app_version_file", "app_version_command"].map { "backup." + $0 }
        let given = versions.filter { values[$0] != nil }
        for key in given.dropFirst() { reader.add(key, "there is \(given[0]) too", "keep one of them") }
        if values["validation.policy"] != nil, values["validation.command"] == nil {
            reader.add("validation.policy", "there is no validation.command", "add it, or take this out")
        }
        for (index, word) in (lists["backup.types"] ?? []).enumerated() where word == "full" {
            reader.add("backup.types[\(index)]", "full stands for all types", "choose another word")
        }
    }

    // MARK: components

    private static func component(_ table: Table, _ reader: inout ConfigurationReader) -> Configuration.Component? {
        let path = table.path
        if table.values["name"] == nil { missing("name", "a component", table, &reader) }
        guard let word = table.values["kind"], let kind = ComponentKind(rawValue: word) else {
            let forms = ComponentKind.allCases.map(\.rawValue).joined(separator: ", ")
            if !reader.hasMistake("\(path).kind") {
                reader.add("\(path).kind", "is missing", "say how it is captured: \(forms)")
            }
            return nil
        }
        for key in ConfigurationKeys.keys(of: "component") where !key.kinds.isEmpty && !key.kinds.contains(kind) {
            let isThere = table.values[key.name] != nil || table.lists[key.name] != nil
                || (key.name == "command" && !table.command.isEmpty)
            guard isThere else { continue }
            let kinds = key.kinds.map(\.rawValue).joined(separator: " and ")
            reader.add("\(path).\(key.name)", "does not belong to kind \(word)", "it is for \(kinds); take it out")
        }
        if kind == .postgres, let text = table.values["database"], !reader.hasMistake("\(path).database") {
            do throws(StoreError) {
                _ = try PostgresAddress(text)
            } catch { reader.add("\(path).database", error.message, error.remedy ?? "correct it") }
        }
        required(kind, table, &reader)
        if table.values["validate_policy"] != nil, table.values["validate"] == nil {
            reader.add("\(path).validate_policy", "there is no validate", "add it, or take this out")
        }
        let command = table.values["command"].map { ["/bin/sh", "-c", $0] } ?? table.command
        return Configuration.Component(
            name: table.values["name"] ?? "", kind: kind, type: table.values["type"] ?? kind.standardType,
            values: table.values, lists: table.lists, command: command)
    }

    private static func required(_ kind: ComponentKind, _ table: Table, _ reader: inout ConfigurationReader) {
        switch kind {
        case .files, .sqlite, .directoryDatabase:
            guard let paths = table.lists["paths"] else {
                return missing("paths", "kind \(kind.rawValue)", table, &reader)
            }
            if paths.isEmpty { reader.add("\(table.path).paths", "is empty", "name a file or directory") }
        case .command:
            let line = table.values["command"]
            if line == nil, table.command.isEmpty {
                guard !reader.hasMistake("\(table.path).command") else { return }
                let isEmpty = reader.hasKey("\(table.path).command")
                reader.add("\(table.path).command", isEmpty ? "is empty" : "is missing", "name the command to run")
            }
        case .postgres:
            if table.values["database"] == nil { missing("database", "kind postgres", table, &reader) }
        }
    }

    private static func missing(
        _ key: String, _ what: String, _ table: Table, _ reader: inout ConfigurationReader
    ) {
        guard !reader.hasMistake("\(table.path).\(key)") else { return }
        reader.add("\(table.path).\(key)", "is missing", "\(what) needs it")
    }

    /// No path may be in two components: which one would restore it?
    private static func paths(_ components: [Table], _ reader: inout ConfigurationReader) {
        var holders: [String: String] = [:]
        for table in components {
            for (index, path) in (table.lists["paths"] ?? []).enumerated() {
                if let holder = holders[path] {
                    reader.add("\(table.path).paths[\(index)]", "\(path) is in \(holder) too", "name it once")
                } else {
                    holders[path] = table.path
                }
            }
        }
    }

    // MARK: jobs

    private static func job(_ table: Table, _ reader: inout ConfigurationReader) -> Configuration.Job? {
        if table.values["name"] == nil { missing("name", "a job", table, &reader) }
        let retention = table.tables["retention"]
        return Configuration.Job(
            name: table.values["name"] ?? "", values: table.values, lists: table.lists,
            hooks: table.tables["hooks"]?.values ?? [:], retention: retention?.values ?? [:],
            keepTags: retention?.lists["keep_tag"] ?? [])
    }

    private static func names(_ tables: [Table], _ what: String, _ reader: inout ConfigurationReader) {
        var holders: [String: String] = [:]
        for table in tables {
            guard let name = table.values["name"] else { continue }
            if let holder = holders[name] {
                reader.add("\(table.path).name", "\(holder) has the name \(name) too", "every \(what) needs its own")
            } else {
                holders[name] = table.path
            }
        }
    }

    /// Every type and every word of `only` must stand for something.
    private static func types(
        _ configuration: Configuration, _ components: [Table], _ jobs: [Table], _ reader: inout ConfigurationReader
    ) {
        let types = configuration.types
        let remedy = "take " + types.joined(separator: ", ") + ", or add it to backup.types"
        for table in components {
            guard let type = table.values["type"], !types.contains(type) else { continue }
            reader.add("\(table.path).type", "there is no type \"\(type)\"", remedy)
        }
        let chosen = jobs.map { ("\($0.path).type", $0.values["type"]) }
            + [("backup.type", configuration.values["backup.type"])]
        for (key, type) in chosen {
            guard let type, type != "full", !types.contains(type) else { continue }
            reader.add(key, "there is no type \"\(type)\"", "full, or " + remedy)
        }
        let names = components.compactMap { $0.values["name"] }
        for table in jobs {
            for (index, word) in (table.lists["only"] ?? []).enumerated()
            where !names.contains(word) && !types.contains(word) {
                reader.add(
                    "\(table.path).only[\(index)]", "there is no component \"\(word)\"",
                    names.isEmpty ? "add a [[component]] table" : "the components are " + names.joined(separator: ", "))
            }
        }
    }
}
