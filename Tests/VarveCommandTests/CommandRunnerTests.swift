import Testing
import VarveFormat

@Suite("What every command has in common")
struct CommandRunnerTests {
    static let commands = [
        ["init"], ["backup"], ["restore"], ["list"], ["show"], ["ls"], ["cat"], ["diff"], ["stats"],
        ["verify"], ["repair", "index"], ["key", "list"], ["key", "add"], ["key", "remove"],
        ["key", "passwd"], ["explain"], ["estimate"], ["doctor"], ["completion"], ["version"],
        ["delete"], ["undelete"], ["tag"], ["pin"], ["unpin"], ["hold"],
        ["drill"], ["status"], ["undo"],
    ]

    @Test("every command has help, on standard output and 80 columns wide", arguments: commands)
    func help(_ command: [String]) throws {
        let result = try Program().run(command + ["--help"])
        #expect(result.status == 0)
        #expect(result.output.contains("USAGE: varve \(command.joined(separator: " "))"))
        #expect(result.messages.isEmpty)
        #expect(result.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }

    @Test("the help names no command that does not exist yet")
    func helpIsHonest() throws {
        let help = try Program().run(["--help"]).output
        for word in ["mount", "serve", "copy", "find", "history"] {
            #expect(!help.split(separator: "\n").contains { $0.hasPrefix("  \(word) ") || $0.hasPrefix("  \(word),") })
        }
    }

    @Test(
        "a wrong usage ends with 2",
        arguments: [
            [], ["nonsense"], ["list", "--nonsense"], ["backup", "--type", "data", "x"], ["delete"],
            ["backup", "--only", "db", "x"], ["backup", "delete"], ["hold", "latest"], ["tag", "latest"], ["undelete"],
            ["completion", "tcsh"], ["backup"],
            ["show"], ["backup", "--full", "--quick", "x"], ["backup", "--name", "latest", "x"],
            ["backup", "--exclude-set", "nope", "x"], ["backup", "--compression", "20", "x"],
            ["list", "--since", "yesterday"], ["list", "--wait", "soon"], ["list", "--threads", "0"],
            ["backup", "--stdin", "--from-command", "--filename", "x", "--", "true"],
            ["verify", "--read-data-subset", "8/7"],
        ])
    func usage(_ arguments: [String]) throws {
        let result = try Program().run(arguments)
        #expect(result.status == 2, "\(result.messages)")
        #expect(!result.messages.isEmpty)
        #expect(result.output.isEmpty)
    }

    @Test("with --json a failure is one line of JSON too")
    func jsonFailure() throws {
        let program = try Program()
        for (arguments, code) in [(["list", "--json", "--nonsense"], 2), (["list", "--json"], 10)] {
            let result = try program.run(arguments)
            #expect(result.status == Int32(code))
            let line = try #require(try result.json.first)
            #expect(line["message_type"]?.stringValue == "exit_error")
            #expect(line["code"]?.integerValue == Int64(code))
            #expect(line["format_version"]?.integerValue == 1)
        }
    }

    @Test("without a repository a command ends with 2, with a wrong place with 10")
    func repositories() throws {
        let program = try Program()
        #expect(try program.run(["list"], environment: ["VARVE_REPOSITORY": String?.none]).status == 2)
        #expect(try program.run(["list"]).status == 10)
        #expect(try program.run(["list", "-r", program.directory]).status == 10)
    }

    @Test("an invalid value in the environment names its variable")
    func environmentOrigin() throws {
        let program = try Program()
        try program.prepare()
        for (name, value, command) in [
            ("VARVE_THREADS", "abc", ["list"]), ("VARVE_KIND", "fast", ["backup", "source"]),
            ("VARVE_COMPRESSION", "99", ["backup", "source"]), ("VARVE_PROGRESS_FPS", "x", ["backup", "source"]),
        ] {
            let result = try program.run(command, environment: [name: value])
            #expect(result.status == 2)
            #expect(result.messages.contains("\(name): \"\(value)\""))
        }
    }

    @Test("options win over the environment")
    func precedence() throws {
        let program = try Program()
        try program.prepare()
        let wrong: [String: String?] = ["VARVE_REPOSITORY": program.directory + "/nowhere", "VARVE_THREADS": "many"]
        let right = ["-r", program.repository, "--threads", "2"]
        #expect(try program.run(["list"] + right, environment: wrong).status == 0)
        #expect(try program.run(right + ["list"], environment: wrong).status == 0)
        let quick = try program.run(["backup", "--full", "--json", "source"], environment: ["VARVE_KIND": "quick"])
        #expect(try quick.last("summary")?["kind"]?.stringValue == "full")
        let host = try program.run(["backup", "--json", "source"], environment: ["VARVE_HOST": "h1"])
        #expect(host.status == 0)
        #expect(try program.run(["list", "--host", "h1"]).output.contains("h1"))
    }

    @Test("global options may stand before the command, and backup before some commands")
    func order() throws {
        let program = try Program()
        try program.prepare()
        #expect(try program.run(["--json", "backup", "create", "source"]).status == 0)
        let list = try program.run(["-q", "backup", "--json", "list"])
        #expect(try list.json.first?["snapshots"]?.arrayValue?.count == 1)
        try program.makeDirectory("list")
        try program.write("list/x", "x")
        #expect(try program.run(["backup", "./list"]).status == 0)
        #expect(try program.run(["snapshots", "--json"]).json.first?["snapshots"]?.arrayValue?.count == 2)
    }

    @Test("colours only on a terminal, and not with NO_COLOR or --no-color")
    func colours() throws {
        let program = try Program()
        try program.prepare()
        #expect(try program.run(["backup", "source"]).status == 0)
        #expect(!(try program.run(["list"]).output.contains("\u{1B}")))
        let environment: [String: String?] = ["TERM": "xterm"]
        #expect(try program.runOnTerminal(["list"], environment: environment, answers: []).output.contains("\u{1B}["))
        let ways: [([String], [String: String?])] = [(["list", "--no-color"], [:]), (["list"], ["NO_COLOR": "1"])]
        for (arguments, more) in ways {
            let all = environment.merging(more) { $1 }
            #expect(!(try program.runOnTerminal(arguments, environment: all, answers: []).output.contains("\u{1B}[1m")))
        }
    }

    @Test("the completion scripts name the commands", arguments: ["bash", "zsh", "fish"])
    func completion(_ shell: String) throws {
        let result = try Program().run(["completion", shell])
        #expect(result.status == 0)
        #expect(result.output.contains("backup"))
        #expect(result.output.contains("verify"))
    }

    @Test("the version is told in three ways")
    func version() throws {
        let program = try Program()
        #expect(try program.run(["--version"]).output.hasPrefix("varve "))
        #expect(try program.run(["version"]).output.hasPrefix("varve "))
        #expect(try program.run(["version", "--json"]).json.first?["version"]?.stringValue != nil)
    }
}
