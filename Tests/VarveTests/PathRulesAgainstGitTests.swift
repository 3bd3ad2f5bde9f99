import CSys
import Glibc
import Testing
import Varve

@Suite("PathRules against git")
struct PathRulesAgainstGitTests {
    private struct Generator {
        var state: UInt64

        mutating func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }

        mutating func text(_ pieces: [String], _ count: Int) -> String {
            (0..<count).map { _ in pieces[next(pieces.count)] }.joined()
        }
    }

    private let pieces = [
        "a", "b", "a", "b", "ab", "*", "?", "/", "/", "**", "**/", "/**", "[ab]", "[!a]", "[^b-z]", "\\a",
    ]

    /// Stars in a row that are not a whole component are one star by the manual; git before 2.41 reads them at random.
    private func isMisread(_ line: String) -> Bool {
        line.split(separator: "/").contains { part in
            part.contains("**") && !part.drop { $0 == "!" }.allSatisfy { $0 == "*" }
        }
    }

    private func hasExcludedAncestor(_ rules: PathRules, _ path: String) -> Bool {
        let components = path.split(separator: "/")
        return (1..<components.count).contains { count in
            let ancestor = "/r/" + components.prefix(count).joined(separator: "/")
            return rules.decide(path: Array(ancestor.utf8), isDirectory: true).isExcluded
        }
    }

    /// Paths that git ignores, out of `paths`.
    private func ignored(_ scratch: ScratchDirectory, _ paths: [String]) throws -> Set<String> {
        try scratch.file("paths", paths.map { $0 + "\0" }.joined())
        let script = "cd \(scratch.path) && git init -q . && git check-ignore --no-index --stdin -z <paths >found; true"
        try #require(Tool.run("/bin/sh", ["-c", "export PATH=/usr/bin:/bin HOME=/nonexistent; " + script]))
        let descriptor = try scratch.root.directory.openFile(Array("found".utf8))
        defer { _ = sys_close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: Int(try FileStat.of(descriptor).size))
        let count = bytes.count
        #expect(sys_read(descriptor, &bytes, count) == count)
        return Set(bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
    }

    @Test(
        "random rules decide as git does, but for what is included below an excluded directory",
        .enabled(if: Tool.exists("/usr/bin/git")))
    func agreement() throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = Generator(state: seed)
        let scratch = try ScratchDirectory()
        var sets: [PathRules] = []
        var paths: [String] = []
        var texts: [[String]] = []
        for number in 0..<400 {
            let lines = (0...random.next(3)).map { _ in
                let text = random.text(pieces, 1 + random.next(5))
                return (random.next(4) == 0 ? "!" : "") + text + (random.next(4) == 0 ? "/" : "")
            }.filter { !isMisread($0) }
            texts.append(lines)
            try scratch.makeDirectory("d\(number)")
            try scratch.file("d\(number)/.gitignore", lines.joined(separator: "\n"))
            let directory = Array("/r/d\(number)".utf8)
            let rules = PathRule.parseLines(Array(lines.joined(separator: "\n").utf8)) {
                .ignoreFile(directory: directory, line: $0)
            }
            sets.append(PathRules(root: directory, rules: []).adding(ignoreFile: rules.rules, in: directory))
            for _ in 0..<25 {
                let components = (0...random.next(4)).map { _ in
                    random.text(["a", "b", "c", "ab"], 1 + random.next(2))
                }
                paths.append("d\(number)/" + components.joined(separator: "/"))
            }
        }
        let expected = try ignored(scratch, paths)
        var compared = 0
        for (index, path) in paths.enumerated() {
            let rules = sets[index / 25]
            let isExcluded = rules.decide(path: Array("/r/\(path)".utf8), isDirectory: false).isExcluded
            if !isExcluded, hasExcludedAncestor(rules, path) { continue }
            compared += 1
            #expect(isExcluded == expected.contains(path), "seed \(seed), \(path): \(texts[index / 25])")
        }
        #expect(compared > 5000)
    }
}
