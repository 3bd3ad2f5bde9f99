import Varve

/// A varve.toml for an application, made from a look into its directory, for its people to edit.
package struct ConfigurationProposal {
    private let survey: ApplicationSurvey
    private let repository: String
    private let secrets: [(key: String, value: String)]
    private var lines: [String] = []
    private var names: Set<String> = []

    /// - Parameters:
    ///   - repository: as it is to stand in the file.
    ///   - secrets: where the password and the key come from, by the keys of the file.
    package init(_ survey: ApplicationSurvey, repository: String, secrets: [(key: String, value: String)]) {
        self.survey = survey
        self.repository = repository
        self.secrets = secrets
    }

    /// The text of the file.
    package func text() -> String {
        var copy = self
        copy.write()
        return copy.lines.joined(separator: "\n") + "\n"
    }

    private mutating func write() {
        lines = [
            "# What varve saves of this application. Proposed by varve init --app; edit it, then run",
            "# varve config check. docs/CONFIGURATION.md explains every key. Relative paths start here.", "",
            "repository = \(Self.quoted(repository))",
        ]
        lines += secrets.map { "\($0.key) = \(Self.quoted($0.value))" }
        if secrets.isEmpty {
            lines.append("# key_file = \"/etc/varve.key\"          # or password_file, or password_command")
        }
        writeGeneral()
        writeFiles()
        for file in survey.sqliteFiles {
            component(name(of: file, "database"), "sqlite", "database", paths([file]))
        }
        for directory in survey.databaseDirectories { writeDatabase(directory) }
        writePostgres()
        writeJobs()
    }

    private mutating func writeGeneral() {
        lines += ["", "[backup]"]
        if !survey.excludeSets.isEmpty { lines.append("exclude_set = \(Self.list(survey.excludeSets.sorted()))") }
        if survey.hasNodeModules { lines.append("exclude = [\"node_modules/\"]") }
        if let file = survey.versionFile { lines.append("app_version_file = \(Self.quoted(file) ?? "")") }
        lines += [
            "", "# What stays when varve forget runs; without rules it drops nothing.", "[retention]",
            "keep_daily = 7", "keep_weekly = 4", "keep_monthly = 12", "",
            "# Commands around backups and restores, run here by /bin/sh. If before_backup fails, there is no backup.",
            "[hooks]", "timeout = \"10m\"",
        ]
        if survey.composeFile != nil {
            lines += [
                "# before_restore = \"docker compose stop\"", "# after_restore = \"docker compose start\"",
            ]
        }
        lines.append("# on_failure = \"echo \\\"$VARVE_ERROR\\\" | mail -s 'backup failed' root\"")
    }

    private mutating func writeFiles() {
        lines += ["", "# Everything in this directory that no other component has."]
        component("files", "files", "data", ["paths = [\".\"]"])
        if !survey.uploadDirectories.isEmpty {
            component("uploads", "files", "data", paths(survey.uploadDirectories))
        }
        if !survey.configFiles.isEmpty { component("settings", "files", "config", paths(survey.configFiles)) }
    }

    private mutating func writeDatabase(_ directory: [UInt8]) {
        lines += ["", "# A database that is a directory: say how it is to keep still while it is read."]
        component(
            name(of: directory, "database"), "dir-db", "database",
            paths([directory]) + ["# quiesce = \"...\"", "# resume = \"...\""])
    }

    private mutating func writePostgres() {
        guard let hint = survey.postgresHint else { return }
        lines += ["", "# \(Self.quoted(hint) ?? "A file") names a PostgreSQL server. Give the name of its database:"]
        component(unique("postgres"), "postgres", "database", ["database = \"app\""], isComment: true)
    }

    private mutating func writeJobs() {
        lines += ["", "# varve backup --job nightly"]
        lines += ["[[job]]", "name = \"nightly\"", "kind = \"quick\""]
        guard !survey.databaseDirectories.isEmpty || !survey.sqliteFiles.isEmpty else { return }
        lines += ["", "[[job]]", "name = \"databases\"", "type = \"database\""]
    }

    private mutating func component(
        _ name: String, _ kind: String, _ type: String, _ keys: [String], isComment: Bool = false
    ) {
        names.insert(name)
        let text = ["[[component]]", "name = \"\(name)\"", "kind = \"\(kind)\"", "type = \"\(type)\""] + keys
        if lines.last?.hasPrefix("#") != true { lines.append("") }
        lines += isComment ? text.map { "# " + $0 } : text
    }

    private func paths(_ paths: [[UInt8]]) -> [String] {
        let quoted = paths.compactMap { Self.quoted($0) }
        var result: [String] = []
        if quoted.count < paths.count {
            result.append("# \(paths.count - quoted.count) more have names that are not UTF-8, which TOML cannot hold")
        }
        guard quoted.count > 3 else { return result + ["paths = [\(quoted.joined(separator: ", "))]"] }
        return result + ["paths = ["] + quoted.map { "    \($0)," } + ["]"]
    }

    /// A name from that of a file.
    private func name(of path: [UInt8], _ fallback: String) -> String {
        let file = String(decoding: path.split(separator: UInt8(ascii: "/")).last ?? [], as: UTF8.self)
        let stem = file.prefix { $0 != "." }
        let isName = ConfigurationKey.Form.name.problem(String(stem)) == nil
        return unique(isName ? String(stem) : fallback)
    }

    private func unique(_ name: String) -> String {
        guard names.contains(name) else { return name }
        var number = 2
        while names.contains("\(name)-\(number)") { number += 1 }
        return "\(name)-\(number)"
    }

    private static func list(_ texts: [String]) -> String { "[" + texts.map(quoted).joined(separator: ", ") + "]" }

    private static func quoted(_ path: [UInt8]) -> String? {
        String(validating: path, as: UTF8.self).map { quoted($0) }
    }

    /// A basic string of TOML.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\" + String(scalar)
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
