import Testing
import VarveFormat

@Suite("undo, and what restore in place refuses")
struct UndoCommandTests {
    private func saved() throws -> Program {
        let program = try Program()
        try program.prepare()
        #expect(try program.run(["backup", "source"]).status == 0)
        return program
    }

    @Test("a restore in place names its safety snapshot, and undo takes it back")
    func undo() throws {
        let program = try saved()
        #expect(try program.run(["undo", "--yes"]).status == 13)
        try program.write("source/a.txt", "changed since\n")
        let restored = try program.run(["restore", "latest", "--yes", "--json"])
        #expect(restored.status == 0, "\(restored.messages)")
        let safety = try #require(try restored.last("summary")?["safety_snapshot_id"]?.stringValue)
        #expect(try program.read("source/a.txt") == "first\n")
        let list = try #require(try program.run(["list", "--json"]).json.first?["snapshots"]?.arrayValue)
        let made = try #require(list.first { $0["id"]?.stringValue == safety })
        #expect(made["origin"]?.stringValue == "safety")
        #expect(try program.run(["show", "latest", "--json"]).json.first?["id"]?.stringValue != safety)
        #expect(try program.run(["delete", safety, "--yes"]).status == 5)
        #expect(try program.run(["undo"]).status == 5)
        #expect(try program.run(["undo", "-n"]).status == 0)
        #expect(try program.read("source/a.txt") == "first\n")
        let undone = try program.run(["undo", "--yes", "--json"])
        #expect(undone.status == 0, "\(undone.messages)")
        let summary = try #require(try undone.last("summary"))
        #expect(summary["files_restored"]?.integerValue == 1)
        #expect(summary["safety_snapshot_id"]?.stringValue != nil)
        #expect(try program.read("source/a.txt") == "changed since\n")
        #expect(try program.run(["undo", "--yes"]).status == 13)
    }

    @Test("without a safety snapshot there is nothing to go back to")
    func unsafe() throws {
        let program = try saved()
        try program.write("source/a.txt", "changed since\n")
        let restored = try program.run(["restore", "latest", "--yes", "--no-safety", "--json"])
        #expect(try restored.last("summary")?["safety_snapshot_id"]?.isNull == true)
        #expect(try program.read("source/a.txt") == "first\n")
        #expect(try program.run(["undo", "--yes"]).status == 5)
    }

    @Test("--delete from a snapshot that is not whole is refused with 5 unless --allow-partial")
    func partial() throws {
        let program = try saved()
        let made = try program.run(["backup", "source", "absent", "--json"])
        #expect(made.status == 3, "\(made.messages)")
        try program.write("source/new.txt", "new\n")
        for place in [["-t", "out"], []] {
            let refused = try program.run(["restore", "latest", "--delete", "--yes"] + place)
            #expect(refused.status == 5, "\(refused.messages)")
        }
        #expect(try program.read("source/new.txt") == "new\n")
        #expect(try program.run(["restore", "latest", "--delete", "--yes", "--allow-partial"]).status == 0)
        #expect(throws: (any Error).self) { try program.read("source/new.txt") }
    }
}
