/// A file of the project, and for Swift files its lines with comments and the contents of strings blanked out, so that
/// the walls look at code alone.
struct SourceFile {
    /// Relative to the root of the project.
    let path: String
    let lines: [String]
    let code: [String]

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if path.hasSuffix(".swift") {
            var blanker = Blanker()
            code = lines.map { blanker.blank($0) }
        } else {
            code = lines
        }
    }

    var name: String { path.split(separator: "/").last.map(String.init) ?? path }
    var isSwift: Bool { path.hasSuffix(".swift") }
    /// Swift, or a script; but not the recipes of Benchmarks, which stay as they were taken over.
    var isProgram: Bool {
        isSwift || (!path.hasPrefix("Benchmarks/") && (path.hasSuffix(".py") || lines.first?.hasPrefix("#!") == true))
    }
    var isSource: Bool { isSwift && path.hasPrefix("Sources/") }

    /// The target that a file under Sources belongs to.
    var target: String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }
}

/// Replaces what stands in comments and strings by spaces, line by line.
private struct Blanker {
    private enum State: Equatable {
        case code
        case comment(depth: Int)
        case string(hashes: Int, isMultiline: Bool)
    }

    private var state = State.code

    mutating func blank(_ line: String) -> String {
        let text = Array(line)
        var result = text
        var at = 0
        while at < text.count {
            let length: Int
            switch state {
            case .code: length = code(text, at, &result)
            case .comment(let depth): length = comment(text, at, depth, &result)
            case .string(let hashes, let isMultiline): length = string(text, at, hashes, isMultiline, &result)
            }
            at += max(1, length)
        }
        // A string on one line ends with it, whatever was seen.
        if case .string(_, false) = state { state = .code }
        return String(result)
    }

    private mutating func code(_ text: [Character], _ at: Int, _ result: inout [Character]) -> Int {
        if Self.starts(text, at, "//") {
            for index in at..<text.count { result[index] = " " }
            return text.count - at
        }
        if Self.starts(text, at, "/*") {
            state = .comment(depth: 1)
            result[at] = " "
            result[at + 1] = " "
            return 2
        }
        var hashes = 0
        while at + hashes < text.count, text[at + hashes] == "#" { hashes += 1 }
        guard at + hashes < text.count, text[at + hashes] == "\"" else { return max(1, hashes) }
        let isMultiline = Self.starts(text, at + hashes, "\"\"\"")
        state = .string(hashes: hashes, isMultiline: isMultiline)
        return hashes + (isMultiline ? 3 : 1)
    }

    private mutating func comment(_ text: [Character], _ at: Int, _ depth: Int, _ result: inout [Character]) -> Int {
        let opens = Self.starts(text, at, "/*")
        let closes = Self.starts(text, at, "*/")
        result[at] = " "
        guard opens || closes else { return 1 }
        result[at + 1] = " "
        state = closes && depth == 1 ? .code : .comment(depth: depth + (opens ? 1 : -1))
        return 2
    }

    private mutating func string(
        _ text: [Character], _ at: Int, _ hashes: Int, _ isMultiline: Bool, _ result: inout [Character]
    ) -> Int {
        let fence = String(repeating: "#", count: hashes)
        let end = (isMultiline ? "\"\"\"" : "\"") + fence
        if Self.starts(text, at, end) {
            state = .code
            return end.count
        }
        let isEscape = Self.starts(text, at, "\\" + fence)
        let length = min(isEscape ? hashes + 2 : 1, text.count - at)
        for index in at..<(at + length) { result[index] = " " }
        return length
    }

    private static func starts(_ text: [Character], _ at: Int, _ prefix: String) -> Bool {
        text[at...].starts(with: prefix)
    }
}
