import CSQLite
import CSys
import Glibc
import Testing
import Varve
import VarveFormat

/// Says of every database what it is told to, as a faulty or hostile writer might.
private final class Writer: ContentProvider {
    let requiredPaths: Set<[UInt8]> = []
    private let description: [String: JSONValue]

    init(_ description: [String: JSONValue]) { self.description = description }

    func content(of file: ProvidedFile) throws(StoreError) -> ProvidedAnswer {
        .content(Content(file.descriptor, file.stat.size, description))
    }

    private final class Content: ProvidedContent {
        private let descriptor: Int32
        private let description: [String: JSONValue]
        let size: UInt64

        init(_ descriptor: Int32, _ size: UInt64, _ description: [String: JSONValue]) {
            self.descriptor = descriptor
            self.size = size
            self.description = description
        }

        func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
            try Syscalls.check(
                sys_pread(descriptor, buffer.baseAddress, buffer.count, Int64(clamping: offset)), "read", nil)
        }

        func finish() throws(StoreError) -> ProvidedStatement? { ProvidedStatement(description: description) }
    }
}

@Suite("Databases in restores and drills")
struct DatabaseRestoreTests {
    /// A repository with one snapshot of `app/app.db`, of which it says that `item` has so many rows; it has three.
    /// Since then the database was changed and has a fourth.
    private func prepare(
        rows: Int64, _ more: [String: JSONValue] = [:], change: Bool = true
    ) throws -> (program: Program, snapshot: String) {
        let program = try Program()
        #expect(try program.run(["init", "--unencrypted"]).status == 0)
        try program.makeDirectory("app")
        try program.write("app/settings", "before")
        try sql(program, "CREATE TABLE item (a); INSERT INTO item VALUES (1), (2), (3);")
        let description: [String: JSONValue] = [
            "kind": .string("sqlite"), "capture": .string("raw"), "integrity": .string("ok"),
            "tables": .object(["item": .integer(rows)]),
        ].merging(more) { $1 }
        var options = Archiver.Options()
        options.paths = [Array((program.directory + "/app").utf8)]
        options.contentProvider = Writer(description)
        let repository = try Repository.open(at: program.repository, options: .init())
        let report = try Archiver(repository: repository, options: options, progress: Progress()).run()
        if change {
            try sql(program, "INSERT INTO item VALUES (4);")
            try program.write("app/settings", "after")
        }
        return (program, try #require(report.snapshotID).hex)
    }

    private func sql(_ program: Program, _ text: String) throws {
        var handle: OpaquePointer?
        try #require(sqlite3_open(program.directory + "/app/app.db", &handle) == SQLITE_OK)
        defer { sqlite3_close(handle) }
        try #require(sqlite3_exec(handle, text, nil, nil, nil) == SQLITE_OK)
    }

    private func rows(_ program: Program) throws -> String {
        var handle: OpaquePointer?
        try #require(sqlite3_open(program.directory + "/app/app.db", &handle) == SQLITE_OK)
        defer { sqlite3_close(handle) }
        var statement: OpaquePointer?
        defer { sqlite3_finalize(statement) }
        try #require(sqlite3_prepare_v2(handle, "SELECT count(*) FROM item", -1, &statement, nil) == SQLITE_OK)
        try #require(sqlite3_step(statement) == SQLITE_ROW)
        return String(sqlite3_column_int64(statement, 0))
    }

    private func names(_ program: Program, _ directory: String) throws -> [String] {
        try LocalBackend(path: program.directory).list(directory).map(\.name).sorted()
    }

    @Test("a database that has what the snapshot says is restored, and counted as checked")
    func whole() throws {
        let (program, snapshot) = try prepare(rows: 3)
        let result = try program.run(["restore", snapshot, "--yes", "--json"])
        #expect(result.status == 0, "\(result.messages)")
        let summary = try #require(try result.last("summary"))
        #expect(summary["databases_checked"]?.integerValue == 1 && summary["databases_failed"]?.integerValue == 0)
        #expect(try rows(program) == "3" && program.read("app/settings") == "before")
    }

    @Test("in place another number of rows leaves everything as it was, and says what is wrong and what to do")
    func inPlace() throws {
        let (program, snapshot) = try prepare(rows: 5)
        let result = try program.run(["restore", snapshot, "--yes"])
        #expect(result.status == 4)
        #expect(result.messages.contains("table item has 3 rows, and had 5 when it was saved"), "\(result.messages)")
        #expect(result.messages.contains("app/app.db") && result.messages.contains("nothing was changed"))
        #expect(result.messages.contains("another snapshot") && result.messages.contains("--allow-partial"))
        #expect(try rows(program) == "4" && program.read("app/settings") == "after")
        #expect(try names(program, "app") == ["app.db", "settings"])
        #expect(try names(program, "").allSatisfy { !$0.hasPrefix(".varve-") })
        #expect(try program.run(["undo", "--yes"]).status == 13)
        let forced = try program.run(["restore", snapshot, "--yes", "--allow-partial"])
        #expect(forced.status == 4)
        #expect(try rows(program) == "3" && program.read("app/settings") == "before")
        #expect(try program.run(["undo", "--yes"]).status == 0)
        #expect(try rows(program) == "4")
    }

    @Test("elsewhere the file is written and the restore ends with 4; without reading back nothing is checked")
    func elsewhere() throws {
        let (program, snapshot) = try prepare(rows: 5)
        let result = try program.run(["restore", snapshot, "-t", "out", "--json"])
        #expect(result.status == 4)
        let error = try #require(try result.last("error"))
        #expect(error["operation"]?.stringValue == "check" && error["remedy"]?.stringValue != nil)
        #expect(error["path"]?.stringValue == program.directory + "/app/app.db")
        #expect(try result.last("summary")?["databases_failed"]?.integerValue == 1)
        #expect(try program.run(["restore", snapshot, "-t", "out2", "--no-verify"]).status == 0)
    }

    @Test("a log beside the target of a restore is noticed, and left alone")
    func logBeside() throws {
        let (program, snapshot) = try prepare(rows: 3)
        let out = program.directory + "/out"
        #expect(try program.run(["restore", "\(snapshot):\(program.directory)/app", "-t", out]).status == 0)
        try program.write("out/app.db-wal", "an old log")
        let result = try program.run(["restore", "\(snapshot):\(program.directory)/app", "-t", out])
        #expect(result.status == 4 && result.messages.contains("-wal"), "\(result.messages)")
        #expect(try program.read("out/app.db-wal") == "an old log")
    }

    @Test("a drill checks databases, says how that ended, and records it", arguments: [3, 5])
    func drilled(rows: Int64) throws {
        let (program, snapshot) = try prepare(rows: rows)
        let result = try program.run(["drill", snapshot, "--json", "--sandbox", program.directory])
        let summary = try #require(try result.last("summary"))
        #expect(result.status == (rows == 3 ? 0 : 4))
        #expect(summary["databases"]?.stringValue == (rows == 3 ? "ok" : "failed"))
        #expect(summary["databases_checked"]?.integerValue == 1)
        let repository = try Repository.open(at: program.repository, options: .init())
        let drill = try #require(try repository.snapshots().snapshots.first?.drill)
        #expect(drill.result.databases == (rows == 3 ? .ok : .failed))
        #expect(drill.result.outcome == (rows == 3 ? .ok : .failed))
    }

    @Test("a damaged database that was saved as plain bytes comes back as it was: nothing was said of it")
    func plainBytes() throws {
        let (program, _) = try prepare(rows: 3)
        let path = Array((program.directory + "/app/app.db").utf8)
        let descriptor = try Syscalls.open(path, flags: SYS_O_RDWR)
        #expect(pwrite(descriptor, [UInt8](repeating: 0x55, count: 3_000), 3_000, 4_096) == 3_000)
        _ = sys_close(descriptor)
        #expect(try program.run(["backup", "--no-sqlite", "app"]).status == 0)
        #expect(try program.run(["restore", "latest", "-t", "out"]).status == 0)
        try program.write("app/settings", "later")
        #expect(try program.run(["restore", "latest", "--yes"]).status == 0)
        #expect(try program.read("app/settings") == "after")
        // A drill of a snapshot that says that there is a database looks at it whatever else is known.
        #expect(try program.run(["backup", "app"]).status == 0)
        #expect(try program.run(["restore", "latest", "-t", "out2"]).status == 0)
        let drill = try program.run(["drill", "--sandbox", program.directory])
        #expect(drill.status == 4 && drill.messages.contains("the database is damaged"), "\(drill.messages)")
    }
}
