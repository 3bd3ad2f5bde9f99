import Testing
import Varve

@Suite("GlobPattern")
struct GlobPatternTests {
    private func matches(_ pattern: String, _ text: String) throws -> Bool {
        try GlobPattern(Array(pattern.utf8)).matches(Array(text.utf8))
    }

    @Test(
        "these match",
        arguments: [
            ("foo", "foo"), ("*", "foo"), ("*", ""), ("?oo", "foo"), ("f*", "f"), ("*o", "foo"), ("f*o*o", "foooo"),
            ("*.tar.*", "a.tar.tar.gz"), ("a*b*c", "aXbXbXc"), ("[a-c]x", "bx"), ("[!a-c]x", "dx"), ("[^a-c]x", "dx"),
            ("[]]", "]"), ("[]-]", "-"), ("[a-]", "-"), ("[--0]", "."), ("[!]a-]", "b"),
            ("[[:digit:]]", "7"), ("[[:alpha:][:digit:]]", "q"), ("[[:space:]]", "\t"), ("[[:xdigit:]]", "F"),
            ("[\\]]", "]"), ("[\\a-\\c]", "b"), ("\\*", "*"), ("\\\\", "\\"), ("a\\b", "ab"), ("a[[]b", "a[b"),
            ("**", "a/b/c"), ("**/foo", "foo"), ("**/foo", "a/b/foo"), ("a/**", "a/b"), ("a/**", "a/b/c"),
            ("a/**/b", "a/b"), ("a/**/b", "a/x/y/b"), ("**/a/**/b/*.c", "x/a/y/a/b/z.c"), ("a/*/c", "a/b/c"),
            ("**/a/b", "a/a/b"), ("**/*a*/b", "xax/yay/b"), ("a**b", "aXXb"), ("**a", "xa"), ("***/b", "x/b"),
            ("a/**/**/b", "a/b"), ("**/**", "x"), ("x/**/y*z/**/w", "x/1/yz/yaz/2/w"), ("[[:foo]", "o"),
        ])
    func positive(_ pattern: String, _ text: String) throws {
        #expect(try matches(pattern, text))
    }

    @Test(
        "these do not match",
        arguments: [
            ("foo", "fo"), ("foo", "fooo"), ("?", ""), ("?", "ab"), ("*", "a/b"), ("?", "/"), ("[!a]", "/"),
            ("[.-0]", "/"), ("a*c", "a/c"), ("f*o*x", "foooo"), ("[a-c]", "d"), ("[!a-c]", "b"), ("[z-a]", "m"),
            ("**/foo", "xfoo"), ("**/foo", "foo/x"), ("a/**", "a"), ("a/**", "ab/c"), ("a/**/b", "ab"),
            ("a/**/b", "a/xb"), ("a**b", "a/b"), ("a/*/c", "a/b/b/c"), ("a/*", "a/b/c"), ("**/a/*.c", "a/b/x.c"),
            ("\\*", "x"), ("a\\*", "ab"), ("[[:digit:]]", "a"), ("FOO", "foo"), ("", "a"), ("**/**", ""),
        ])
    func negative(_ pattern: String, _ text: String) throws {
        #expect(try !matches(pattern, text))
    }

    @Test(
        "an unclosed bracket and a lone backslash are usage errors",
        arguments: ["[", "a[b", "[]", "[!]", "[a-", "a\\"])
    func malformed(_ pattern: String) {
        #expect { try GlobPattern(Array(pattern.utf8)) } throws: { ($0 as? StoreError)?.code == .usage }
    }

    @Test("bytes that are not UTF-8 match as bytes")
    func bytes() throws {
        #expect(try GlobPattern([0xFF, 0x3F]).matches([0xFF, 0xC3]))
        #expect(try GlobPattern(Array("[".utf8) + [0x80, 0x2D, 0xFF] + Array("]".utf8)).matches([0xC3]))
        #expect(try !GlobPattern([0x3F]).matches(Array("é".utf8)), "one character of two bytes")
    }

    @Test("a pattern made to backtrack ends soon")
    func noExplosion() throws {
        let stars = String(repeating: "*a", count: 40) + "*b"
        #expect(try !matches(stars, String(repeating: "a", count: 4000)))
        let directories = String(repeating: "**/a/", count: 20) + "b"
        #expect(try !matches(directories, String(repeating: "a/", count: 2000) + "c"))
    }

    @Test("shapes that are quicker than a glob are seen")
    func shapes() throws {
        func shape(_ text: String) throws -> GlobPattern.Shape { try GlobPattern(Array(text.utf8)).shape }
        #expect(try shape("a\\*b") == .literal(Array("a*b".utf8)))
        #expect(try shape("*.log") == .suffix(Array(".log".utf8)))
        #expect(try shape("core.*") == .prefix(Array("core.".utf8)))
        #expect(try shape("*") == .prefix([]))
        #expect(try shape("a*b") == .general)
        #expect(try shape("*.l?g") == .general)
    }
}
