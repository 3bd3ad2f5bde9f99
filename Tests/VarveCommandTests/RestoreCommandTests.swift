import Testing
import VarveFormat

@Suite("restore, ls, cat, stats and repair")
struct RestoreCommandTests {
    private func saved() throws -> Program {
        let program = try Program()
        try program.prepare()
        #expect(try program.run(["backup", "source"]).status == 0)
        return program
    }

    private func inSnapshot(_ program: Program, _ path: String) -> String {
        "latest:" + program.directory + "/" + path
    }

    @Test("into a target the content comes back, with a summary of every key")
    func target() throws {
        let program = try saved()
        let result = try program.run(["restore", inSnapshot(program, "source"), "-t", "out", "--json"])
        #expect(result.status == 0, "\(result.messages)")
        #expect(try program.read("out/a.txt") == "first\n")
        let summary = try #require(try result.json.last)
        for key in [
            "snapshot_id", "target", "files_restored", "files_unchanged", "bytes_written", "files_verified",
            "safety_snapshot_id", "errors", "duration_seconds",
        ] { #expect(summary[key] != nil, "\(key)") }
        #expect(summary["files_restored"]?.integerValue == 2)
        #expect(summary["target"]?.stringValue == program.directory + "/out")
        #expect(try program.run(["restore", "latest", "--restore-path", "all"]).status == 0)
        #expect(try program.read("all" + program.directory + "/source/b.txt") == "second\n")
    }

    @Test("in place it shows what changes and asks; without a terminal it is refused with 5")
    func inPlace() throws {
        let program = try saved()
        try program.write("source/a.txt", "changed since\n")
        #expect(try program.run(["restore", "latest"]).status == 5)
        #expect(try program.run(["restore", "latest", "-n"]).status == 0)
        #expect(try program.run(["restore", "latest", "-t", "out", "--delete"]).status == 5)
        let refused = try program.runOnTerminal(["restore", "latest"], answers: [("go on: ", "no\n")])
        #expect(refused.status == 5)
        #expect(refused.output.contains("a.txt"))
        #expect(try program.read("source/a.txt") == "changed since\n")
        #expect(try program.runOnTerminal(["restore", "latest"], answers: [("go on: ", "yes\n")]).status == 0)
        #expect(try program.read("source/a.txt") == "first\n")
        try program.write("source/a.txt", "changed again\n")
        #expect(try program.run(["restore", "latest", "--force"]).status == 0)
        #expect(try program.read("source/a.txt") == "first\n")
    }

    @Test("what is not in the snapshot ends with 13 and makes nothing")
    func absent() throws {
        let program = try saved()
        #expect(try program.run(["restore", "latest:nothing", "-t", "out"]).status == 13)
        #expect(throws: (any Error).self) { try program.read("out/x") }
        #expect(try program.run(["cat", "latest:nothing"]).status == 13)
        #expect(try program.run(["ls", "latest:nothing"]).status == 13)
        #expect(try program.run(["cat", "latest"]).status == 2)
    }

    @Test("ls gives a line of JSON an entry, and cat the bytes")
    func reading() throws {
        let program = try saved()
        let listed = try program.run(["ls", "-R", "--json", inSnapshot(program, "source")])
        #expect(listed.status == 0, "\(listed.messages)")
        let entries = try listed.json
        #expect(entries.count == 2)
        for key in ["path", "type", "mode", "uid", "gid", "size", "mtime", "target", "links", "blobs"] {
            #expect(entries.allSatisfy { $0[key] != nil }, "\(key)")
        }
        #expect(entries.map { $0["size"]?.integerValue } == [6, 7])
        #expect(try program.run(["cat", inSnapshot(program, "source/b.txt")]).output == "second\n")
    }

    @Test("control characters in names are escaped on a terminal")
    func oddNames() throws {
        let program = try saved()
        let made = try program.run(
            ["backup", "--stdin", "--stdin-filename", "odd\u{1B}[31m"], input: "x")
        #expect(made.status == 0, "\(made.messages)")
        let shown = try program.runOnTerminal(["ls", "latest"], answers: [])
        #expect(shown.output.contains("odd\\x1b[31m"))
        #expect(!shown.output.contains("odd\u{1B}[31m"))
    }

    @Test("standard input and a command's output are saved as files")
    func streams() throws {
        let program = try saved()
        let input = try program.run(["backup", "--stdin", "--stdin-filename", "in.txt"], input: "from input\n")
        #expect(input.status == 0, "\(input.messages)")
        #expect(try program.run(["cat", "latest:in.txt"]).output == "from input\n")
        let command = try program.run(["backup", "--from-command", "--filename", "out.txt", "--", "echo", "from echo"])
        #expect(command.status == 0, "\(command.messages)")
        #expect(try program.run(["cat", "latest:out.txt"]).output == "from echo\n")
    }

    @Test("diff names what changed between snapshots, and between a snapshot and a directory")
    func difference() throws {
        let program = try saved()
        try program.write("source/a.txt", "changed\n")
        try program.write("source/new.txt", "new\n")
        let directory = try program.run(["diff", inSnapshot(program, "source"), "./source", "--json"])
        #expect(directory.status == 0, "\(directory.messages)")
        #expect(try program.run(["backup", "source"]).status == 0)
        let snapshots = try program.run(["diff", "latest~1", "latest", "--json"])
        #expect(snapshots.status == 0, "\(snapshots.messages)")
        for result in [directory, snapshots] {
            let document = try #require(try result.json.first)
            let changes = try #require(document["changes"]?.arrayValue)
            let files = changes.filter { $0["new_type"]?.stringValue == "file" }
            #expect(files.map { $0["change"]?.stringValue } == ["modified", "added"])
            #expect(files.first?["aspects"]?.arrayValue?.contains { $0.stringValue == "content" } == true)
        }
        let same = try program.run(["diff", inSnapshot(program, "source"), "./source"])
        #expect(same.output.isEmpty)
        #expect(same.status == 0)
    }

    @Test("stats has every key, repair index and verify --no-key find nothing to do")
    func care() throws {
        let program = try saved()
        let stats = try #require(try program.run(["stats", "--json"]).json.first)
        for key in [
            "snapshots", "bytes_logical", "bytes_unique", "bytes_stored", "dedup_ratio", "compression_ratio", "blobs",
            "packs", "oldest", "newest", "bytes_unreferenced", "bytes_unused",
        ] { #expect(stats[key] != nil, "\(key)") }
        let weighed = try #require(try program.run(["stats", "latest", "--json"]).json.first)
        for key in [
            "snapshots", "bytes_unique_to_these", "bytes_shared", "bytes_freed_if_removed", "bytes_freed_at_once",
        ] { #expect(weighed[key] != nil, "\(key)") }
        #expect(try program.run(["stats", "latest"]).output.contains("are in no other snapshot"))
        #expect(try program.run(["stats", "latest:a"]).status == 2)
        #expect(try program.run(["repair", "index"]).status == 0)
        let names = try program.run(
            ["verify", "--no-key", "--json"], environment: ["VARVE_KEY_FILE": String?.none])
        #expect(names.status == 0, "\(names.messages)")
        #expect(try names.json.last?["result"]?.stringValue == "PASSED")
    }

    @Test("secrets that enter an unencrypted repository are warned about")
    func secrets() throws {
        let program = try Program()
        #expect(try program.run(["init", "--unencrypted"]).status == 0)
        try program.makeDirectory("source")
        try program.write("source/.env", "KEY=1\n")
        #expect(try program.run(["backup", "source"]).messages.contains("/source/.env"))
    }
}
