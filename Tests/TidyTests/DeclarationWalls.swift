/// The walls that look at declarations: how long functions are, and whether what is public is explained.
extension Walls {
    static func functionLength(_ file: SourceFile) -> [Breach] {
        guard file.isSwift else { return [] }
        return file.code.indices.compactMap { start in
            guard beginsFunction(file.code[start]), let end = endOfBody(file.code, from: start) else { return nil }
            let count = end - start + 1
            guard count > 70 else { return nil }
            return Breach(path: file.path, line: start + 1, message: "a function of \(count) lines, more than 70")
        }
    }

    /// Every public declaration has a documentation comment, but for what a protocol explains (operators, `hash`,
    /// `description`, coding and raw values, the members of an extension that states a conformance), and for properties
    /// that follow one another without a blank line: one comment above the run, or above the type that it opens, speaks
    /// for all of it.
    static func publicComments(_ file: SourceFile) -> [Breach] {
        guard file.isSource else { return [] }
        return file.code.indices.compactMap { index in
            guard isPublicDeclaration(file.code[index]), !isWitness(file.code[index]),
                !isExplained(file, at: index), !isInConformance(file.code, at: index)
            else { return nil }
            return Breach(path: file.path, line: index + 1, message: "public, without a documentation comment")
        }
    }

    private static let modifiers: Set<Substring> = [
        "public", "package", "internal", "fileprivate", "private", "static", "class", "final", "override", "mutating",
        "nonmutating", "consuming", "borrowing", "nonisolated", "convenience", "required", "async", "isolated",
        "unsafe", "set", "indirect", "lazy", "weak", "unowned",
    ]

    private static func words(_ code: String) -> [Substring] {
        code.split { !($0.isLetter || $0.isNumber || $0 == "_" || $0 == "@") }
    }

    private static func beginsFunction(_ code: String) -> Bool {
        let rest = words(code).drop { modifiers.contains($0) || $0.hasPrefix("@") }
        guard let first = rest.first else { return false }
        return first == "func" || (["init", "deinit", "subscript"].contains(first) && !code.contains("." + first))
    }

    /// The line on which the body that begins at or after `start` ends; nil for a requirement without a body.
    private static func endOfBody(_ code: [String], from start: Int) -> Int? {
        var braces = 0
        var parentheses = 0
        var hasOpened = false
        for index in start..<code.count {
            for character in code[index] {
                switch character {
                case "(": parentheses += 1
                case ")": parentheses -= 1
                case "{":
                    // A brace within parentheses is the closure of a default value.
                    if parentheses <= 0 { hasOpened = true }
                    braces += 1
                case "}":
                    braces -= 1
                    if hasOpened && braces == 0 { return index }
                    if braces < 0 { return nil }
                default: break
                }
            }
            // Without a body the declaration ends before the next one begins.
            if !hasOpened && parentheses == 0 && index > start && beginsFunction(code[index]) { return nil }
        }
        return nil
    }

    private static func isPublicDeclaration(_ code: String) -> Bool {
        let kinds: Set<Substring> = [
            "func", "var", "let", "struct", "class", "enum", "protocol", "actor", "init", "subscript", "typealias",
        ]
        let all = words(code).drop { $0.hasPrefix("@") }
        guard let first = all.first, first == "public" || first == "open" else { return false }
        // `open` may be the name of a variable.
        let declared = all.dropFirst().drop { modifiers.contains($0) && !kinds.contains($0) }
        return declared.first.map(kinds.contains) == true
    }

    private static func isWitness(_ code: String) -> Bool {
        let witnesses = [
            "var description:", "var debugDescription:", "func hash(into", "func encode(to", "init(from decoder",
            "init(rawValue:", "let rawValue:", "var rawValue:", "typealias RawValue", "var hashValue:",
        ]
        if witnesses.contains(where: code.contains) { return true }
        // An operator's name begins with no letter.
        guard let range = code.firstRange(of: "static func "), let first = code[range.upperBound...].first else {
            return false
        }
        return !first.isLetter && first != "_"
    }

    /// Whether a documentation comment stands above: over attributes and, for a property, over the run it belongs to.
    private static func isExplained(_ file: SourceFile, at index: Int) -> Bool {
        let isProperty = Self.isProperty(file.code[index])
        for above in stride(from: index - 1, through: 0, by: -1) {
            let line = file.lines[above].trimmedStart
            if line.hasPrefix("///") || line.hasSuffix("*/") { return true }
            if isProperty, line.hasSuffix("{"), !line.contains("func ") { return isExplained(file, at: above) }
            let isAttribute = line.hasPrefix("@") && !Self.isProperty(file.code[above])
            guard isAttribute || (isProperty && !line.isEmpty) else { return false }
        }
        return false
    }

    private static func isProperty(_ code: String) -> Bool {
        words(code).contains { $0 == "let" || $0 == "var" }
    }

    /// Whether the line belongs to an extension that states a conformance: the protocol explains its members.
    private static func isInConformance(_ code: [String], at index: Int) -> Bool {
        let indent = code[index].count - code[index].trimmedStart.count
        let outer = code[..<index].last { line in
            !line.trimmedStart.isEmpty && line.count - line.trimmedStart.count < indent
        }
        guard let outer, words(outer).contains("extension") else { return false }
        return outer.contains(": ")
    }
}

extension String {
    fileprivate var trimmedStart: String { String(drop { $0 == " " || $0 == "\t" }) }
}
