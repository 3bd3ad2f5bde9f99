import CSys
import Glibc
import Testing
import Varve
import VarveApp

@Suite("Proposing a varve.toml")
struct ConfigurationProposalTests {
    /// A directory with files of given contents; it goes away at the end.
    private func with<Value>(
        _ files: [(name: [UInt8], content: [UInt8])], _ body: ([UInt8]) throws -> Value
    ) throws -> Value {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        let name = "varve-proposal-" + (try Syscalls.randomBytes(8).map { String($0, radix: 16) }.joined())
        let root = Array("\(parent)/\(name)".utf8)
        try Syscalls.makeDirectory(root, mode: 0o700)
        defer { try? LocalBackend(path: parent).removeTree(name) }
        for (file, content) in files {
            var path = root
            for part in file.split(separator: UInt8(ascii: "/")).dropLast() {
                path += [UInt8(ascii: "/")] + part
                try? Syscalls.makeDirectory(path, mode: 0o700)
            }
            let flags = SYS_O_WRONLY | SYS_O_CREAT
            let descriptor = try Syscalls.open(root + [UInt8(ascii: "/")] + file, flags: flags, mode: 0o600)
            defer { _ = sys_close(descriptor) }
            _ = content.withUnsafeBytes { sys_write(descriptor, $0.baseAddress, $0.count) }
        }
        return try body(root)
    }

    private func file(_ name: String, _ content: String = "x") -> (name: [UInt8], content: [UInt8]) {
        (Array(name.utf8), Array(content.utf8))
    }

    private func texts(_ paths: [[UInt8]]) -> [String] { paths.map { String(decoding: $0, as: UTF8.self) } }

    private var application: [(name: [UInt8], content: [UInt8])] {
        let database = "SQLite format 3\0" + String(repeating: "-", count: 1_000)
        return [
            file(".env", "DATABASE_URL=postgresql://localhost/app"), file(".env.example"), file("VERSION", "1.2"),
            file("docker-compose.yml"), file("requirements.txt"), file("data/app.db", database),
            file("data/notes.db", "no database"), file("data/uploads/ä.txt"), file("data/uploads/media/b"),
            file("kuzu/catalog.kz"), file("kuzu/data.kz"), file("node_modules/x/package.json"),
            file(".git/config"), file("a.log"), file("deep/er/than/config.py"),
        ]
    }

    @Test("databases, settings, uploads and what can be made again are found")
    func survey() throws {
        try with(application) { root in
            let survey = try ApplicationSurvey(root)
            #expect(texts(survey.sqliteFiles) == ["data/app.db"])
            #expect(texts(survey.databaseDirectories) == ["kuzu"])
            #expect(texts(survey.configFiles) == [".env", "VERSION", "docker-compose.yml", "requirements.txt"])
            #expect(texts(survey.uploadDirectories) == ["data/uploads"])
            #expect(survey.composeFile == Array("docker-compose.yml".utf8))
            #expect(survey.versionFile == Array("VERSION".utf8))
            #expect(survey.postgresHint == Array(".env".utf8))
            #expect(survey.excludeSets == ["python", "vcs", "logs"])
            #expect(survey.hasNodeModules && !survey.isCut)
        }
    }

    @Test("what is proposed has no mistakes, whatever the files are called")
    func proposal() throws {
        let odd: [(name: [UInt8], content: [UInt8])] = [
            file("up\"l\\oads/uploads/x"), file("new\nline/.env"),
            (name: [0xFF] + Array("/settings.yml".utf8), content: [UInt8]()),
        ]
        let applications: [[(name: [UInt8], content: [UInt8])]] = [application + odd, [], [file("a")]]
        for files in applications {
            try with(files) { root in
                let survey = try ApplicationSurvey(root)
                let secrets = [(key: "key_file", value: "/key")]
                let text = ConfigurationProposal(survey, repository: "../re\"po", secrets: secrets).text()
                let path = root + Array("/varve.toml".utf8)
                let (configuration, mistakes) = ConfigurationReader.parse(Array(text.utf8), file: path, home: nil)
                #expect(mistakes.isEmpty, "\(mistakes.map(\.description))\n\(text)")
                #expect(configuration?.components.first?.name == "files")
                #expect(configuration?.values["repository"]?.hasSuffix("/re\"po") == true)
            }
        }
    }

    @Test("a directory that is not there is an error")
    func missing() {
        #expect(throws: StoreError.self) { try ApplicationSurvey(Array("/no/such/directory".utf8)) }
    }
}
