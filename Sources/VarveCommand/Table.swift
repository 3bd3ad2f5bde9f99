/// Rows in aligned columns for a terminal, or separated by tabs for other programs.
struct Table {
    enum Alignment {
        case left, right
    }

    struct Column {
        let title: String
        var alignment = Alignment.left
    }

    private let columns: [Column]
    private var rows: [[String]] = []

    init(_ columns: [Column]) { self.columns = columns }

    var isEmpty: Bool { rows.isEmpty }

    mutating func add(_ cells: [String]) { rows.append(cells) }

    /// Makes the lines, titles first, and hands out each with its number.
    ///
    /// - Parameters:
    ///   - width: columns of the terminal, which cut the last cell; nil for no limit.
    ///   - ellipsis: what marks a cut.
    func forEachLine(width: Int?, ellipsis: String, _ body: (Int, String) -> Void) {
        let titles = columns.map(\.title)
        let widths = columns.indices.map { index in
            rows.reduce(DisplayWidth.of(titles[index])) { max($0, DisplayWidth.of($1[index])) }
        }
        for number in 0...rows.count {
            let row = number == 0 ? titles : rows[number - 1]
            var line = ""
            for (index, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[index] - DisplayWidth.of(cell))
                if index > 0 { line += "  " }
                let isLast = index == row.count - 1
                line += columns[index].alignment == .right ? padding + cell : isLast ? cell : cell + padding
            }
            while line.hasSuffix(" ") { line.removeLast() }
            body(number, width.map { DisplayWidth.cut(line, to: $0, ellipsis: ellipsis) } ?? line)
        }
    }
}

/// How many columns of a terminal text takes.
enum DisplayWidth {
    static func of(_ text: String) -> Int {
        text.utf8.allSatisfy { $0 < 0x80 } ? text.utf8.count : text.reduce(0) { $0 + of($1) }
    }

    /// Cuts text to at most `width` columns, with `ellipsis` at its end if something was cut.
    static func cut(_ text: String, to width: Int, ellipsis: String) -> String {
        guard of(text) > width else { return text }
        var result = ""
        var used = of(ellipsis)
        for character in text {
            used += of(character)
            if used > width { break }
            result.append(character)
        }
        return result + ellipsis
    }

    private static func of(_ character: Character) -> Int {
        guard let first = character.unicodeScalars.first else { return 0 }
        switch first.value {
        case 0x0300...0x036F: return 0
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            return 2
        default: return 1
        }
    }
}
