import CSys
import Testing
import VarveFormat

@Suite("Backups of the components of a configuration")
struct ComponentBackupTests {
    /// An application: uploads with a database directory in them, settings, a dump.
    private func prepare(_ head: String = "", _ more: String = "") throws -> Program {
        let program = try Program()
        #expect(try program.run(["init", "--key-file", program.keyFile]).status == 0)
        for directory in ["app", "app/uploads", "app/uploads/graph"] { try program.makeDirectory(directory) }
        for (name, text) in [
            ("app/uploads/a.txt", "first"), ("app/uploads/b.tmp", "x"), ("app/uploads/graph/data", "nodes"),
            ("app/.env", "A=1"),
        ] { try program.write(name, text) }
        try program.write("app/varve.toml", head + Self.components + more)
        return program
    }

    private static let components = """

        [[component]]
        name = "uploads"
        kind = "files"
        paths = ["uploads"]
        exclude = ["*.tmp"]

        [[component]]
        name = "settings"
        kind = "files"
        type = "config"
        paths = [".env"]

        [[component]]
        name = "graph"
        kind = "dir-db"
        paths = ["uploads/graph"]
        quiesce = "echo quiesce >> log"
        resume = "echo resume >> log"

        [[component]]
        name = "dump"
        kind = "command"
        type = "database"
        command = "echo dump of $VARVE_COMPONENT"
        filename = "app.sql"

        """

    private func backup(_ program: Program, _ arguments: [String] = []) throws -> Program.Result {
        try program.run(["backup", "--config", "app/varve.toml", "--json"] + arguments)
    }

    /// What the hooks wrote.
    private func log(_ program: Program) throws -> [String] {
        guard (try? program.read("app/log")) != nil else { return [] }
        return try program.read("app/log").split(separator: "\n").map(String.init)
    }

    private func paths(_ program: Program) throws -> [String] {
        let listed = try program.run(["ls", "-R", "latest", "--json"])
        return try listed.json.compactMap { $0["path"]?.stringValue }.map {
            $0.hasPrefix(program.directory) ? String($0.dropFirst(program.directory.count)) : $0
        }.filter { $0.hasPrefix("/app/") || $0.hasPrefix("/.varve/") }
    }

    @Test("one snapshot has all components, with what was counted of each")
    func everything() throws {
        let program = try prepare("[backup]\ntags = [\"app\"]\napp_version_command = \"echo 1.2; echo x\"\n")
        let result = try backup(program)
        #expect(result.status == 0, "\(result.messages)")
        #expect(try log(program) == ["quiesce", "resume"])
        #expect(
            try paths(program) == [
                "/.varve/dump", "/.varve/dump/app.sql", "/app/.env", "/app/uploads", "/app/uploads/a.txt",
                "/app/uploads/graph", "/app/uploads/graph/data",
            ])
        #expect(try program.run(["cat", "latest:.varve/dump/app.sql"]).output == "dump of dump\n")
        let shown = try #require(try program.run(["show", "latest", "--json"]).json.first)
        #expect(shown["type"]?.stringValue == "full" && shown["app_version"]?.stringValue == "1.2")
        #expect(shown["tags"]?.arrayValue == [.string("app")])
        let components = try #require(shown["components"]?.arrayValue)
        func numbers(_ key: String) -> [Int64?] { components.map { $0[key]?.integerValue } }
        #expect(components.map { $0["name"]?.stringValue } == ["uploads", "settings", "graph", "dump"])
        #expect(components.map { $0["type"]?.stringValue } == ["data", "config", "database", "database"])
        #expect(components.map { $0["kind"]?.stringValue } == ["files", "files", "dir-db", "command"])
        #expect(numbers("files") == [1, 1, 1, 1])
        #expect(numbers("bytes_total") == [5, 3, 5, 13])
        #expect(numbers("excluded") == [1, 0, 0, 0])
        #expect(numbers("dirs") == [1, 0, 1, 0])
        #expect(numbers("errors") == [0, 0, 0, 0])
    }

    @Test("a type or a choice saves only its components, and nothing of others that lie in them")
    func choice() throws {
        let program = try prepare("", "\n[[job]]\nname = \"nightly\"\nonly = [\"settings\"]\ntags = [\"n\"]\n")
        #expect(try backup(program, ["--type", "data"]).status == 0)
        #expect(try paths(program) == ["/app/uploads", "/app/uploads/a.txt"])
        #expect(try log(program).isEmpty)
        #expect(try backup(program, ["--type", "database"]).status == 0)
        #expect(try paths(program).filter { $0.hasSuffix("data") || $0.hasSuffix("sql") }.count == 2)
        #expect(try !paths(program).contains("/app/uploads/a.txt"))
        #expect(try backup(program, ["--only", "config", "--only", "dump"]).status == 0)
        #expect(try program.run(["show", "latest", "--json"]).json.first?["type"]?.stringValue == "mixed")
        #expect(try backup(program, ["--job", "nightly"]).status == 0)
        #expect(try paths(program) == ["/app/.env"])
        let listed = try program.run(["list", "--json", "--job", "nightly", "--type", "config"]).json.first
        #expect(listed?["snapshots"]?.arrayValue?.first?["tags"]?.arrayValue == [.string("n")])
        for wrong in [
            ["--only", "nothing"], ["--type", "films"], ["--job", "x"], ["--type", "data", "--only", "dump"],
        ] {
            #expect(try backup(program, wrong).status == 2, "\(wrong)")
        }
        #expect(try backup(program, ["--only", "dump", "app"]).status == 2)
        #expect(try program.run(["backup", "--only", "dump"]).status == 2)
    }

    @Test("a restore of some components touches nothing else")
    func restoring() throws {
        let program = try prepare()
        #expect(try backup(program).status == 0)
        for name in ["app/uploads/a.txt", "app/uploads/graph/data", "app/.env"] { try program.write(name, "changed") }
        try program.write("app/uploads/graph/new", "x")
        func restore(_ arguments: [String]) throws -> Int32 {
            try program.run(["restore", "latest", "-y"] + arguments).status
        }
        #expect(try restore(["--only", "graph", "--delete"]) == 0)
        #expect(try program.read("app/uploads/graph/data") == "nodes")
        #expect(throws: (any Error).self) { try program.read("app/uploads/graph/new") }
        #expect(try program.read("app/uploads/a.txt") == "changed")
        try program.write("app/uploads/graph/data", "changed")
        #expect(try restore(["--only", "uploads"]) == 0)
        #expect(try program.read("app/uploads/a.txt") == "first")
        #expect(try program.read("app/uploads/graph/data") == "changed")
        #expect(try program.read("app/.env") == "changed")
        #expect(try restore(["--type", "config"]) == 0)
        #expect(try program.read("app/.env") == "A=1")
        #expect(try restore(["--only", "dump", "--target", "out"]) == 0)
        #expect(try program.read("out/.varve/dump/app.sql") == "dump of dump\n")
        #expect(try restore(["--only", "nothing"]) == 13)
        #expect(try program.run(["restore", "latest:app", "-t", "o", "--only", "dump"]).status == 2)
    }

    @Test("a command that fails leaves its component out, and the snapshot says so")
    func failingCommand() throws {
        let hooks = "[hooks]\non_failure = \"echo $VARVE_STATUS $VARVE_ERROR > failed\"\n"
        let program = try prepare(
            hooks, "[[component]]\nname = \"bad\"\nkind = \"command\"\ncommand = \"echo half; echo why >&2; exit 6\"\n")
        let result = try backup(program)
        #expect(result.status == 3)
        #expect(try result.last("summary")?["state"]?.stringValue == "partial")
        #expect(try result.last("error")?["message"]?.stringValue?.contains("exited with status 6: why") == true)
        #expect(try !paths(program).contains { $0.contains("bad/") })
        #expect(try paths(program).contains("/.varve/dump/app.sql"))
        #expect(try program.read("app/failed").hasPrefix("3 some sources"))
        let components = try program.run(["show", "latest", "--json"]).json.first?["components"]?.arrayValue
        #expect(components?.last?["errors"]?.integerValue == 1)
    }

    @Test("hooks run in order, with their variables and without the password")
    func hooks() throws {
        let program = try prepare(
            """
            [hooks]
            before_backup = "echo before $VARVE_TYPE $VARVE_COMPONENTS [$VARVE_PASSWORD] >> log"
            after_backup = "echo after $VARVE_STATUS ${#VARVE_SNAPSHOT_ID} >> log"
            on_failure = "echo failure >> log"

            """)
        let key = ["VARVE_PASSWORD": "x"]
        #expect(try program.run(["backup", "--config", "app/varve.toml", "-n"], environment: key).status == 0)
        #expect(try log(program).isEmpty)
        let arguments = ["backup", "--config", "app/varve.toml", "--only", "graph", "--only", "settings"]
        let result = try program.run(arguments, environment: key)
        #expect(result.status == 0, "\(result.messages)")
        #expect(try log(program) == ["before mixed settings graph []", "quiesce", "resume", "after 0 64"])
    }

    @Test("a hook that fails or hangs before the backup stops it, and one after it is an error")
    func failingHooks() throws {
        let failure = "on_failure = \"echo failure $VARVE_STATUS >> log\"\n"
        for (line, says) in [("exit 4", "exited with status 4"), ("sleep 1000", "did not end within")] {
            let program = try prepare("[hooks]\ntimeout = \"0\"\nbefore_backup = \"\(line)\"\n" + failure)
            let result = try backup(program)
            #expect(result.status == 1)
            #expect(result.messages.contains("the before_backup hook"))
            if line == "sleep 1000" { #expect(result.messages.contains(says)) }
            #expect(try program.run(["list", "--json"]).json.first?["snapshots"]?.arrayValue?.isEmpty == true)
        }
        let after = try prepare("[hooks]\nafter_backup = \"echo full >&2; exit 2\"\n" + failure)
        let result = try backup(after)
        #expect(result.status == 1)
        #expect(try result.last("error")?["message"]?.stringValue?.contains("exited with status 2: full") == true)
        #expect(try result.last("summary")?["snapshot_id"]?.stringValue?.count == 64)
        #expect(try log(after) == ["quiesce", "resume", "failure 1"])
    }

    @Test("what was made to keep still is let go of after an error, an interruption and a failing quiesce")
    func resume() throws {
        let interrupting = "[[component]]\nname = \"last\"\nkind = \"command\"\n"
            + "command = \"kill -INT $PPID; sleep 1000\"\n"
        let program = try prepare("", interrupting)
        let result = try backup(program)
        #expect(result.status == 130, "\(result.messages)")
        let held = try log(program)
        #expect(held.filter { $0 == "quiesce" }.count == held.filter { $0 == "resume" }.count)

        let itself = try prepare("", "[[component]]\nname = \"q\"\nkind = \"dir-db\"\npaths = [\"q\"]\n"
            + "quiesce = \"echo quiesce >> log; kill -INT $PPID; sleep 1000\"\n"
            + "resume = \"kill -INT $PPID; echo resume >> log\"\n")
        try itself.makeDirectory("app/q")
        #expect(try backup(itself, ["--only", "q"]).status == 130)
        #expect(try log(itself) == ["quiesce", "resume"])

        let failing = try prepare("", "[[component]]\nname = \"q\"\nkind = \"dir-db\"\npaths = [\"q\"]\n"
            + "quiesce = \"exit 5\"\nresume = \"echo resumed >> log\"\n")
        try failing.makeDirectory("app/q")
        try failing.write("app/q/file", "x")
        let partial = try backup(failing)
        #expect(partial.status == 3)
        #expect(partial.output.contains("the quiesce hook of q exited with status 5"))
        #expect(try log(failing).contains("resumed"))
        #expect(try !paths(failing).contains("/app/q/file"))
    }

    @Test("a check of the application is stored and shown; a bad one warns or refuses")
    func validation() throws {
        let line = "command = 'echo \"{\\\"status\\\":\\\"$(cat state)\\\",\\\"validator\\\":\\\"v\\\"}\"'\n"
        let program = try prepare("[validation]\n" + line)
        try program.write("app/state", "ok")
        #expect(try backup(program).status == 0)
        try program.write("app/state", "broken")
        let warned = try backup(program)
        #expect(warned.status == 0)
        #expect(try warned.last("warning")?["message"]?.stringValue?.contains("says broken") == true)
        let listed = try #require(try program.run(["list", "--json"]).json.first?["snapshots"]?.arrayValue)
        let words = listed.map { $0["validation"]?.arrayValue?.first?["status"]?.stringValue }
        #expect(words == ["broken", "ok"])
        #expect(try program.run(["list"]).output.contains("VALIDATION"))
        #expect(try program.run(["show", "latest"]).output.contains("v: broken"))
        let refuse = ["VARVE_VALIDATION_POLICY": "refuse"]
        let refused = try program.run(["backup", "--config", "app/varve.toml"], environment: refuse)
        #expect(refused.status == 5)
        #expect(refused.messages.contains("says broken"))
    }

    @Test("hooks of a restore in place run around it, and start the application again whatever happens")
    func restoreHooks() throws {
        let program = try prepare(
            """
            [hooks]
            before_restore = "echo stop >> log; test ! -e forbidden"
            after_restore = "echo start $VARVE_STATUS >> log"

            """)
        #expect(try backup(program, ["--type", "config"]).status == 0)
        let arguments = ["restore", "latest", "--config", "app/varve.toml"]
        #expect(try program.run(arguments + ["--target", "out"]).status == 0)
        #expect(try log(program).isEmpty)
        #expect(try program.run(arguments + ["-y"]).status == 0)
        try program.write("app/forbidden", "x")
        let failed = try program.run(arguments + ["-y"])
        #expect(failed.status == 1)
        #expect(failed.messages.contains("the before_restore hook exited with status 1"))
        #expect(try log(program) == ["stop", "start 0", "stop", "start 1"])
    }
}
