import Testing
import Varve
import VarveFormat

@Suite("varve status")
struct StatusCommandTests {
    /// Two sources, one of them saved twice and long ago.
    private func prepare() throws -> Program {
        let program = try Program()
        try program.prepare()
        try program.makeDirectory("other")
        try program.write("other/c.txt", "third\n")
        for time in ["2020-01-01 12:00", "2020-01-02 12:00"] {
            #expect(try program.run(["backup", "--time", time, "source"]).status == 0)
        }
        #expect(try program.run(["backup", "--host", "h2", "other"]).status == 0)
        return program
    }

    @Test("every source is held to the demands on its own")
    func demands() throws {
        let program = try prepare()
        #expect(try program.run(["status"]).status == 0)
        let stale = try program.run(["status", "--max-age", "1d", "--json"])
        #expect(stale.status == 5)
        let document = try stale.json[0]
        #expect(document["status"]?.stringValue == "critical" && document["sources"]?.arrayValue?.count == 2)
        let problems = try #require(document["problems"]?.arrayValue)
        #expect(problems.map { $0["kind"]?.stringValue } == ["stale"])
        #expect(problems[0]["message"]?.stringValue?.contains("source") == true)
        #expect(try program.run(["status", "--max-age", "1d", "--host", "h2"]).status == 0)
        let few = try program.run(["status", "--min-count", "2"])
        #expect(few.status == 5 && few.messages.contains("1 of at least 2 snapshots of"))
        #expect(few.messages.contains("on h2"))
    }

    @Test("monitoring gets one line and its own exit status")
    func nagios() throws {
        let program = try prepare()
        let good = try program.run(["status", "--nagios", "--host", "h2", "--max-age", "1d", "--min-count", "1"])
        #expect(good.status == 0 && good.output.hasPrefix("VARVE OK - 1 snapshot of 1 source"))
        #expect(good.output.contains("s;;86400 count=1;;1:\n"))
        let stale = try program.run(["status", "--nagios", "--max-age", "1d"])
        #expect(stale.status == 2 && stale.output.hasPrefix("VARVE CRITICAL - the newest snapshot of"))
        #expect(stale.output.split(separator: "\n").count == 1)
        let unknown = try program.run(["status", "--nagios", "-r", program.directory + "/none"])
        #expect(unknown.status == 3 && unknown.output.hasPrefix("VARVE UNKNOWN - "))
    }

    @Test("a repository without snapshots meets no demand")
    func empty() throws {
        let program = try Program()
        try program.prepare()
        let result = try program.run(["status"])
        #expect(result.status == 5 && result.messages.contains("there is no snapshot"))
        #expect(try program.run(["status", "--nagios"]).status == 2)
    }

    @Test("a snapshot that somebody else removed is an alarm")
    func vanished() throws {
        let program = try prepare()
        let id = try #require(try program.run(["show", "latest", "--json"]).json[0]["id"]?.stringValue)
        #expect(try program.run(["status"]).status == 0)
        try LocalBackend(path: program.repository).remove("manifests/\(id)")
        let result = try program.run(["status"])
        #expect(result.status == 4 && result.messages.contains("DELETION DETECTED"))
        #expect(try program.run(["status", "--nagios"]).status == 2)
    }

    @Test("what makes no sense is refused", arguments: [["--max-age", "soon"], ["--min-count", "-1"]])
    func usage(arguments: [String]) throws {
        let program = try prepare()
        #expect(try program.run(["status"] + arguments).status == 2)
    }
}
