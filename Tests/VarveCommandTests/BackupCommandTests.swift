import Testing
import VarveFormat

@Suite("backup, list and show")
struct BackupCommandTests {
    private static let summaryKeys = [
        "snapshot_id", "alias", "kind", "state", "files_new", "files_changed", "files_unmodified", "dirs",
        "files_total", "bytes_read", "bytes_total", "bytes_added", "bytes_stored", "blobs_new", "blobs_total",
        "packs_added", "errors", "duration_seconds", "format_version",
    ]
    private static let listKeys = [
        "id", "alias", "time", "kind", "type", "state", "status", "name", "description", "tags", "host", "job", "paths",
        "files_total", "bytes_total", "bytes_stored", "origin", "pinned", "validation", "last_verified", "last_drilled",
    ]

    @Test("the last line of JSON is a summary with every key")
    func summary() throws {
        let program = try Program()
        try program.prepare()
        let result = try program.run(["backup", "--json", "source"])
        #expect(result.status == 0, "\(result.messages)")
        let summary = try #require(try result.json.last)
        #expect(summary["message_type"]?.stringValue == "summary")
        for key in Self.summaryKeys { #expect(summary[key] != nil, "\(key)") }
        #expect(summary["files_total"]?.integerValue == 2)
        #expect(summary["bytes_total"]?.integerValue == 13)
        #expect(summary["snapshot_id"]?.stringValue?.count == 64)
    }

    @Test("list gives every key, newest first, and show the manifest")
    func listing() throws {
        let program = try Program()
        try program.prepare()
        for (name, time) in [("older", "2025-01-01T10:00:00Z"), ("newer", "2025-01-02T10:00:00Z")] {
            let result = try program.run(["backup", "source", "--name", name, "--time", time, "--tag", "t"])
            #expect(result.status == 0, "\(result.messages)")
        }
        let document = try #require(try program.run(["list", "--json"]).json.first)
        let snapshots = try #require(document["snapshots"]?.arrayValue)
        #expect(snapshots.map { $0["name"]?.stringValue } == ["newer", "older"])
        for key in Self.listKeys { #expect(snapshots[0][key] != nil, "\(key)") }
        #expect(snapshots[0]["paths"]?.arrayValue?.first?.stringValue == program.directory + "/source")
        #expect(snapshots[0]["status"]?.stringValue == "unverified")
        let shown = try #require(try program.run(["show", "@2025-01-01", "--json"]).json.first)
        #expect(shown["name"]?.stringValue == "older")
        #expect(shown["tree_root"]?.stringValue?.count == 64)
        #expect(try program.run(["show", "older", "--json"]).json.first?["id"] == shown["id"])
        #expect(try program.run(["show", "latest~1", "--json"]).json.first?["id"] == shown["id"])
        #expect(try program.run(["show", "20250101_100000", "--json"]).json.first?["id"] == shown["id"])
        #expect(try program.run(["show", "latest~2"]).status == 13)
        #expect(try program.run(["show", "@2024-12-31"]).status == 13)
        #expect(try program.run(["show", "@2024-12-31", "--nearest"]).status == 0)
        let early = try program.run(["list", "--until", "2025-01-01", "--json"])
        #expect(try early.json.first?["snapshots"]?.arrayValue?.count == 1)
    }

    @Test("an empty or absent source makes no snapshot; one of several absent makes a partial one")
    func sources() throws {
        let program = try Program()
        try program.prepare()
        try program.makeDirectory("empty")
        #expect(try program.run(["backup", "absent"]).status == 1)
        #expect(try program.run(["backup", "empty"]).status == 1)
        #expect(try program.run(["backup", "--dry-run", "source"]).status == 0)
        #expect(try program.run(["list", "--json"]).json.first?["snapshots"]?.arrayValue?.isEmpty == true)
        let result = try program.run(["backup", "--json", "source", "absent"])
        #expect(result.status == 3)
        #expect(try result.last("summary")?["state"]?.stringValue == "partial")
        #expect(try result.last("error")?["path"]?.stringValue == program.directory + "/absent")
        #expect(try program.run(["backup", "empty", "--allow-empty"]).status == 0)
    }

    @Test("lists of paths come from files and from standard input")
    func lists() throws {
        let program = try Program()
        try program.prepare()
        let lines = try program.run(["backup", "--json", "--files-from", "-"], input: "source/a.txt\r\n\n# no\n")
        #expect(try lines.last("summary")?["files_total"]?.integerValue == 1)
        try program.write("list0", "source/a.txt\0source/b.txt\0")
        let zeros = try program.run(["backup", "--json", "--files-from0", "list0"])
        #expect(try zeros.last("summary")?["files_total"]?.integerValue == 2)
    }

    @Test("a command that fails makes no snapshot")
    func command() throws {
        let program = try Program()
        try program.prepare()
        let failed = try program.run(
            ["backup", "--from-command", "--filename", "x", "--", "sh", "-c", "echo x; exit 7"])
        #expect(failed.status == 1)
        #expect(failed.messages.contains("status 7"))
        #expect(try program.run(["list", "--json"]).json.first?["snapshots"]?.arrayValue?.isEmpty == true)
    }

    @Test("a full backup of what had not changed hints at --quick")
    func hint() throws {
        let program = try Program()
        try program.prepare()
        #expect(!(try program.run(["backup", "source"]).messages.contains("--quick")))
        #expect(try program.run(["backup", "source"]).messages.contains("--quick would have read"))
    }

    @Test("excluded files are left out, and explain names the rule")
    func exclusion() throws {
        let program = try Program()
        try program.prepare()
        let result = try program.run(["backup", "--json", "source", "-e", "a.*"])
        #expect(try result.last("summary")?["files_total"]?.integerValue == 1)
        let excluded = try program.run(["explain", "source/a.txt", "-e", "a.*", "--json"]).json.first
        #expect(excluded?["included"]?.boolValue == false)
        #expect(excluded?["rule"]?.stringValue == "a.*")
        let included = try program.run(["explain", "source/a.txt", "-e", "a.*", "--include", "a.txt", "--json"])
        #expect(try included.json.first?["included"]?.boolValue == true)
    }

    @Test("verify passes, names damage with 4 and records both")
    func verify() throws {
        let program = try Program()
        try program.prepare()
        #expect(try program.run(["backup", "source", "--verify"]).status == 0)
        let passed = try program.run(["verify", "--read-data", "--json"])
        #expect(passed.status == 0)
        #expect(try passed.json.last?["result"]?.stringValue == "PASSED")
        let status = try program.run(["list", "--json"]).json.first?["snapshots"]?.arrayValue?.first?["status"]
        #expect(status?.stringValue == "ok")
        #expect(try program.run(["verify", "nothing"]).status == 13)
    }

    @Test("nothing but JSON is on standard output of estimate and doctor")
    func others() throws {
        let program = try Program()
        try program.prepare()
        let estimate = try program.run(["estimate", "source", "--json"])
        #expect(estimate.status == 0, "\(estimate.messages)")
        #expect(try estimate.json.first?["files_total"]?.integerValue == 2)
        let doctor = try program.run(["doctor", "--json"])
        #expect(doctor.status == 0, "\(doctor.messages)")
        #expect(try doctor.json.first?["checks"]?.arrayValue?.isEmpty == false)
    }
}
