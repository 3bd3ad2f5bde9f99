import Testing
import Varve

@Suite("ExcludeSets")
struct ExcludeSetsTests {
    private func excludes(_ set: String, _ path: String) throws -> Bool {
        let isDirectory = path.hasSuffix("/")
        return PathRules(root: Array("/s".utf8), rules: try ExcludeSets.rules(set))
            .decide(path: Array("/s/\(isDirectory ? String(path.dropLast()) : path)".utf8), isDirectory: isDirectory)
            .isExcluded
    }

    @Test("the sets are those of the documentation")
    func names() { #expect(ExcludeSets.names == ["caches", "ide", "logs", "os", "python", "vcs"]) }

    @Test(
        "well-known names are left out",
        arguments: [
            ("python", ".venv/"), ("python", "a/venv/bin/python"), ("python", "env/x"),
            ("python", "x/__pycache__/y.pyc"),
            ("python", "m.pyo"), ("ide", ".idea/x"), ("ide", ".vscode/"), ("vcs", "p/.git/HEAD"), ("vcs", ".git"),
            ("vcs", ".gitignore"), ("os", ".DS_Store"), ("os", "a/Thumbs.db"), ("logs", "a.log"), ("logs", "a.log.1"),
            ("logs", "x.pid"), ("logs", "x.tmp"), ("caches", ".cache/x"), ("caches", "h/.npm/_cacache/a"),
        ])
    func excluded(_ set: String, _ path: String) throws { #expect(try excludes(set, path)) }

    @Test(
        "names that only resemble them stay",
        arguments: [
            ("python", "environment/"), ("python", "environment/x"), ("python", "myenv/"), ("python", ".env"),
            ("python", "env"), ("python", "poetry.lock"), ("python", "venv.py"), ("vcs", "git/"), ("logs", "logs/"),
            ("logs", "changelog"), ("caches", "cache/"), ("ide", "idea/"),
        ])
    func kept(_ set: String, _ path: String) throws { #expect(try !excludes(set, path)) }

    @Test("an unknown set is a usage error that names the others")
    func unknown() {
        #expect { try ExcludeSets.rules("perl") } throws: { error in
            (error as? StoreError)?.code == .usage && (error as? StoreError)?.remedy?.contains("python") == true
        }
    }
}
