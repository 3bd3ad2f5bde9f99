import VarveFormat

/// What a manifest says of a database, for people.
enum DatabaseText {
    /// Tables that are shown at most.
    private static let tableLimit = 20

    static func lines(_ database: JSONValue, _ output: Output) -> [(String, String)] {
        guard let path = database["path"].flatMap({ try? FileNameJSON.decode($0) }) else { return [] }
        var parts = [output.show(path), HumanText.size(number(database, "size"))]
        if database["kind"]?.stringValue == "postgres" { return postgres(database, parts, output) }
        if let capture = database["capture"]?.stringValue {
            parts.append(capture == "online" ? "captured with its log" : "captured as it lay there")
        }
        if let integrity = database["integrity"]?.stringValue { parts.append("integrity " + output.safe(integrity)) }
        var lines = [("database", parts.joined(separator: ", "))]
        guard database["page_size"] != nil else { return lines }
        let pages = number(database, "page_count")
        let free = HumanText.percent(Double(number(database, "free_pages")), of: Double(max(1, pages)))
        lines.append((
            "  version",
            "\(number(database, "user_version")), \(HumanText.count(pages, "page")) of "
                + "\(number(database, "page_size")) bytes, \(free) free"
        ))
        return lines + self.tables(database, output)
    }

    private static func postgres(_ database: JSONValue, _ parts: [String], _ output: Output) -> [(String, String)] {
        let text = { (key: String) in output.safe(database[key]?.stringValue ?? "?") }
        let lines = [
            ("database", (parts + ["a \(text("format")) dump of \(text("database"))"]).joined(separator: ", ")),
            ("  version", "PostgreSQL \(text("server_version")), \(text("encoding")), by \(text("program"))"),
        ]
        return lines + tables(database, output)
    }

    private static func tables(_ database: JSONValue, _ output: Output) -> [(String, String)] {
        var lines: [(String, String)] = []
        let tables = (database["tables"]?.objectValue ?? [:]).sorted { $0.key < $1.key }
        for (name, rows) in tables.prefix(tableLimit) {
            let count = rows.integerValue.map { HumanText.count($0, "row") } ?? "not counted"
            lines.append(("  table", "\(output.safe(name)): \(count)"))
        }
        if tables.count > tableLimit { lines.append(("  table", "\(tables.count - tableLimit) more")) }
        return lines
    }

    private static func number(_ database: JSONValue, _ key: String) -> Int64 { database[key]?.integerValue ?? 0 }
}
