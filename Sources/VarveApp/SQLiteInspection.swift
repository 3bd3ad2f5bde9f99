import Varve
import VarveFormat

/// What a captured database says about itself, for the manifest.
enum SQLiteInspection {
    /// Findings of the integrity check that are recorded at most.
    private static let findingLimit = 20

    /// Adds to a statement: properties, tables with their row counts, a hash of the schema, the integrity check. What
    /// cannot be found out because the database is damaged becomes a problem of the statement.
    static func run(_ database: SQLiteDatabase, _ statement: inout ProvidedStatement) {
        do throws(StoreError) {
            try inspect(database, &statement)
            if let first = statement.description["findings"]?.arrayValue?.first?.stringValue {
                statement.problems.append("the database is damaged, it was saved as it is: " + first)
            }
        } catch {
            statement.description["integrity"] = .string("failed")
            statement.problems.append(error.message)
        }
    }

    /// Adds the same to the description alone.
    ///
    /// - Parameter isQuick: leave out whether indices have what their tables have.
    /// - Throws: `failed` for damage that keeps the rest from being found out; `interrupted`.
    static func inspect(
        _ database: SQLiteDatabase, _ statement: inout ProvidedStatement, isQuick: Bool = false
    ) throws(StoreError) {
        try addProperties(database, &statement)
        try addSchema(database, &statement)
        try addIntegrity(database, &statement, isQuick ? "quick_check" : "integrity_check")
    }

    private static func addProperties(
        _ database: SQLiteDatabase, _ statement: inout ProvidedStatement
    ) throws(StoreError) {
        let numbers = [
            "page_size": "page_size", "page_count": "page_count", "free_pages": "freelist_count",
            "user_version": "user_version", "application_id": "application_id",
        ]
        for (key, pragma) in numbers {
            statement.description[key] = .integer(try database.integer("PRAGMA \(pragma)"))
        }
        let encoding = try database.text("PRAGMA encoding")
        statement.description["encoding"] = .string(String(decoding: encoding, as: UTF8.self))
    }

    /// The hash is SHA-256 over type, name, table and SQL of everything in the schema, each behind its length as u64 in
    /// little-endian order, sorted by type and name.
    private static func addSchema(
        _ database: SQLiteDatabase, _ statement: inout ProvidedStatement
    ) throws(StoreError) {
        var schema = ByteWriter()
        var tables: [[UInt8]] = []
        let query = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
        try database.forEachRow(query) { row throws(StoreError) in
            let columns = (0..<4).map { row.bytes($0) }
            for column in columns {
                schema.u64(UInt64(column.count))
                schema.raw(column)
            }
            if columns[0].elementsEqual("table".utf8), !columns[1].starts(with: "sqlite_".utf8) {
                tables.append(columns[1])
            }
        }
        statement.description["schema_hash"] = .string(SHA256Digest.of(schema.bytes).hex)
        var counts: [String: JSONValue] = [:]
        for table in tables {
            var count: JSONValue = .null
            let query = Array("SELECT count(*) FROM ".utf8) + SQLiteDatabase.quoted(table)
            do throws(StoreError) {
                try database.forEachRow(query) { row throws(StoreError) in count = .integer(row.integer(0)) }
            } catch {
                if error.code == .interrupted { throw error }
                // A virtual table whose module is not in this program cannot be counted.
                statement.notices.append(
                    "table \(String(decoding: table, as: UTF8.self)) was not counted: \(error.message)")
            }
            counts[String(decoding: table, as: UTF8.self)] = count
        }
        statement.description["tables"] = .object(counts)
    }

    private static func addIntegrity(
        _ database: SQLiteDatabase, _ statement: inout ProvidedStatement, _ pragma: String
    ) throws(StoreError) {
        var findings: [String] = []
        try database.forEachRow("PRAGMA \(pragma)(\(findingLimit))") { row throws(StoreError) in
            findings.append(String(decoding: row.bytes(0), as: UTF8.self))
        }
        let isWhole = findings == ["ok"]
        statement.description["integrity"] = .string(isWhole ? "ok" : "failed")
        if !isWhole { statement.description["findings"] = .array(findings.map { .string($0) }) }
    }
}
