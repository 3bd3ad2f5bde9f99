import CSys
import Glibc
import Testing
import Varve
import VarveFormat

@Suite("varve drill")
struct DrillCommandTests {
    private func prepare() throws -> Program {
        let program = try Program()
        try program.prepare()
        try program.makeDirectory("sandbox")
        #expect(try program.run(["backup", "source"]).status == 0)
        return program
    }

    private func drill(_ program: Program, _ arguments: [String]) throws -> Program.Result {
        try program.run(["drill", "--sandbox", program.directory + "/sandbox"] + arguments)
    }

    private func names(_ program: Program, _ directory: String) throws -> [String] {
        try LocalBackend(path: program.directory).list(directory).map(\.name)
    }

    @Test("a snapshot that comes back whole is proven, which list says, and nothing of the sandbox stays")
    func proven() throws {
        let program = try prepare()
        let before = try program.run(["list", "--json"]).json[0]["snapshots"]?.arrayValue?.first
        #expect(before?["last_drilled"] == .null)
        let check = "test \"$PWD\" = \"$VARVE_DRILL_DIRECTORY\" && grep -rq first ."
        let result = try drill(program, ["--json", "--check", check])
        let summary = try #require(try result.last("summary"))
        #expect(result.status == 0 && summary["result"]?.stringValue == "ok", "\(result.messages)")
        #expect(summary["files_restored"]?.integerValue == 2 && summary["bytes_restored"]?.integerValue == 13)
        #expect(summary["check"]?.stringValue == "ok" && summary["recorded"]?.boolValue == true)
        let after = try program.run(["list", "--json"]).json[0]["snapshots"]?.arrayValue?.first
        #expect(after?["last_drilled"]?.stringValue != nil)
        #expect(try names(program, "sandbox").isEmpty)
    }

    @Test("a check that fails makes the drill fail; its output is shown, and the tree stays if asked for")
    func failingCheck() throws {
        let program = try prepare()
        let result = try drill(program, ["--keep", "--check", "echo what is wrong; exit 7"])
        #expect(result.status == 4 && result.output.contains("FAILED"))
        #expect(result.messages.contains("what is wrong") && result.messages.contains("status 7"))
        let sandbox = try #require(try names(program, "sandbox").first)
        #expect(try names(program, "sandbox/\(sandbox)").contains("tree"))
        #expect(try program.run(["status"]).status == 4)
    }

    @Test("a damaged pack makes the drill fail and names the file")
    func damage() throws {
        let program = try prepare()
        let backend = LocalBackend(path: program.repository)
        for directory in try backend.list("packs/data") {
            for pack in try backend.list("packs/data/\(directory.name)") {
                let path = Array("\(program.repository)/packs/data/\(directory.name)/\(pack.name)".utf8)
                #expect(Syscalls.withName(path) { chmod($0, 0o600) } == 0)
                let descriptor = try Syscalls.open(path, flags: SYS_O_RDWR)
                defer { _ = sys_close(descriptor) }
                // Behind the header of 128 bytes the first frame begins.
                #expect(pwrite(descriptor, "damage", 6, 140) == 6)
            }
        }
        let result = try drill(program, [])
        #expect(result.status == 4 && result.messages.contains("a.txt"), "\(result.messages)")
        #expect(try program.run(["list"]).output.contains("FAILED"))
        #expect(try names(program, "sandbox").isEmpty)
    }

    @Test("what a drill that was killed left behind goes with the next one, and that of a running one stays")
    func abandoned() throws {
        let program = try prepare()
        for name in ["sandbox/varve-drill-dead", "sandbox/varve-drill-dead/tree", "sandbox/varve-drill-alive"] {
            try program.makeDirectory(name)
        }
        for name in ["dead", "alive"] { try program.write("sandbox/varve-drill-\(name)/lock", "") }
        try program.write("sandbox/varve-drill-dead/tree/file", "left")
        try program.write("sandbox/other", "of somebody else")
        let path = Array((program.directory + "/sandbox/varve-drill-alive/lock").utf8)
        let lock = try Syscalls.open(path, flags: SYS_O_RDWR)
        defer { _ = sys_close(lock) }
        #expect(sys_try_lock(lock) >= 0)
        #expect(try drill(program, []).status == 0)
        #expect(try names(program, "sandbox").sorted() == ["other", "varve-drill-alive"])
    }

    @Test("the parts together are all files, each once")
    func parts() throws {
        let program = try Program()
        try program.prepare()
        try program.makeDirectory("sandbox")
        for number in 0..<40 { try program.write("source/\(number)", "\(number)") }
        #expect(try program.run(["backup", "source"]).status == 0)
        var total: Int64 = 0
        for part in 1...3 {
            let result = try drill(program, ["--json", "--sample", "\(part)/3"])
            let count = try #require(try result.last("summary")?["files_restored"]?.integerValue)
            #expect(result.status == 0 && count > 0 && count < 42)
            total += count
        }
        #expect(total == 42)
    }

    @Test("a part that is none, and a path, are refused", arguments: [
        ["--sample", "0/3"], ["--sample", "4/3"], ["--sample", "0%"], ["--sample", "all"], ["latest:source"],
    ])
    func usage(arguments: [String]) throws {
        let program = try prepare()
        #expect(try drill(program, arguments).status == 2)
    }

    @Test("a sandbox that cannot be made is an error of its own")
    func noPlace() throws {
        let program = try prepare()
        let result = try program.run(["drill", "--sandbox", program.directory + "/nowhere"])
        #expect(result.status != 0 && result.messages.contains("nowhere"))
    }
}
