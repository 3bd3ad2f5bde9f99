import CSys
import Glibc
import Testing
import VarveFormat

@Suite("varve config, and where settings come from")
struct ConfigCommandTests {
    @Test("check names file, line, key and remedy of every mistake and ends with 2, else with 0")
    func check() throws {
        let program = try Program()
        try program.write("varve.toml", "threads = 0\n[gc]\ngrase = \"7d\"\n")
        let wrong = try program.run(["config", "check"])
        #expect(wrong.status == 2)
        let lines = wrong.output.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines.first?.hasPrefix("\(program.directory)/varve.toml:1: threads: ") == true)
        #expect(lines.last?.hasPrefix("\(program.directory)/varve.toml:3: gc.grase: ") == true)
        #expect(lines.last?.contains("grace was meant") == true)
        let document = try #require(try program.run(["config", "check", "--json"]).json.first)
        #expect(document["valid"]?.boolValue == false)
        #expect(document["mistakes"]?.arrayValue?.map { $0["line"]?.integerValue } == [1, 3])
        #expect(document["mistakes"]?.arrayValue?.last?["key"]?.stringValue == "gc.grase")
        try program.write("good.toml", "threads = 1\n")
        let good = try program.run(["config", "check", "--config", "good.toml"])
        #expect(good.status == 0, "\(good.messages)")
        let before = try program.run(["--config", "good.toml", "config", "check", "--json"])
        #expect(try before.json.first?["valid"] == .bool(true))
        let byVariable = try program.run(["config", "check"], environment: ["VARVE_CONFIG": "good.toml"])
        #expect(byVariable.status == 0)
    }

    @Test("a file with a mistake or one that is not there stops every command with 2")
    func stops() throws {
        let program = try Program()
        try program.write("bad.toml", "threads = 0\nx = 1\n")
        let result = try program.run(["list", "--config", "bad.toml"])
        #expect(result.status == 2)
        #expect(result.messages.contains("line 1") && result.messages.contains("threads"))
        #expect(result.messages.contains("all 2 mistakes"))
        #expect(try program.run(["list", "--config", "absent.toml"]).status == 2)
        #expect(try program.run(["list"], environment: ["VARVE_CONFIG": "absent.toml"]).status == 2)
        #expect(try program.run(["version", "--config", "bad.toml"]).status == 0)
        let empty = try Program()
        #expect(try empty.run(["config", "check"]).status == 2)
        #expect(try empty.run(["config", "check", "--config", "."]).status == 2)
    }

    @Test("a configuration that anybody can write is not taken from the working directory")
    func owner() throws {
        let program = try Program()
        try program.write("varve.toml", "threads = 1\n")
        #expect(chmod(program.directory + "/varve.toml", 0o666) == 0)
        let result = try program.run(["config", "show"])
        #expect(result.status == 2)
        #expect(result.messages.contains("written by everybody"))
        #expect(try program.run(["config", "show", "--config", "varve.toml"]).status == 0)
    }

    @Test("flags win over the environment, and that over the file")
    func precedence() throws {
        let program = try Program()
        try program.prepare()
        try program.write(
            "varve.toml", "repository = \"elsewhere\"\nkey_file = \"key\"\nhost = \"file\"\nkind = \"quick\"\n")
        func host(_ arguments: [String], _ environment: [String: String?]) throws -> [String?] {
            let result = try program.run(["backup", "source"] + arguments, environment: environment)
            #expect(result.status == 0, "\(result.messages)")
            let shown = try program.run(["show", "latest", "--json"], environment: environment).json.first
            return [shown?["host"]?.stringValue, shown?["kind"]?.stringValue]
        }
        #expect(try host([], [:]) == ["file", "quick"])
        #expect(try host([], ["VARVE_HOST": "variable", "VARVE_KIND": "full"]) == ["variable", "full"])
        #expect(try host(["--host", "flag", "--quick"], ["VARVE_HOST": "v", "VARVE_KIND": "full"]) == ["flag", "quick"])
        let named = try program.run(["list"], environment: ["VARVE_REPOSITORY": nil])
        #expect(named.status == 10)
        #expect(named.messages.contains("elsewhere"))
    }

    @Test("a secret in the environment keeps those of the file away")
    func secrets() throws {
        let program = try Program()
        #expect(try program.run(["init"], environment: ["VARVE_PASSWORD": "right"]).status == 0)
        try program.write("varve.toml", "password_command = \"echo wrong\"\n")
        #expect(try program.run(["list"], environment: ["VARVE_PASSWORD": "right"]).status == 0)
        #expect(try program.run(["list"]).status == 12)
        try program.write("password", "right\n")
        #expect(try program.run(["list", "--password-file", "password"]).status == 0)
    }

    @Test("a variable of any key is heeded, and an invalid one is named")
    func variables() throws {
        let program = try Program()
        try program.write("varve.toml", "[gc]\ngrace = \"1d\"\n[retention]\nmax_age = \"1y\"\n")
        let variables = ["VARVE_GC_GRACE": "2d", "VARVE_MAX_AGE": "30d", "VARVE_HOOKS_TIMEOUT": "5s"]
        let shown = try #require(try program.run(["config", "show", "--json"], environment: variables).json.first)
        let settings = try #require(shown["settings"]?.arrayValue)
        func setting(_ key: String) -> [String?] {
            let found = settings.first { $0["key"]?.stringValue == key }
            return [found?["value"]?.stringValue, found?["origin"]?.stringValue]
        }
        #expect(setting("gc.grace") == ["2d", "VARVE_GC_GRACE"])
        #expect(setting("retention.max_age") == ["30d", "VARVE_MAX_AGE"])
        #expect(setting("hooks.timeout") == ["5s", "VARVE_HOOKS_TIMEOUT"])
        let wrong = try program.run(["list"], environment: ["VARVE_GC_GRACE": "soon"])
        #expect(wrong.status == 2)
        #expect(wrong.messages.contains("VARVE_GC_GRACE"))
    }

    @Test("forget takes its rules from the file, those of a job for its snapshots")
    func retention() throws {
        let program = try Program()
        try program.prepare()
        try program.write(
            "varve.toml",
            "[retention]\nkeep_last = 1\n[[job]]\nname = \"n\"\n[job.retention]\nkeep_last = 2\n")
        for day in 1...3 {
            for job in [[String](), ["--job", "n"]] {
                let time = "2025-03-0\(day)T12:00:00Z"
                #expect(try program.run(["backup", "source", "--time", time] + job).status == 0)
            }
        }
        let plan = try #require(try program.run(["forget", "-n", "--json"]).json.first)
        #expect(plan["kept"]?.integerValue == 3 && plan["dropped"]?.integerValue == 3)
        let flags = try #require(try program.run(["forget", "-n", "--json", "--keep-last", "3"]).json.first)
        #expect(flags["dropped"]?.integerValue == 0)
        let variable = try program.run(["forget", "-n", "--json"], environment: ["VARVE_RETENTION_KEEP_LAST": "3"])
        #expect(try variable.json.first?["kept"]?.integerValue == 5)
    }

    @Test("init --app writes a configuration once, and it has no mistakes")
    func proposal() throws {
        let program = try Program()
        try program.makeDirectory("app")
        try program.write("app/.env", "A=1\n")
        let look = try program.run(["init", "--app", "app", "-n"])
        #expect(look.status == 0 && look.output.contains("paths = [\".env\"]"), "\(look.messages)")
        #expect(try program.run(["init", "--app", "app"]).status == 0)
        #expect(try program.run(["config", "check", "--config", "app/varve.toml"]).status == 0)
        let again = try program.run(["init", "--app", "app"])
        #expect(again.status == 1)
        #expect(again.messages.contains("left as it is"))
        #expect(try program.run(["init", "--app", "absent"]).status == 1)
    }
}
