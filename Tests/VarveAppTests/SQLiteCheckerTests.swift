import CSQLite
import CSys
import Glibc
import Testing
import Varve
import VarveApp
import VarveFormat

@Suite("Checks of restored databases")
struct SQLiteCheckerTests {
    /// A database of three rows in `item` and one in `other`.
    private final class Site {
        let directory: String
        var path: [UInt8] { Array((directory + "/app.db").utf8) }

        init(_ more: String = "") throws {
            directory = "/tmp/varve-checker-" + (try Syscalls.randomBytes(8).map { String($0, radix: 16) }.joined())
            try Syscalls.makeDirectory(Array(directory.utf8), mode: 0o700)
            try run(
                "PRAGMA user_version = 7; CREATE TABLE item (a); CREATE TABLE other (b);"
                    + "INSERT INTO item VALUES (1), (2), (3); INSERT INTO other VALUES (zeroblob(20000));" + more)
        }

        deinit {
            for suffix in ["", "-wal", "-shm", "-journal"] { unlink(directory + "/app.db" + suffix) }
            rmdir(directory)
        }

        func run(_ sql: String) throws {
            var handle: OpaquePointer?
            try #require(sqlite3_open(directory + "/app.db", &handle) == SQLITE_OK)
            defer { sqlite3_close(handle) }
            try #require(sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK)
        }

        func write(_ suffix: String, at offset: Int, _ byte: UInt8, _ count: Int) throws {
            let path = Array((directory + "/app.db" + suffix).utf8)
            let descriptor = try Syscalls.open(path, flags: SYS_O_RDWR | SYS_O_CREAT, mode: 0o600)
            defer { _ = sys_close(descriptor) }
            #expect(pwrite(descriptor, [UInt8](repeating: byte, count: count), count, off_t(offset)) == count)
        }

        /// Checks the database against a record of it.
        func check(
            _ changes: [String: JSONValue] = [:], without absent: Set<String> = [],
            _ depth: SQLiteChecker.Depth = .described, isInPlace: Bool = true, _ progress: Progress = Progress()
        ) throws -> CheckedContent {
            var record: [String: JSONValue] = [
                "path": .string("/in/snapshot/app.db"), "kind": .string("sqlite"), "integrity": .string("ok"),
                "page_size": .integer(4_096), "user_version": .integer(7),
                "tables": .object(["item": .integer(3), "other": .integer(1)]),
            ]
            record.merge(changes) { $1 }
            for key in absent { record[key] = nil }
            guard let checker = SQLiteChecker([.object(record)], depth) else { return CheckedContent() }
            let name = Array("/in/snapshot/app.db".utf8)
            #expect(checker.paths == [name])
            return try checker.check(RestoredFile(path: name, location: path, isInPlace: isInPlace), progress)
        }
    }

    @Test("a database that is what it was has no problem")
    func whole() throws {
        let found = try Site().check()
        #expect(found.wasChecked && found.problems.isEmpty && found.notices.isEmpty)
    }

    @Test("another number of rows, a table that is gone, another version or schema are named with both values")
    func differences() throws {
        let site = try Site()
        let tables: JSONValue = .object(["item": .integer(4), "gone": .integer(2), "other": .null])
        let found = try site.check([
            "tables": tables, "user_version": .integer(8), "schema_hash": .string("00"), "page_size": .integer(512),
        ])
        #expect(
            found.problems == [
                "the page size is 4096, and was 512 when it was saved",
                "the user_version is 7, and was 8 when it was saved",
                "there is no table gone, which had 2 rows when it was saved",
                "table item has 3 rows, and had 4 when it was saved",
                "the schema is another one than when it was saved",
            ])
    }

    @Test("a damaged database is a problem, unless it was damaged when it was saved: then it is only said")
    func damaged() throws {
        let site = try Site()
        try site.write("", at: 3 * 4_096, 0x55, 12_000)
        let found = try site.check()
        #expect(found.wasChecked && found.problems.contains { $0.hasPrefix("the database is damaged") }, "\(found)")
        let known = try site.check(["integrity": .string("failed")])
        #expect(!known.wasChecked && known.problems.isEmpty && known.notices.count == 1)
    }

    @Test("a file that is no database any more is a problem")
    func noDatabase() throws {
        let site = try Site()
        try site.write("", at: 0, 0, 100)
        #expect(try site.check().problems.contains { $0.contains("not a SQLite database") })
    }

    @Test("databases that were only met are for drills, which look at their integrity")
    func onlyMet() throws {
        let site = try Site()
        let absent: Set = ["integrity", "tables", "page_size", "user_version"]
        #expect(try !site.check(without: absent).wasChecked)
        #expect(try site.check(without: absent, .everything).wasChecked)
        try site.write("", at: 3 * 4_096, 0x55, 12_000)
        #expect(try !site.check(without: absent, .everything).problems.isEmpty)
    }

    @Test("a log that lies beside it is a problem where the database stays, and not in a stage")
    func leftovers() throws {
        let site = try Site()
        try site.write("-wal", at: 0, 0x37, 64)
        #expect(try site.check().problems.count == 1)
        #expect(try site.check(isInPlace: false).problems.isEmpty)
        #expect(try Syscalls.status(site.path + "-wal".utf8).size == 64)
    }

    @Test("a database in the mode of the write-ahead log is read without making anything beside it")
    func writeAheadMode() throws {
        let site = try Site("PRAGMA journal_mode = wal;")
        #expect(chmod(site.directory, 0o500) == 0)
        defer { chmod(site.directory, 0o700) }
        let found = try site.check()
        #expect(found.wasChecked && found.problems.isEmpty, "\(found)")
        for suffix in ["-wal", "-shm"] {
            #expect(throws: StoreError.self) { try Syscalls.status(site.path + suffix.utf8) }
        }
    }

    @Test("one that cannot be opened is said not to have been checked")
    func unopened() throws {
        let site = try Site()
        #expect(unlink(String(decoding: site.path, as: UTF8.self)) == 0)
        let found = try site.check()
        #expect(!found.wasChecked && found.problems.isEmpty && found.notices.count == 1)
    }

    @Test("a check ends when it is interrupted")
    func interrupted() throws {
        let site = try Site("WITH n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 300000) "
            + "INSERT INTO item SELECT x FROM n;")
        let progress = Progress()
        progress.cancel()
        let error = #expect(throws: StoreError.self) {
            _ = try site.check([:], without: [], .everything, isInPlace: true, progress)
        }
        #expect(error?.code == .interrupted)
    }
}
