import Testing

/// Each wall is shown something bad, which it must see, and something like it that is good.
@Suite("Each wall sees what it is there for")
struct WallTests {
    private func file(_ text: String, _ path: String = "Sources/Varve/Example.swift") -> SourceFile {
        SourceFile(path: path, text: text)
    }

    @Test("An import against the floors", arguments: [
        ("Sources/VarveFormat/A.swift", "import Glibc"),
        ("Sources/Varve/IO/A.swift", "public import VarveApp"),
        ("Sources/Varve/A.swift", "import Foundation"),
        ("Sources/Varve/A.swift", "@preconcurrency import struct Foundation.Data"),
        ("Sources/VarveApp/A.swift", "import ArgumentParser"),
        ("Sources/Attic/A.swift", ""),
    ])
    func seesImport(path: String, text: String) {
        #expect(Walls.imports(file(text, path)).count == 1)
    }

    @Test("An import that the floors allow is none, nor is one in a comment or a test", arguments: [
        ("Sources/Varve/A.swift", "package import VarveFormat\n// import Foundation"),
        ("Sources/VarveCommand/A.swift", "import ArgumentParser"),
        ("Tests/VarveTests/A.swift", "import Testing"),
    ])
    func allowsImport(path: String, text: String) {
        #expect(Walls.imports(file(text, path)).isEmpty)
    }

    @Test("A file of 401 lines, and not one of 400")
    func seesLongFile() {
        #expect(Walls.fileLength(file(String(repeating: "\n", count: 401))).count == 1)
        #expect(Walls.fileLength(file(String(repeating: "\n", count: 400))).isEmpty)
    }

    @Test("A function of 71 lines, and not one of 70, whatever braces stand in strings and comments")
    func seesLongFunction() {
        func function(_ lines: Int) -> String {
            "static func a(b: () -> Void = {}) {\n    // }\n    let c = \"}\"\n"
                + String(repeating: "    c()\n", count: lines - 4) + "}\nfunc d() {}\n"
        }
        #expect(Walls.functionLength(file(function(71))).map(\.line) == [1])
        #expect(Walls.functionLength(file(function(70))).isEmpty)
        let initializer = "init() {\n" + String(repeating: "\n", count: 70) + "}"
        #expect(Walls.functionLength(file(initializer)).count == 1)
        let requirements = "protocol P {\n    func a()\n    func b()\n}\n" + String(repeating: "let c = 1\n", count: 90)
        #expect(Walls.functionLength(file(requirements)).isEmpty)
    }

    @Test("A line of 121 columns in any program")
    func seesWideLine() {
        let wide = String(repeating: "é", count: 121)
        #expect(Walls.lineLength(file("let a = 1\n" + wide)).map(\.line) == [2])
        #expect(Walls.lineLength(file("#!/bin/sh\n" + wide, "Scripts/test")).count == 1)
        #expect(Walls.lineLength(file(String(wide.dropLast()))).isEmpty)
        #expect(Walls.lineLength(file(wide, "README.md")).isEmpty)
    }

    @Test("Printing elsewhere than in Output.swift")
    func seesPrinting() {
        #expect(Walls.printing(file("if a { print(1) }")).count == 1)
        #expect(Walls.printing(file("debugPrint(a)")).count == 1)
        #expect(Walls.printing(file("print(1)", "Sources/VarveCommand/Output.swift")).isEmpty)
        #expect(Walls.printing(file("output.print(1); fingerprint(2); func print(_ a: Int) {} // print(3)")).isEmpty)
        #expect(Walls.printing(file("let a = \"print(1)\"")).isEmpty)
    }

    @Test("A leftover reminder in any file", arguments: ["TO" + "DO", "FIX" + "ME", "X" + "XX"])
    func seesReminder(word: String) {
        #expect(Walls.reminders(file("// \(word): later")).count == 1)
        #expect(Walls.reminders(file("- \(word) write this", "docs/A.md")).count == 1)
        #expect(Walls.reminders(file("mktemp a.\(word)\(word)\(word)")).isEmpty)
    }

    @Test("A public symbol that nobody explains", arguments: [
        "public func a() {}", "public struct A {}", "    public var a: Int", "@frozen public enum A {}",
        "// no documentation\npublic let a = 1", "/// Explains b.\nfunc b() {}\npublic func a() {}",
        "public static let a = 1", "public init() {}", "extension A {\n    public func b() {}\n}",
        "/// Why.\npublic enum A {\n    public func a() {}\n}", "/// Why.\nlet b = 1\n\npublic let a = 1",
    ])
    func seesUndocumented(text: String) {
        #expect(Walls.publicComments(file(text)).count == 1)
    }

    @Test("A public symbol that is explained, or that a protocol explains", arguments: [
        "/// Why.\npublic func a() {}", "/// Why.\n@inline(never)\npublic func a() {}", "package func a() {}",
        "public import VarveFormat", "public extension A {", "public static func < (a: A, b: A) -> Bool { true }",
        "public var description: String", "public func hash(into hasher: inout Hasher) {}",
        "/// All of them.\npublic static let a = 1\npublic static let b = 2",
        "/// A table.\npublic enum A {\n    public static let a = 1\n    public static let b = 2\n}",
        "extension A: B {\n    public func b() {}\n}",
        "\"\"\"\npublic func a()\n\"\"\"",
    ])
    func allowsDocumented(text: String) {
        #expect(Walls.publicComments(file(text)).isEmpty)
    }

    @Test("A trap in the sources", arguments: [
        "let a = b!", "let a = b()!.c", "let a = b[0]!", "var a: Int!", "try! a()", "a as! B", "fatalError()",
    ])
    func seesTrap(text: String) {
        #expect(Walls.traps(file(text)).count == 1)
        #expect(Walls.traps(file(text, "Tests/VarveTests/ATests.swift")).isEmpty)
    }

    @Test("Nothing that only looks like a trap", arguments: [
        "if !a { }", "a != b", "a!=b", "foo(!a)", "// stop!", "\"stop!\"", "\"\"\"\nstop!\n\"\"\"", "#\"a\"b!\"#",
        "/* a /* b! */ c! */", "\"a\\\"b!\"",
    ])
    func allowsLookalike(text: String) {
        #expect(Walls.traps(file(text)).isEmpty)
    }

    @Test("A test that reaches around access control")
    func seesTestable() {
        #expect(Walls.testable(file("@" + "testable import Varve", "Tests/VarveTests/ATests.swift")).count == 1)
        #expect(Walls.testable(file("import Varve", "Tests/VarveTests/ATests.swift")).isEmpty)
    }

    @Test("A path of a machine in any file", arguments: ["work", "root", "home"])
    func seesMachinePath(folder: String) {
        let path = "/" + folder + "/somebody"
        #expect(Walls.machinePaths(file("let a = \"\(path)\"")).count == 1)
        #expect(Walls.machinePaths(file("see \(path)", "docs/A.md")).count == 1)
        #expect(Walls.machinePaths(file("let a = \"source\(path)\"")).isEmpty)
        #expect(Walls.machinePaths(file("varve backup /home/me/documents")).isEmpty)
    }

    @Test("What a build makes, tracked")
    func seesTracked() {
        let resolved = "Package" + ".resolved"
        #expect(Walls.tracked([resolved, "Benchmarks/" + resolved, ".build/a", "Package.swift"]).count == 3)
    }
}
