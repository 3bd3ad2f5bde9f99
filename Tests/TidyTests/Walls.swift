/// What a wall says about one line of one file.
struct Breach: CustomStringConvertible {
    let path: String
    let line: Int
    let message: String

    var description: String { "\(path):\(line): \(message)" }
}

/// The walls of the house. Each takes a file and returns where the file breaks it.
enum Walls {
    /// What each floor may import. An import that is not declared in Package.swift builds all the same, so this is the
    /// only thing that holds the arrows downwards.
    static let floors: [String: Set<String>] = [
        "VarveFormat": [],
        "Varve": ["VarveFormat", "CB2", "CZstd", "CSys", "Crypto", "CryptoExtras", "Glibc", "Synchronization"],
        "VarveApp": [
            "Varve", "VarveFormat", "CSQLite", "CSys", "Glibc", "Synchronization", "Foundation", "FoundationEssentials",
            "TOMLKit",
        ],
        "VarveCommand": [
            "VarveApp", "Varve", "VarveFormat", "CSys", "Glibc", "Synchronization", "Foundation",
            "FoundationEssentials", "ArgumentParser",
        ],
    ]

    static func imports(_ file: SourceFile) -> [Breach] {
        guard file.isSwift, let target = file.target else { return [] }
        guard let allowed = floors[target] else {
            return [Breach(path: file.path, line: 1, message: "\(target) is on no floor")]
        }
        return breaches(file) { code, _ in
            guard let module = importedModule(code), !allowed.contains(module) else { return nil }
            return "\(target) must not import \(module)"
        }
    }

    static func fileLength(_ file: SourceFile) -> [Breach] {
        let count = file.lines.last == "" ? file.lines.count - 1 : file.lines.count
        guard file.isSwift, count > 400 else { return [] }
        return [Breach(path: file.path, line: 401, message: "the file has \(count) lines, more than 400")]
    }

    static func lineLength(_ file: SourceFile) -> [Breach] {
        guard file.isProgram else { return [] }
        return breaches(file) { _, line in line.count > 120 ? "\(line.count) columns, more than 120" : nil }
    }

    static func printing(_ file: SourceFile) -> [Breach] {
        guard file.isSource, file.name != "Output.swift" else { return [] }
        return breaches(file) { code, _ in
            ["print", "debugPrint"].first { calls($0, in: code) }.map { "\($0) outside Output.swift" }
        }
    }

    /// No line may say that something is left to be done. The words are put together, so that this file has none.
    static func reminders(_ file: SourceFile) -> [Breach] {
        let words: Set = ["TO" + "DO", "FIX" + "ME", "X" + "XX"]
        return breaches(file) { _, line in
            line.split { !$0.isLetter && !$0.isNumber }.map(String.init).first(where: words.contains)
                .map { "a leftover reminder: \($0)" }
        }
    }

    static func traps(_ file: SourceFile) -> [Breach] {
        guard file.isSource else { return [] }
        return breaches(file) { code, _ in
            if code.contains("try!") { return "a forced try" }
            if code.contains("as!") { return "a forced cast" }
            if calls("fatalError", in: code) { return "a trap" }
            return forcesUnwrapping(code) ? "a forced unwrap" : nil
        }
    }

    static func testable(_ file: SourceFile) -> [Breach] {
        guard file.isSwift else { return [] }
        return breaches(file) { code, _ in
            code.contains("@" + "testable") ? "tests reach what they need by package access" : nil
        }
    }

    /// A path of the machine where something was written helps nobody else. The homes of `u`, `me` and their like are
    /// examples.
    static func machinePaths(_ file: SourceFile) -> [Breach] {
        let folders = ["work", "root", "home"].map { "/" + $0 + "/" }
        return breaches(file) { _, line in
            folders.first { isPath($0, in: line) }.map { "a path of some machine: \($0)" }
        }
    }

    static func tracked(_ paths: [String]) -> [Breach] {
        paths.filter { path in
            path.split(separator: "/").contains { $0 == ("Package" + ".resolved") || $0.hasPrefix(".build") }
        }.map { Breach(path: $0, line: 1, message: "must not be tracked") }
    }

    private static func breaches(_ file: SourceFile, _ judge: (_ code: String, _ line: String) -> String?) -> [Breach] {
        file.lines.indices.compactMap { index in
            judge(file.code[index], file.lines[index]).map {
                Breach(path: file.path, line: index + 1, message: $0)
            }
        }
    }
}

extension Walls {
    /// The module of an import declaration, with whatever access and attributes stand before it.
    private static func importedModule(_ code: String) -> String? {
        let words = code.split(separator: " ")
        let modifiers: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
        let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
        var rest = words.drop { modifiers.contains($0) || $0.hasPrefix("@") }
        guard rest.popFirst() == "import" else { return nil }
        if let kind = rest.first, kinds.contains(kind) { rest = rest.dropFirst() }
        return rest.first?.split(separator: ".").first.map(String.init)
    }

    /// Whether a free function is called: neither a method, nor its declaration, nor a longer name.
    private static func calls(_ function: String, in code: String) -> Bool {
        code.ranges(of: function + "(").contains { range in
            let before = code[..<range.lowerBound]
            guard let last = before.last else { return true }
            return !last.isLetter && !last.isNumber && last != "_" && last != "." && !before.hasSuffix("func ")
        }
    }

    /// An exclamation mark directly behind a value or a type, and no comparison.
    private static func forcesUnwrapping(_ code: String) -> Bool {
        let text = Array(code)
        return text.indices.dropFirst().contains { at in
            guard text[at] == "!" else { return false }
            let before = text[at - 1]
            let isBehindValue = before.isLetter || before.isNumber || "_)]}?\"".contains(before)
            return isBehindValue && !(at + 1 < text.count && text[at + 1] == "=")
        }
    }

    /// Whether a folder stands at the beginning of a path, and not within a longer one.
    private static func isPath(_ folder: String, in line: String) -> Bool {
        line.ranges(of: folder).contains { range in
            let user = line[range.upperBound...].prefix { $0.isLetter || $0.isNumber }
            if ["", "u", "v", "me", "user", "cache"].contains(user) { return false }
            guard let last = line[..<range.lowerBound].last else { return true }
            return !last.isLetter && !last.isNumber && !"_.-)}]*?/".contains(last)
        }
    }
}
