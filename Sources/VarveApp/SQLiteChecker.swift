import CSys
package import Varve
package import VarveFormat

/// Compares restored SQLite databases with what their snapshot says of them.
package final class SQLiteChecker: ContentChecker {
    /// How closely it looks.
    package enum Depth: Sendable {
        /// At databases of which the snapshot says what is in them; their structure only roughly.
        case described
        /// At every database of the snapshot, and at everything in it.
        case everything
    }

    package let paths: Set<[UInt8]>
    private let records: [[UInt8]: [String: JSONValue]]
    private let depth: Depth

    /// Reads the `databases` of a manifest; nil if there is nothing to look at.
    package init?(_ databases: [JSONValue], _ depth: Depth) {
        var records: [[UInt8]: [String: JSONValue]] = [:]
        for value in databases {
            guard let record = value.objectValue, record["kind"]?.stringValue == "sqlite",
                let path = record["path"].flatMap({ try? FileNameJSON.decode($0) }),
                depth == .everything || record["integrity"] != nil
            else { continue }
            records[path] = record
        }
        if records.isEmpty { return nil }
        self.records = records
        self.depth = depth
        paths = Set(records.keys)
    }

    package func check(_ file: RestoredFile, _ progress: Progress) throws(StoreError) -> CheckedContent {
        var result = CheckedContent()
        guard let record = records[file.path] else { return result }
        let name = String(decoding: file.path, as: UTF8.self)
        if file.isInPlace { result.problems += Self.leftovers(beside: file.location) }
        guard record["integrity"]?.stringValue != "failed" else {
            result.notices.append("\(name) was damaged already when it was saved: it is restored as it was")
            return result
        }
        let database: SQLiteDatabase
        do throws(StoreError) {
            database = try SQLiteDatabase(file.location, .unchanging, progress: progress)
        } catch {
            result.notices.append("\(name) was not checked: \(error.message)")
            return result
        }
        result.wasChecked = true
        var found = ProvidedStatement(description: [:])
        do throws(StoreError) {
            try SQLiteInspection.inspect(database, &found, isQuick: depth == .described)
        } catch {
            if error.code == .interrupted { throw error }
            result.problems.append(error.message)
        }
        result.notices += found.notices
        compare(record, found.description, &result.problems)
        return result
    }

    /// Logs and journals that a program would take for those of the restored database.
    private static func leftovers(beside location: [UInt8]) -> [String] {
        ["-wal", "-journal"].compactMap { suffix in
            guard let status = try? Syscalls.status(location + suffix.utf8), status.kind == .regular, status.size > 0
            else { return nil }
            return "a \(suffix == "-wal" ? "log" : "journal") that is not of the snapshot lies beside the database, "
                + "and who opens it would read both together: remove the file that ends with \(suffix)"
        }
    }

    private func compare(
        _ record: [String: JSONValue], _ found: [String: JSONValue], _ problems: inout [String]
    ) {
        if found["integrity"]?.stringValue == "failed" {
            let finding = found["findings"]?.arrayValue?.first?.stringValue.map { ": " + $0 } ?? ""
            problems.append("the database is damaged\(finding)")
        }
        let properties = [
            ("page_size", "page size"), ("user_version", "user_version"), ("application_id", "application_id"),
            ("encoding", "encoding"),
        ]
        for (key, name) in properties {
            guard let old = record[key], let new = found[key], old != new else { continue }
            problems.append("the \(name) is \(Self.text(new)), and was \(Self.text(old)) when it was saved")
        }
        let tables = found["tables"]?.objectValue ?? [:]
        for (name, count) in (record["tables"]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard let old = count.integerValue, found["tables"] != nil else { continue }
            switch tables[name] {
            case .integer(old)?, .null?: continue
            case let new?: problems.append("table \(name) has \(Self.text(new)) rows, and had \(old) when it was saved")
            case nil: problems.append("there is no table \(name), which had \(old) rows when it was saved")
            }
        }
        if let old = record["schema_hash"], let new = found["schema_hash"], old != new {
            problems.append("the schema is another one than when it was saved")
        }
    }

    private static func text(_ value: JSONValue) -> String {
        switch value {
        case .integer(let number): String(number)
        case .string(let text): text
        default: "something else"
        }
    }
}
