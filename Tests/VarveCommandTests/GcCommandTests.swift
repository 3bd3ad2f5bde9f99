import Testing
import Varve
import VarveFormat

@Suite("varve gc")
struct GcCommandTests {
    /// A repository with two snapshots that have little in common, of which the first was deleted.
    private func prepare() throws -> Program {
        let program = try Program()
        try program.prepare()
        for round in 0..<2 {
            try program.write("source/changing", (0..<40_000).map { "\($0 * 7 + round)" }.joined(separator: "\n"))
            #expect(try program.run(["backup", "--name", "round\(round)", "source"]).status == 0)
        }
        #expect(try program.run(["delete", "-y", "round0"]).status == 0)
        return program
    }

    @Test("frees what was deleted, and says what stays and why")
    func frees() throws {
        let program = try prepare()
        let look = try program.run(["gc", "-n", "--json"])
        let forecast = try #require(try look.last("summary"))
        #expect(forecast["dry_run"]?.boolValue == true && forecast["snapshots_removed"]?.integerValue == 1)
        let done = try program.run(["prune", "--json"])
        #expect(done.status == 0, "\(done.messages)")
        let summary = try #require(try done.last("summary"))
        let numbers = [
            "packs_removed", "packs_rewritten", "bytes_freed", "bytes_unused_kept", "snapshots_removed",
            "bytes_removed", "bytes_written",
        ]
        for key in numbers { #expect(summary[key]?.integerValue != nil, "\(key)") }
        #expect(summary["snapshots_removed"]?.integerValue == 1)
        let waiting = try #require(summary["waiting_for"]?.arrayValue?.first)
        #expect(waiting["kind"]?.stringValue == "grace" && waiting["until"]?.stringValue?.hasSuffix("Z") == true)
        let text = try program.run(["gc"]).output
        #expect(text.contains("so that copies made meanwhile stay whole; gc --rewrite-grace 0 frees them now"))
        #expect(try program.run(["gc", "--rewrite-grace", "0"]).output.contains("removed"))
        #expect(try program.run(["gc"]).output.contains("nothing could be freed now"))
        #expect(try program.run(["verify", "--read-data"]).status == 0)
        #expect(try program.run(["undelete", "round0"]).status != 0)
    }

    @Test("a value that makes no sense is refused", arguments: [
        ["--max-unused", "5"], ["--max-unused", "101%"], ["--grace", "soon"], ["--rewrite-grace", "-1"],
    ])
    func usage(arguments: [String]) throws {
        let program = try Program()
        try program.prepare()
        #expect(try program.run(["gc"] + arguments).status == 2)
    }

    @Test("forget --gc frees what it dropped")
    func forget() throws {
        let program = try prepare()
        let result = try program.run(["forget", "--keep-last", "1", "--gc"])
        #expect(result.status == 0, "\(result.messages)")
        #expect(result.output.contains("1 deleted snapshot"))
    }
}
