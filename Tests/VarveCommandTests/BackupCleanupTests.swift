import Glibc
import Testing
import Varve
import VarveFormat

@Suite("varve backup --cleanup")
struct BackupCleanupTests {
    /// A repository with snapshots of three days of host web1 and one of web2, each with a file that only it has.
    private func prepare() throws -> Program {
        let program = try Program()
        try program.prepare()
        for (day, host) in [("01", "web1"), ("02", "web2"), ("03", "web1"), ("04", "web1")] {
            try program.write("source/a.txt", String(repeating: "content of day \(day) ", count: 500))
            let result = try program.run(
                ["backup", "--time", "2025-03-\(day)T12:00:00Z", "--host", host, "source"])
            #expect(result.status == 0, "\(result.messages)")
        }
        return program
    }

    private func backup(_ program: Program, _ arguments: [String]) throws -> Program.Result {
        try program.run(["backup", "--host", "web1", "--cleanup"] + arguments)
    }

    private func count(_ program: Program, host: String = "web1") throws -> Int {
        let listed = try program.run(["list", "--json", "--host", host]).json.first
        return try #require(listed?["snapshots"]?.arrayValue).count
    }

    @Test("old snapshots of the host are dropped and their space is freed, which the summary says")
    func cleaned() throws {
        let program = try prepare()
        let result = try backup(program, ["--json", "--verify", "--keep-last", "2", "source"])
        #expect(result.status == 0, "\(result.messages)")
        let types = try result.json.compactMap { $0["message_type"]?.stringValue }
        #expect(types.filter { $0 == "summary" }.count == 1 && types.last == "summary")
        let summary = try #require(try result.last("summary"))
        let cleanup = try #require(summary["cleanup"])
        #expect(summary["verified"]?.boolValue == true && cleanup["skipped"] == .null)
        #expect(cleanup["dropped"]?.integerValue == 2 && cleanup["kept"]?.integerValue == 2)
        #expect(cleanup["snapshots"]?.arrayValue?.count == 2)
        #expect(try #require(cleanup["bytes_freed"]?.integerValue) > 0)
        #expect(try count(program) == 2 && count(program, host: "web2") == 1)
        #expect(try program.run(["verify", "--read-data"]).status == 0)
        let text = try backup(program, ["--keep-last", "2", "source"])
        #expect(text.output.contains("cleanup: 1 snapshot dropped, 2 kept"), "\(text.output)")
        let without = try program.run(["backup", "--json", "source"])
        #expect(try without.last("summary")?["cleanup"] == .null)
    }

    @Test("after a partial backup, one that fails and a dry run nothing is dropped")
    func incomplete() throws {
        let program = try prepare()
        let partial = try backup(program, ["--json", "--keep-last", "1", "source", "absent"])
        #expect(partial.status == 3)
        let cleanup = try #require(try partial.last("summary")?["cleanup"])
        #expect(cleanup["skipped"]?.stringValue == "the snapshot is not complete")
        #expect(cleanup["dropped"]?.integerValue == 0)
        #expect(try backup(program, ["--keep-last", "1", "absent"]).status == 1)
        let dry = try backup(program, ["-n", "--keep-last", "1", "source"])
        #expect(dry.status == 0 && dry.output.contains("nothing was dropped, because this is a dry run"))
        #expect(try count(program) == 4)
    }

    @Test("the shrink guard holds: the snapshot stays, nothing is dropped and the status is 5")
    func shrinks() throws {
        let program = try prepare()
        let result = try backup(program, ["--json", "--keep-last", "1", "--max-drop", "50%", "source"])
        #expect(result.status == 5, "\(result.messages)")
        #expect(try result.last("error")?["operation"]?.stringValue == "cleanup")
        #expect(try result.last("summary")?["snapshot_id"]?.stringValue != nil)
        #expect(try count(program) == 4)
    }

    @Test("the configuration asks for it and has the rules; without rules nothing is even saved")
    func configured() throws {
        let program = try prepare()
        try program.write("varve.toml", "[backup]\ncleanup = true\nhost = 1\n")
        #expect(try program.run(["backup", "source"]).status == 2)
        try program.write("varve.toml", "host = \"web1\"\n[backup]\ncleanup = true\n[retention]\nkeep_last = 1\n")
        #expect(try program.run(["backup", "source"]).status == 0)
        #expect(try count(program) == 1 && count(program, host: "web2") == 1)
        try program.write("varve.toml", "host = \"web1\"\n[backup]\ncleanup = true\n")
        let none = try program.run(["backup", "source"])
        #expect(none.status == 2 && none.messages.contains("--keep-daily"), "\(none.messages)")
        #expect(try program.run(["backup", "--keep-last", "5", "source"]).status == 0)
        #expect(try count(program) == 2)
    }

    @Test("rules without --cleanup, and rules that make no sense, are usage errors before anything is saved")
    func usage() throws {
        let program = try prepare()
        #expect(try program.run(["backup", "--keep-last", "2", "source"]).status == 2)
        #expect(try backup(program, ["--keep-daily", "x", "source"]).status == 2)
        #expect(try backup(program, ["source"]).status == 2)
        #expect(try count(program) == 3)
    }
}
