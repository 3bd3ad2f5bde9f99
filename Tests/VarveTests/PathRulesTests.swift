import Testing
import Varve

/// Rules of a source `/src` unless a test says otherwise; a path that ends in a slash is a directory.
private func rules(_ lines: String..., root: String = "/src") throws -> PathRules {
    PathRules(root: Array(root.utf8), rules: try lines.map { try rule($0) })
}

private func rule(
    _ text: String, _ origin: PathRule.Origin = .file(path: Array("list".utf8), line: 1),
    _ action: PathRule.Action = .exclude
) throws -> PathRule {
    try PathRule(Array(text.utf8), origin: origin, action: action)
}

private let exclude = PathRule.Origin.option("--exclude")
private let include = PathRule.Origin.option("--include")

extension PathRules {
    fileprivate func excludes(_ path: String) -> Bool { decision(path).isExcluded }

    fileprivate func decision(_ path: String) -> Decision {
        let isDirectory = path.hasSuffix("/")
        return decide(path: Array((isDirectory ? String(path.dropLast()) : path).utf8), isDirectory: isDirectory)
    }

    fileprivate func entersExcluded(_ directory: String) -> Bool {
        couldIncludeBelow(Array(directory.utf8), decide(path: Array(directory.utf8), isDirectory: true))
    }
}

@Suite("PathRules")
struct PathRulesTests {
    @Test(
        "one pattern excludes what gitignore(5) says",
        arguments: [
            ("foo", "/src/foo", true), ("foo", "/src/a/foo", true), ("foo", "/src/foo/a", true),
            ("foo", "/src/foob", false), ("foo/", "/src/foo/", true), ("foo/", "/src/foo", false),
            ("foo/", "/src/a/foo/b", true), ("/foo", "/src/foo", true), ("/foo", "/src/a/foo", false),
            ("doc/frotz", "/src/doc/frotz", true), ("doc/frotz", "/src/a/doc/frotz", false),
            ("doc/frotz/", "/src/a/doc/frotz/", false), ("frotz/", "/src/a/frotz/", true),
            ("foo/*", "/src/foo/test.json", true), ("foo/*", "/src/foo/", false),
            ("/*.c", "/src/cat-file.c", true), ("/*.c", "/src/mozilla-sha1/sha1.c", false),
            ("**/foo", "/src/a/b/foo", true), ("**/foo/bar", "/src/x/foo/bar", true),
            ("**/foo/bar", "/src/x/foo/y/bar", false), ("abc/**", "/src/abc/d/e", true), ("abc/**", "/src/abc/", false),
            ("a/**/b", "/src/a/b", true), ("a/**/b", "/src/a/x/y/b", true), ("*.pyc", "/src/a/b.pyc", true),
            ("*.pyc", "/src/a.pyc/b", true), ("core.*", "/src/core.1", true), ("a?c", "/src/x/abc", true),
            ("\\!keep", "/src/!keep", true), ("\\#keep", "/src/#keep", true), ("*", "/src/a/b", true),
            ("/**", "/src/a", true), ("**/", "/src/a", false), ("**/", "/src/a/", true), ("**/x/", "/src/b/x/", true),
        ])
    func single(_ pattern: String, _ path: String, _ isExcluded: Bool) throws {
        #expect(try rules(pattern).excludes(path) == isExcluded)
    }

    @Test("the last rule that matches decides")
    func order() throws {
        let set = try rules("*.log", "!keep.log", "keep.log/")
        #expect(set.excludes("/src/a.log"))
        #expect(!set.excludes("/src/keep.log"))
        #expect(set.excludes("/src/keep.log/"))
        #expect(try rules("!keep.log", "*.log").excludes("/src/keep.log"))
    }

    @Test("git's example: everything but one directory")
    func onlyOneDirectory() throws {
        let set = try rules("/*", "!/foo", "/foo/*", "!/foo/bar")
        #expect(set.excludes("/src/x"))
        #expect(set.excludes("/src/foo/x"))
        #expect(!set.excludes("/src/foo/bar/"))
        #expect(!set.excludes("/src/foo/bar/x"))
    }

    @Test("git's idiom: everything but the files of one kind, in any directory")
    func onlyOneKind() throws {
        let set = try rules("*", "!*/", "!*.c")
        #expect(!set.excludes("/src/a/b/x.c"))
        #expect(set.excludes("/src/a/b/x.o"))
        #expect(!set.excludes("/src/a/"))
    }

    @Test("a later ! works below an excluded directory, an earlier one does not")
    func negationBelowExcluded() throws {
        let later = try rules("node_modules/", "!node_modules/mine", "!*.keep")
        #expect(later.excludes("/src/node_modules/x"))
        #expect(!later.excludes("/src/node_modules/mine/"))
        #expect(!later.excludes("/src/node_modules/mine/deep/file"))
        #expect(!later.excludes("/src/node_modules/a/b.keep"))
        #expect(later.excludes("/src/other/node_modules/mine"), "anchored, for it has a slash")
        let earlier = try rules("!*.keep", "node_modules/")
        #expect(earlier.excludes("/src/node_modules/b.keep"))
        #expect(!earlier.excludes("/src/b.keep"))
    }

    @Test("what is excluded again below what was included")
    func exclusionInsideInclusion() throws {
        let set = try rules("*.o", "build/", "!build/keep")
        #expect(!set.excludes("/src/build/keep/a.c"))
        #expect(set.excludes("/src/build/keep/a.o"), "! does not cover what lies below, as in git")
    }

    @Test("--include covers all below it and overrides everything else")
    func forcedInclusion() throws {
        let set = PathRules(
            root: Array("/src".utf8),
            rules: [
                try rule("important/", include, .forceInclude), try rule("*.pyc"), try rule("cache/", exclude),
            ])
        #expect(set.excludes("/src/a.pyc"))
        #expect(!set.excludes("/src/important/a.pyc"), "an option is stronger than a file, wherever it stands")
        #expect(set.excludes("/src/important/cache/"), "a later option wins")
        let swapped = PathRules(
            root: Array("/src".utf8),
            rules: [try rule("cache/", exclude), try rule("important/", include, .forceInclude)])
        #expect(!swapped.excludes("/src/important/cache/a"))
        #expect(!swapped.excludes("/src/cache/important/a"))
        #expect(swapped.excludes("/src/cache/other"))
    }

    @Test("with exclusion by default only what is included is taken")
    func excludedByDefault() throws {
        let set = PathRules(
            root: Array("/".utf8),
            rules: [try rule("/home/u/docs", include, .forceInclude), try rule("*.tmp", exclude)],
            excludesByDefault: true)
        #expect(set.excludes("/home/u/x"))
        #expect(!set.excludes("/home/u/docs/a"))
        #expect(set.excludes("/home/u/docs/a.tmp"))
        #expect(set.entersExcluded("/home"))
        #expect(set.entersExcluded("/home/u"))
        #expect(!set.entersExcluded("/etc"))
    }

    @Test("an excluded directory is entered only if something below might be included")
    func entering() throws {
        #expect(try !rules("build/").entersExcluded("/src/build"))
        #expect(try rules("build/", "!*.keep").entersExcluded("/src/build"))
        #expect(try !rules("!*.keep", "build/").entersExcluded("/src/build"))
        let anchored = try rules("build/", "!/build/a/keep")
        #expect(anchored.entersExcluded("/src/build"))
        #expect(anchored.entersExcluded("/src/build/a"))
        #expect(!anchored.entersExcluded("/src/build/b"))
        #expect(!anchored.entersExcluded("/src/x/build"))
        let glob = try rules("build/", "!/build/*/keep")
        #expect(glob.entersExcluded("/src/build/b"))
        #expect(!glob.entersExcluded("/src/other/build"))
    }

    @Test("a leading slash means the source, or the absolute path if that begins with the source")
    func anchors() throws {
        #expect(try rules("/cache", root: "/home/u").excludes("/home/u/cache"))
        #expect(try rules("/home/u/cache", root: "/home/u").excludes("/home/u/cache"))
        #expect(try !rules("/home/u/cache", root: "/home/v").excludes("/home/v/cache"))
        #expect(try rules("/home/u/*.o", root: "/home/u").excludes("/home/u/x.o"))
        #expect(try !rules("/home/u/*.o", root: "/home/u").excludes("/home/u/a/x.o"))
        #expect(try rules("/home/cache", root: "/").excludes("/home/cache"))
        #expect(try rules("/home", root: "/").excludes("/home/"))
    }

    @Test("the source itself and what lies outside are never decided")
    func outside() throws {
        let set = try rules("*", "src")
        #expect(!set.excludes("/src/"))
        #expect(!set.excludes("/srcx/a"))
        #expect(!set.excludes("/other"))
        #expect(set.excludes("/src/src/a"))
    }

    @Test("a .varveignore file is anchored to its directory and stronger than sets and files, weaker than options")
    func ignoreFiles() throws {
        let directory = Array("/src/a".utf8)
        let parsed = PathRule.parseLines(Array("/x\n!y\n/src/a/z\n*.o\n".utf8)) {
            .ignoreFile(directory: directory, line: $0)
        }
        #expect(parsed.problems.isEmpty)
        let base = PathRules(
            root: Array("/src".utf8), rules: [try rule("y"), try rule("!q.o", exclude), try rule("y/b", exclude)])
        let set = base.adding(ignoreFile: parsed.rules, in: directory)
        #expect(set.excludes("/src/a/x"))
        #expect(!set.excludes("/src/x"))
        #expect(!set.excludes("/src/a/b/x"))
        #expect(!set.excludes("/src/a/y"))
        #expect(set.excludes("/src/y"))
        #expect(!set.excludes("/src/a/z"), "no absolute paths in there")
        #expect(set.excludes("/src/a/b/c.o"))
        #expect(!set.excludes("/src/a/b/q.o"), "an option is stronger")
        #expect(!base.excludes("/src/a/x"), "the rules above are untouched")
        let deeper = try rule("!*.o", .ignoreFile(directory: directory, line: 1))
        let inner = set.adding(ignoreFile: [deeper], in: directory)
        #expect(!inner.excludes("/src/a/c.o"), "the deeper file wins")
    }

    @Test("the rule that decided can be named")
    func explanation() throws {
        let set = PathRules(
            root: Array("/src".utf8),
            rules: try ExcludeSets.rules("python") + [try rule("!venv/keep", exclude), try rule("*.c")])
        func decider(_ path: String) -> PathRule? { set.rule(for: set.decision(path)) }
        #expect(decider("/src/a/__pycache__/x")?.origin.description == "exclude set python")
        #expect(decider("/src/a/__pycache__/x")?.text == Array("__pycache__/".utf8))
        #expect(decider("/src/venv/keep")?.origin.description == "--exclude")
        #expect(decider("/src/x.c")?.origin.description == "list line 1")
        #expect(decider("/src/x.h") == nil)
        let directory = Array("/src/d".utf8)
        let nested = set.adding(
            ignoreFile: [try rule("*.h", .ignoreFile(directory: directory, line: 7))], in: directory)
        let decision = nested.decision("/src/d/x.h")
        #expect(nested.rule(for: decision)?.origin.description == "/src/d/.varveignore line 7")
    }

    @Test("deciding step by step is the same as deciding a whole path")
    func incremental() throws {
        let set = try rules("*.o", "build/", "!keep", "/a/*/c", "x*", "*~")
        for path in ["/src/a/b/c", "/src/build/keep/z.o", "/src/a/keep/build/q", "/src/x1/keep/y~", "/src/plain"] {
            let bytes = Array(path.utf8)
            var decision = set.initial
            var start = 5
            while start < bytes.count {
                let end = bytes[start...].firstIndex(of: UInt8(ascii: "/")) ?? bytes.count
                decision = Array(bytes[..<end]).withUnsafeBufferPointer {
                    set.decide($0, nameStart: start, isDirectory: end < bytes.count, parent: decision)
                }
                start = end + 1
            }
            #expect(decision == set.decide(path: bytes, isDirectory: false), "\(path)")
        }
    }
}
