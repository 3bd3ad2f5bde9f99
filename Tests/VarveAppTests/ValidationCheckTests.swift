import Testing
import Varve
import VarveApp
import VarveFormat

@Suite("Checks of the application")
struct ValidationCheckTests {
    private func run(_ line: String, timeout: Int64 = 600) throws -> ValidationCheck.Result {
        let runner = HookRunner(hooks: [:], directory: [UInt8(ascii: "/")], variables: [:])
        let checks = ValidationCheck.checks(["validation.command": line], [], timeout: "\(timeout)s")
        return try #require(checks.first).run(runner, progress: nil)
    }

    @Test("what the command prints is kept, with the time")
    func good() throws {
        let result = try run(
            "echo '{\"validator\":\"texts\",\"status\":\"PASSED\",\"issues\":3,\"summary\":\"fine\",\"other\":1}'")
        #expect(result.problem == nil)
        #expect(result.json["validator"]?.stringValue == "texts")
        #expect(result.json["issues"]?.integerValue == 3)
        #expect(result.json["summary"]?.stringValue == "fine")
        #expect(result.json["time"]?.stringValue?.hasSuffix("Z") == true)
        #expect(result.json["other"] == nil)
    }

    @Test(
        "a bad status, issues without a status, a failing command and anything but JSON are bad results",
        arguments: [
            ("echo '{\"status\":\"failed\",\"issues\":2}'", "says failed, 2 issues"),
            ("echo '{\"issues\":1}'", "1 issues"), ("echo '{\"status\":\"ok\"}'; exit 3", "exited with status 3"),
            ("echo hello", "did not print a JSON object"), ("echo '[1]'", "did not print a JSON object"),
            ("true", "did not print a JSON object"), ("exit 127", "was not found"),
            ("yes", "writes more than"),
        ])
    func bad(_ line: String, _ says: String) throws {
        let result = try run(line)
        #expect(result.problem?.contains(says) == true, "\(result.problem ?? "")")
        #expect(ValidationCheck.isGood(result.json["status"]?.stringValue ?? "") == false)
    }

    @Test("a command that hangs is ended and is a bad result")
    func hanging() throws {
        #expect(try run("sleep 1000", timeout: 0).problem?.contains("did not end") == true)
    }

    @Test("components have checks of their own")
    func components() throws {
        let text = """
            [[component]]
            name = "a"
            kind = "files"
            paths = ["x"]
            validate = "true"
            validate_policy = "refuse"
            """
        let read = ConfigurationReader.parse(Array(text.utf8), file: Array("/a/varve.toml".utf8), home: nil)
        let configuration = try #require(read.configuration)
        let checks = ValidationCheck.checks(configuration.values, configuration.components, timeout: nil)
        #expect(checks.map(\.component) == ["a"])
        #expect(checks.map(\.refuses) == [true])
        #expect(checks.map(\.timeout) == [600])
    }
}
