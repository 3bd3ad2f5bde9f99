import CSys
import Glibc
import Testing
import Varve
import VarveFormat

@Suite struct DatabaseGuardTests {
    private let header = "SQLite format 3\0"

    private func code(_ body: () throws -> Void) -> StoreError.Code? {
        do { try body() } catch { return (error as? StoreError)?.code }
        return nil
    }

    /// A program that has a file open. This process does not, not even for a moment: what other tests start meanwhile
    /// would have it open too, for as long as it runs.
    private struct Holder {
        private let process: pid_t

        init(_ path: String) throws {
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            posix_spawn_file_actions_addopen(&actions, 9, path, O_RDWR, 0)
            var started: pid_t = 0
            var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("/bin/sleep"), strdup("1000"), nil]
            defer { arguments.forEach { free($0) } }
            try #require(posix_spawn(&started, "/bin/sleep", &actions, nil, &arguments, [nil]) == 0)
            process = started
        }

        func end() {
            #expect(kill(process, SIGKILL) == 0)
            #expect(sys_wait(process) == 256 + SIGKILL)
        }
    }

    /// A recorded database, and a newer one with what SQLite leaves beside it.
    private func changed() throws -> (InPlaceFixture, Snapshot) {
        let fixture = try InPlaceFixture()
        fixture.write("db", header + "recorded")
        fixture.write("notes", "recorded")
        fixture.write("notes-wal", "a file of the user's")
        let snapshot = try fixture.capture()
        fixture.write("db", header + "changed since")
        FileTool.write(fixture.source + "/db-wal", [0x37, 0x7F, 0x06, 0x82, 1])
        FileTool.write(fixture.source + "/db-shm", [0])
        fixture.write("notes", "changed since")
        return (fixture, snapshot)
    }

    @Test(arguments: ["db", "db-wal", "db-shm"])
    func `A database that is open is not replaced, and nothing else either`(_ name: String) throws {
        let (fixture, snapshot) = try changed()
        let old = try fixture.image()
        let holder = try Holder(fixture.source + "/" + name)
        #expect(code { try fixture.restore(snapshot) { $0.deletes = false } } == .refused)
        #expect(try fixture.image() == old)
        holder.end()
        #expect(code { try fixture.restore(snapshot) { $0.deletes = false } } == nil)
        #expect(fixture.text("db") == header + "recorded")
    }

    @Test func `An open database in a directory that would be removed is not either`() throws {
        let fixture = try InPlaceFixture()
        fixture.write("f", "x")
        let snapshot = try fixture.capture()
        fixture.make("new")
        fixture.make("new/deep")
        fixture.write("new/deep/db", header)
        let holder = try Holder(fixture.source + "/new/deep/db")
        defer { holder.end() }
        #expect(code { try fixture.restore(snapshot) } == .refused)
        #expect(fixture.text("new/deep/db") == header)
    }

    @Test func `An empty file that is open keeps nothing up, unless it becomes a database`() throws {
        let fixture = try InPlaceFixture()
        fixture.write("log", "recorded")
        fixture.write("db", header)
        let snapshot = try fixture.capture()
        fixture.write("log", "")
        fixture.write("db", "")
        let log = try Holder(fixture.source + "/log")
        defer { log.end() }
        let database = try Holder(fixture.source + "/db")
        #expect(code { try fixture.restore(snapshot) } == .refused)
        database.end()
        #expect(try fixture.restore(snapshot).errors.isEmpty)
        #expect(fixture.text("log") == "recorded")
    }

    @Test func `Logs of the old database go with it, and come back with it`() throws {
        let (fixture, snapshot) = try changed()
        let old = try fixture.image()
        let report = try fixture.restore(snapshot) { $0.deletes = false }
        #expect(report.errors.isEmpty)
        #expect(fixture.text("db") == header + "recorded" && fixture.text("notes") == "recorded")
        #expect(fixture.text("db-wal") == nil && fixture.text("db-shm") == nil)
        #expect(fixture.text("notes-wal") == "a file of the user's")
        #expect(try fixture.undo())
        #expect(try fixture.image() == old)
    }

    @Test func `A log that the snapshot has stays, and one of an unchanged database goes`() throws {
        let fixture = try InPlaceFixture()
        fixture.write("a", header)
        FileTool.write(fixture.source + "/a-wal", [0x37, 0x7F, 0x06, 0x83, 1])
        fixture.write("b", header)
        let snapshot = try fixture.capture()
        FileTool.write(fixture.source + "/b-wal", [0x37, 0x7F, 0x06, 0x83, 1])
        #expect(try fixture.restore(snapshot) { $0.deletes = false }.errors.isEmpty)
        #expect(fixture.text("a-wal") != nil && fixture.text("b-wal") == nil)
    }
}
