import Testing
import Varve
import VarveApp

@Suite("Paths to capture")
struct SourcePathsTests {
    @Test(
        "paths become absolute and clean without asking the file system",
        arguments: [
            ("a", "/w/d/a"), ("./a//b/", "/w/d/a/b"), ("../x", "/w/x"), ("/", "/"), ("/../..", "/"), (".", "/w/d"),
            ("/a/./b/../c", "/a/c"), ("../../../..", "/"),
        ])
    func absolute(_ path: String, _ expected: String) throws {
        let result = try SourcePaths.absolute(Array(path.utf8), from: Array("/w/d".utf8))
        #expect(String(decoding: result, as: UTF8.self) == expected)
    }

    @Test("an empty path and one with a NUL are refused")
    func refused() {
        #expect(throws: StoreError.self) { try SourcePaths.absolute([], from: []) }
        #expect(throws: StoreError.self) { try SourcePaths.absolute([1, 0], from: []) }
    }

    @Test("lists of paths are split at line feeds or at NULs, whatever the bytes")
    func lists() {
        let lines = SourcePaths.list(Array("a\r\n\n#x\nb c".utf8) + [0xFF, 0x0A], zeroSeparated: false)
        #expect(lines == [Array("a".utf8), Array("b c".utf8) + [0xFF]])
        let zeros = SourcePaths.list(Array("a\nb\0#x\0".utf8), zeroSeparated: true)
        #expect(zeros == [Array("a\nb".utf8), Array("#x".utf8)])
    }

    @Test("people see no path that lies in another, and three at most")
    func summary() {
        func summary(_ paths: String...) -> String {
            SourcePaths.summary(paths.map { Array($0.utf8) }) { String(decoding: $0, as: UTF8.self) }
        }
        #expect(summary() == "" && summary("/") == "/" && summary("/", "/a") == "/")
        #expect(summary("/app/.env", "/app", "/app/data", "/apple") == "/app /apple")
        #expect(summary("/a", "/b", "/c") == "/a /b /c")
        #expect(summary("/a", "/b", "/c", "/d") == "/a /b and 2 more")
    }

    @Test("names that usually hold secrets are told from others")
    func secrets() {
        for name in [".env", ".env.production", "id_rsa", "server.PEM", "tls.key", ".pgpass", "vault.kdbx"] {
            #expect(SecretsScan.looksSecret(name: Array(name.utf8)), "\(name)")
        }
        for name in [".env.example", "id_rsa.pub", "keyboard.txt", ".key", "monkey", "readme.md"] {
            #expect(!SecretsScan.looksSecret(name: Array(name.utf8)), "\(name)")
        }
    }
}
