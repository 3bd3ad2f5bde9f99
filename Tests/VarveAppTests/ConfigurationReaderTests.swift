import Testing
import Varve
import VarveApp

@Suite("Reading varve.toml")
struct ConfigurationReaderTests {
    private static let file = Array("/srv/app/varve.toml".utf8)

    private func read(
        _ text: String, home: String? = "/home/me"
    ) -> (configuration: Configuration?, mistakes: [ConfigurationMistake]) {
        ConfigurationReader.parse(Array(text.utf8), file: Self.file, home: home.map { Array($0.utf8) })
    }

    @Test("every setting arrives as text, lists as lists, and paths start from the file")
    func values() throws {
        let text = """
            repository = "../repo"
            key_file = "~/key"
            cache_dir = "/var/cache/varve"
            threads = 4
            compression = "off"

            [backup]
            exclude = ["*.tmp", "node_modules/"]
            exclude_larger_than = 1048576
            one_file_system = true

            [retention]
            keep_daily = 7
            keep_weekly = "90d"

            [[component]]
            name = "uploads"
            kind = "files"
            paths = ["data/uploads", "."]

            [[component]]
            name = "dump"
            kind = "command"
            type = "database"
            command = ["pg_dump", "app"]

            [[job]]
            name = "nightly"
            only = ["dump", "data"]
            [job.retention]
            keep_last = 3
            """
        let (read, mistakes) = read(text)
        #expect(mistakes.isEmpty, "\(mistakes.map(\.description))")
        let configuration = try #require(read)
        #expect(configuration.values["repository"] == "/srv/repo")
        #expect(configuration.values["key_file"] == "/home/me/key")
        #expect(configuration.values["threads"] == "4")
        #expect(configuration.values["compression"] == "off")
        #expect(configuration.values["backup.exclude_larger_than"] == "1048576")
        #expect(configuration.values["backup.one_file_system"] == "true")
        #expect(configuration.values["retention.keep_weekly"] == "90d")
        #expect(configuration.lists["backup.exclude"] == ["*.tmp", "node_modules/"])
        #expect(configuration.components.map(\.name) == ["uploads", "dump"])
        #expect(configuration.components.map(\.type) == ["data", "database"])
        #expect(configuration.components[0].paths == [Array("/srv/app/data/uploads".utf8), Array("/srv/app".utf8)])
        #expect(configuration.components[1].command == ["pg_dump", "app"])
        #expect(configuration.jobs[0].retention == ["keep_last": "3"])
        #expect(configuration.jobs[0].hasRetention)
    }

    /// A file with one mistake: where it is and a part of what is said.
    struct Mistake: Sendable, CustomTestStringConvertible {
        let text: String
        let line: Int?
        let key: String?
        let says: String
        var testDescription: String { "\(says) in \(text.prefix(40))" }

        init(_ text: String, _ line: Int?, _ key: String?, _ says: String) {
            self.text = text
            self.line = line
            self.key = key
            self.says = says
        }

        /// Behind a component without a mistake, of four lines.
        init(after text: String, _ line: Int?, _ key: String?, _ says: String) {
            self.init(ConfigurationReaderTests.files + text, line, key, says)
        }
    }

    private static let files = "[[component]]\nname = \"a\"\nkind = \"files\"\npaths = [\"x\"]\n"

    @Test(
        "each kind of mistake is named with its line and key",
        arguments: [
            Mistake("repositry = \"x\"", 1, "repositry", "repository was meant"),
            Mistake("\n\npassword = \"x\"", 3, "password", "password_file"),
            Mistake("keep_daily = 7", 1, "keep_daily", "belongs to [retention]"),
            Mistake("[retentoin]\nkeep_daily = 7", 1, "retentoin", "no such key"),
            Mistake("[backup]\nthreads = 4", 2, "backup.threads", "top of the file"),
            Mistake("threads = \"4\"", 1, "threads", "without quotation marks"),
            Mistake("threads = 0", 1, "threads", "from 1 to 256"),
            Mistake("threads = -3", 1, "threads", "from 1 to 256"),
            Mistake("threads = 1.5", 1, "threads", "number with a fraction"),
            Mistake("compression = 20", 1, "compression", "1 to 19"),
            Mistake("repository = 7", 1, "repository", "expected a path"),
            Mistake("repository = \"\"", 1, "repository", "empty"),
            Mistake("repository = 2025-01-01", 1, "repository", "a date or time"),
            Mistake("repository = [\"x\"]", 1, "repository", "without brackets"),
            Mistake("key_file = \"~root/key\"", 1, "key_file", "another user"),
            Mistake("kind = \"fast\"", 1, "kind", "quick, full"),
            Mistake("wait = 5", 1, "wait", "\"5s\""),
            Mistake("wait = \"5 minutes\"", 1, "wait", "duration"),
            Mistake("backup = 1", 1, "backup", "expected a table"),
            Mistake("[backup]\nexclude = \"*.tmp\"", 2, "backup.exclude", "exclude = [\"*.tmp\"]"),
            Mistake("[backup]\nexclude = [\n  \"ok\",\n  7,\n]", 4, "backup.exclude[1]", "a whole number"),
            Mistake("[backup]\nexclude = [\"a[\"]", 2, "backup.exclude[0]", "pattern"),
            Mistake("[backup]\nexclude_set = [\"pyton\"]", 2, "backup.exclude_set[0]", "python"),
            Mistake("[backup]\nexclude_larger_than = -1", 2, "backup.exclude_larger_than", "size"),
            Mistake("[backup]\nexclude_larger_than = \"-5M\"", 2, "backup.exclude_larger_than", "size"),
            Mistake("[backup]\none_file_system = \"yes\"", 2, "backup.one_file_system", "true or false"),
            Mistake("[backup]\ntags = [\"a,b\"]", 2, "backup.tags[0]", "tag"),
            Mistake("[backup]\ntype = \"databse\"", 2, "backup.type", "no type"),
            Mistake("[backup]\nexclude_if_present = [\"a/b\"]", 2, "backup.exclude_if_present[0]", "name of a file"),
            Mistake("[retention]\nkeep_daily = \"many\"", 2, "retention.keep_daily", "neither a number nor"),
            Mistake("[retention]\nkeep_daily = -1", 2, "retention.keep_daily", "neither a number nor"),
            Mistake("[retention]\nmax_drop = 5", 2, "retention.max_drop", "\"5%\""),
            Mistake("[gc]\ngrace = \"7\"", 2, "gc.grace", "duration"),
            Mistake("[hooks]\nbefore_backup = [\"a\"]", 2, "hooks.before_backup", "without brackets"),
            Mistake("[validation]\npolicy = \"refuse\"", 2, "validation.policy", "no validation.command"),
            Mistake("password_file = \"a\"\npassword_command = \"b\"", 2, "password_command", "too"),
            Mistake("component = 1", 1, "component", "[[component]]"),
            Mistake("[component]\nname = \"a\"", 1, "component", "[[component]]"),
            Mistake("[[component]]\nkind = \"files\"\npaths = [\"x\"]", 1, "component[0].name", "is missing"),
            Mistake("[[component]]\nname = \"a\"\npaths = [\"x\"]", 1, "component[0].kind", "files, sqlite"),
            Mistake("[[component]]\nname = \"a b\"\nkind = \"files\"", 2, "component[0].name", "letters"),
            Mistake("[[component]]\nname = \"a\"\nkind = \"files\"", 1, "component[0].paths", "is missing"),
            Mistake("[[component]]\nname = \"a\"\nkind = \"files\"\npaths = []", 4, "component[0].paths", "is empty"),
            Mistake("[[component]]\nname = \"a\"\nkind = \"file\"\npaths = [\"x\"]", 3, "component[0].kind", "files"),
            Mistake(after: "command = \"x\"", 5, "component[0].command", "does not belong to kind files"),
            Mistake(after: "type = \"media\"", 5, "component[0].type", "backup.types"),
            Mistake(after: "validate_policy = \"warn\"", 5, "component[0].validate_policy", "no validate"),
            Mistake(after: "path = \"x\"", 5, "component[0].path", "paths = "),
            Mistake("[[component]]\nname = \"a\"\nkind = \"command\"", 1, "component[0].command", "is missing"),
            Mistake(after: "[[component]]\nname = \"a\"\nkind = \"files\"", 6, "component[1].name", "the name a too"),
            Mistake("[[job]]\ntype = \"data\"", 1, "job[0].name", "is missing"),
            Mistake(after: "[[job]]\nname = \"n\"\nonly = [\"b\"]", 7, "job[0].only[0]", "the components are a"),
            Mistake("[[job]]\nname = \"n\"\n[job.retention]\nkeep = 1", 4, "job[0].retention.keep", "no such key"),
            Mistake("[[job]]\nname = \"n\"\nhooks = \"x\"", 3, "job[0].hooks", "expected a table"),
            Mistake("a = 1\na = 2", 2, nil, "redefine"),
            Mistake("repository = ", 1, nil, "error"),
            Mistake("[backup", 1, nil, "error"),
            Mistake("x = \"a\\u0000b\"", 1, nil, "NUL"),
            Mistake("x = 99999999999999999999", 1, nil, "error"),
        ])
    func mistakes(_ mistake: Mistake) throws { try check(mistake) }

    @Test("files that are too deep or too long are named as such")
    func excess() throws {
        let deep = Array(repeating: "a", count: 100).joined(separator: ".")
        try check(Mistake("\n\(deep) = 1", 2, nil, "dots"))
        try check(Mistake("x = \(String(repeating: "[", count: 100_000))", 1, nil, "nest"))
        try check(Mistake(String(repeating: "# long\n", count: 40_000), nil, nil, "longer than 256 KiB"))
    }

    private func check(_ mistake: Mistake) throws {
        let (configuration, found) = read(mistake.text)
        #expect(configuration == nil)
        let shown = found.map(\.description)
        let first = try #require(found.first { $0.key == mistake.key }, "\(shown)")
        #expect(first.line == mistake.line, "\(shown)")
        #expect(first.description.lowercased().contains(mistake.says.lowercased()), "\(shown)")
        #expect(!first.remedy.isEmpty)
    }

    @Test("all mistakes are found at once, in the order of the lines")
    func several() {
        let text = """
            threads = 0
            wrong = 1
            [gc]
            grace = 5
            [[component]]
            name = "a"
            kind = "files"
            [[component]]
            kind = "nothing"
            """
        let lines = read(text).mistakes.map { "\($0.line ?? 0) \($0.key ?? "")" }
        #expect(
            lines == [
                "1 threads", "2 wrong", "4 gc.grace", "5 component[0].paths", "8 component[1].name",
                "9 component[1].kind",
            ])
    }

    @Test("a URI of a database that cannot be understood is a mistake, and nothing of it is repeated")
    func databaseURI() {
        let found = read(
            """
            [[component]]
            name = "db"
            kind = "postgres"
            database = "postgres://u:se/cret@h/db"
            """).mistakes
        #expect(found.map(\.key) == ["component[0].database"])
        #expect(found.first.map { !$0.description.contains("cret@") } == true)
    }

    @Test("a path in two components is a mistake, one inside another is not")
    func overlap() {
        let second = "[[component]]\nname = \"b\"\nkind = \"files\"\n"
        #expect(read(Self.files + second + "paths = [\"x/y\"]").mistakes.isEmpty)
        let twice = read(Self.files + second + "paths = [\"./x\"]").mistakes
        #expect(twice.map(\.line) == [8])
        #expect(twice.first?.key == "component[1].paths[0]")
    }

    @Test("bytes that are not UTF-8 are named with their line")
    func encoding() {
        let bytes = Array("a = 1\nb = \"".utf8) + [0xFF] + Array("\"\n".utf8)
        let found = ConfigurationReader.parse(bytes, file: Self.file, home: nil).mistakes
        #expect(found.map(\.line) == [2])
        #expect(found.first?.message.contains("UTF-8") == true)
    }

    @Test("~ without a home directory is a mistake")
    func noHome() {
        let found = read("key_file = \"~/key\"", home: nil).mistakes
        #expect(found.first?.message.contains("HOME") == true)
    }

    @Test("lines are right behind strings of every kind, lists and tables in a line")
    func lines() {
        let text = [
            "repository = \"\"\"\na # no comment\nb = 1\"\"\"",  // 1 to 3
            "host = 'x # y'  # wait = 1", "[hooks] # [gc]", "before_backup = '''\ngrace = 1\n'''",  // 4 to 8
            "\"after_backup\" = \"a \\\" b\"", "job = []", "[gc]", "grace = 1",  // 9 to 12
        ].joined(separator: "\n")
        let found = read(text).mistakes.map { "\($0.line ?? 0) \($0.key ?? "")" }
        #expect(found == ["10 hooks.job", "12 gc.grace"])
        let inline = "component = [\n  {name = \"a\", kind = \"files\", paths = [\"x\"]},\n  {name = 7}\n]"
        #expect(read(inline).mistakes.allSatisfy { $0.line == 3 })
        #expect(read(inline).mistakes.contains { $0.key == "component[1].name" })
    }

    @Test("components are chosen by type, by name, and by type as a name")
    func selection() throws {
        var text = ""
        for (name, type) in [("up", "data"), ("media", "data"), ("db", "database"), ("env", "config")] {
            text += "[[component]]\nname = \"\(name)\"\ntype = \"\(type)\"\nkind = \"files\"\npaths = [\"\(name)\"]\n"
        }
        let configuration = try #require(read(text).configuration)
        func names(_ type: String, _ only: [String] = []) throws -> [String] {
            try configuration.components(type: type, only: only).map(\.name)
        }
        #expect(try names("full") == ["up", "media", "db", "env"])
        #expect(try names("data") == ["up", "media"])
        #expect(try names("full", ["database", "up"]) == ["up", "db"])
        #expect(throws: StoreError.self) { try names("data", ["db"]) }
        #expect(throws: StoreError.self) { try names("films") }
        #expect(throws: StoreError.self) { try names("full", ["nothing"]) }
        #expect(throws: StoreError.self) { try configuration.job("nightly") }
    }
}
