import Varve

/// One key of varve.toml. `ConfigurationKeys` holds them all; the reader, the environment and docs/CONFIGURATION.md are
/// made from that one table.
package struct ConfigurationKey: Sendable, Hashable {
    /// What a value has to look like.
    package enum Form: Sendable, Hashable {
        case text
        /// Letters, digits, `.`, `_` and `-`.
        case name
        case tag
        case word([String])
        case path
        /// A line for the shell.
        case shell
        /// A line for the shell, or a list of a program and its arguments.
        case command
        case integer(ClosedRange<Int>)
        case duration
        case size
        case flag
        case percent
        /// A count or a duration: how much a keep rule keeps.
        case span
        case compression
        case grouping
        /// A rule in gitignore syntax.
        case pattern
        case excludeSet
        /// The name of a file, without a slash.
        case fileName
        /// Further keys.
        case table
    }

    /// The table that it stands in; empty for the top of the file.
    package let table: String
    package let name: String
    package let form: Form
    package let isList: Bool
    /// What holds without it, as people write it; `-` for nothing.
    package let standard: String
    /// The component kinds that have it; empty for all.
    package let kinds: [ComponentKind]
    /// What it says, for the documentation.
    package let summary: String

    init(
        _ table: String, _ name: String, _ form: Form, list isList: Bool = false, standard: String = "-",
        kinds: [ComponentKind] = [], _ summary: String
    ) {
        self.table = table
        self.name = name
        self.form = form
        self.isList = isList
        self.standard = standard
        self.kinds = kinds
        self.summary = summary
    }

    /// As in `retention.keep_last`.
    package var path: String { table.isEmpty ? name : table + "." + name }

    /// The variable that stands for it: every scalar outside the component and job tables has one.
    package var variable: String? {
        let root = table.prefix { $0 != "." }
        guard !isList, form != .table, root != "component", root != "job" else { return nil }
        return "VARVE_" + path.map { $0 == "." ? "_" : String($0).uppercased() }.joined()
    }

    /// A shorter variable for the same.
    package var shortVariable: String? {
        path == "retention.max_age" || path == "retention.max_count" ? "VARVE_\(name.uppercased())" : nil
    }
}

/// What a component is captured as.
package enum ComponentKind: String, Sendable, CaseIterable {
    case files
    case sqlite
    case postgres
    case command
    case directoryDatabase = "dir-db"

    /// The type of a component that does not say it.
    package var standardType: String {
        switch self {
        case .files, .command: "data"
        case .sqlite, .postgres, .directoryDatabase: "database"
        }
    }
}

extension ConfigurationKey.Form {
    /// What a value should be, behind "expected".
    package var expectation: String {
        switch self {
        case .text: "a text"
        case .name: "a name of letters, digits, \".\", \"_\" and \"-\""
        case .tag: "a tag without commas and control characters"
        case .word(let words): "one of " + words.joined(separator: ", ")
        case .path: "a path"
        case .shell: "a line for the shell"
        case .command: "a line for the shell, or a list of a program and its arguments"
        case .integer(let range):
            range.upperBound == Int.max
                ? "a whole number from \(range.lowerBound)"
                : "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .duration: "a duration like \"90s\", \"5m\" or \"1d12h\""
        case .size: "a size like \"500M\" or \"2GiB\""
        case .flag: "true or false"
        case .percent: "a percentage like \"5%\""
        case .span: "a number, a duration like \"90d\", or \"all\""
        case .compression: "a level from 1 to 19, or \"off\""
        case .grouping: "host, job, paths and tags with commas between them, or none"
        case .pattern: "a pattern in gitignore syntax"
        case .excludeSet: "one of " + ExcludeSets.names.joined(separator: ", ")
        case .fileName: "the name of a file"
        case .table: "a table"
        }
    }

    /// What a user of the documentation reads.
    package var title: String {
        switch self {
        case .text: "text"
        case .name: "name"
        case .tag: "tag"
        case .word(let words): words.map { "`\($0)`" }.joined(separator: ", ")
        case .path: "path"
        case .shell: "shell line"
        case .command: "shell line, or list of words"
        case .integer(let range):
            range.upperBound == Int.max ? "number from \(range.lowerBound)"
                : "number, \(range.lowerBound) to \(range.upperBound)"
        case .duration: "duration"
        case .size: "size"
        case .flag: "`true`, `false`"
        case .percent: "percentage"
        case .span: "number, duration or `all`"
        case .compression: "1 to 19, or `off`"
        case .grouping: "`host,job,paths,tags` or `none`"
        case .pattern: "pattern"
        case .excludeSet: "exclude set"
        case .fileName: "file name"
        case .table: "table"
        }
    }

    /// Whether a text is a value of this form; what is wrong with it otherwise.
    package func problem(_ text: String) -> String? {
        switch self {
        case .text, .path, .shell, .command, .table:
            if text.isEmpty { return "is empty" }
            return text.unicodeScalars.contains("\0") ? "holds a NUL" : nil
        case .pattern: return Self.failure { () throws(StoreError) in
            _ = try PathRule(Array(text.utf8), origin: .option("exclude"))
        }
        case .duration: return Self.failure { () throws(StoreError) in _ = try DurationText.parse(text) }
        case .size: return Self.failure { () throws(StoreError) in _ = try SizeText.parse(text) }
        case .percent: return Self.failure { () throws(StoreError) in _ = try RetentionRules.percent(text) }
        case .span: return Self.failure { () throws(StoreError) in _ = try RetentionRules.span(text) }
        case .grouping: return Self.failure { () throws(StoreError) in _ = try RetentionRules.grouping(text) }
        default: return isValue(text) ? nil : "\"\(text)\" is not \(expectation)"
        }
    }

    private func isValue(_ text: String) -> Bool {
        switch self {
        case .name: Self.isName(text)
        case .tag: SnapshotEditor.isTag(text)
        case .word(let words): words.contains(text)
        case .integer(let range): Int(text).map(range.contains) ?? false
        case .flag: text == "true" || text == "false"
        case .compression: text == "off" || Int(text).map((1...19).contains) ?? false
        case .excludeSet: ExcludeSets.names.contains(text)
        case .fileName: !text.isEmpty && text != "." && text != ".." && !text.contains("/") && !text.contains("\0")
        default: true
        }
    }

    private static func isName(_ text: String) -> Bool {
        let marks = [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")]
        let isWord = text.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || byte &- UInt8(ascii: "0") < 10
                || marks.contains(byte)
        }
        return isWord && !text.isEmpty && text.utf8.count <= 64 && text.utf8.first != UInt8(ascii: ".")
            && text.utf8.first != UInt8(ascii: "-")
    }

    private static func failure(_ body: () throws(StoreError) -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return error.message
        }
    }
}
