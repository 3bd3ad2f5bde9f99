import Testing
import VarveFormat

@Suite("Passwords and key files")
struct PasswordsTests {
    @Test("a new password is asked for twice and never shown")
    func asked() throws {
        let program = try Program()
        let made = try program.runOnTerminal(
            ["init"], answers: [("repository: ", "secret one\n"), ("Again: ", "secret one\n")])
        #expect(made.status == 0, "\(made.output)")
        #expect(!made.output.contains("secret one"))
        let listed = try program.runOnTerminal(["list"], answers: [("repo: ", "secret one\n")])
        #expect(listed.status == 0, "\(listed.output)")
        #expect(try program.runOnTerminal(["list"], answers: [("repo: ", "secret two\n")]).status == 12)
    }

    @Test("two different answers make no repository")
    func differ() throws {
        let program = try Program()
        let result = try program.runOnTerminal(["init"], answers: [("repository: ", "one\n"), ("Again: ", "two\n")])
        #expect(result.status == 2)
        #expect(try program.run(["list"]).status == 10)
    }

    @Test("without a password and a terminal a command ends with 12")
    func noTerminal() throws {
        let program = try Program()
        #expect(try program.run(["init"]).status == 12)
        #expect(try program.run(["init"], environment: ["VARVE_PASSWORD": "one"]).status == 0)
        let result = try program.run(["list"])
        #expect(result.status == 12)
        #expect(result.messages.contains("--password-file"))
    }

    @Test("a password comes from a file, a command or the environment, and options win")
    func sources() throws {
        let program = try Program()
        try program.write("right", "one\nnot this\n")
        try program.write("wrong", "two\n")
        #expect(try program.run(["init", "--password-file", "right"]).status == 0)
        let ways: [([String], [String: String?], Int32)] = [
            (["--password-file", "right"], ["VARVE_PASSWORD": "two"], 0),
            (["--password-command", "echo one"], ["VARVE_PASSWORD_FILE": "wrong"], 0),
            ([], ["VARVE_PASSWORD": "one", "VARVE_PASSWORD_FILE": "wrong"], 0),
            ([], ["VARVE_PASSWORD_FILE": "right", "VARVE_PASSWORD_COMMAND": "echo two"], 0),
            ([], ["VARVE_PASSWORD_COMMAND": "echo one"], 0),
            (["--password-file", "wrong"], ["VARVE_PASSWORD": "one"], 12),
            (["--password-command", "echo one; exit 1"], [:], 1),
            (["--password-file", "right", "--password-command", "echo one"], [:], 2),
        ]
        for (arguments, environment, status) in ways {
            let result = try program.run(["list"] + arguments, environment: environment)
            #expect(result.status == status, "\(arguments) \(environment): \(result.messages)")
        }
    }

    @Test("init makes the key file with mode 0600 and warns that it is the only key")
    func keyFile() throws {
        let program = try Program()
        let result = try program.run(["init", "--key-file", program.keyFile, "--json"])
        #expect(result.status == 0)
        #expect(result.messages.contains("only key"))
        let line = try #require(try result.json.first)
        #expect(line["message_type"]?.stringValue == "summary")
        #expect(line["encrypted"]?.boolValue == true)
        #expect(line["path"]?.stringValue == program.repository)
        #expect(line["repository_id"]?.stringValue?.count == 32)
        #expect(try program.read("key").utf8.count >= 32)
        #expect(try program.run(["init", "--key-file", program.keyFile]).status == 1)
    }

    @Test("a password for an unencrypted repository is refused")
    func unencrypted() throws {
        let program = try Program()
        #expect(try program.run(["init", "--unencrypted"], environment: ["VARVE_PASSWORD": "x"]).status == 2)
        #expect(try program.run(["init", "--unencrypted"]).status == 0)
        #expect(try program.run(["list"]).status == 0)
        #expect(try program.run(["list"], environment: ["VARVE_PASSWORD": "x"]).status == 5)
    }

    @Test("a password is added, changed and removed; the last key is not")
    func keys() throws {
        let program = try Program()
        try program.prepare()
        try program.write("first", "first\n")
        try program.write("second", "second\n")
        #expect(try program.run(["key", "add", "--new-password-file", "first", "--label", "paper"]).status == 0)
        #expect(try program.run(["list", "--password-file", "first"]).status == 0)
        let changed = try program.run(
            ["key", "passwd", "--password-file", "first", "--new-password-file", "second"])
        #expect(changed.status == 0, "\(changed.messages)")
        #expect(try program.run(["list", "--password-file", "first"]).status == 12)
        let listed = try program.run(["key", "list", "--json", "--password-file", "second"])
        let keys = try #require(try listed.json.first?["keys"]?.arrayValue)
        #expect(keys.count == 2)
        let current = try #require(keys.first { $0["current"]?.boolValue == true })
        #expect(current["label"]?.stringValue == "paper")
        let id = try #require(current["id"]?.stringValue)
        #expect(try program.run(["key", "remove", id]).status == 5)
        #expect(try program.run(["key", "remove", id, "--yes"]).status == 0)
        let other = try #require(keys.first { $0["current"]?.boolValue == false }?["id"]?.stringValue)
        #expect(try program.run(["key", "remove", other, "--yes"]).status == 5)
    }
}
