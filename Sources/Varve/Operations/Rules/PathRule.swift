/// One line of gitignore(5) syntax that excludes or includes paths.
///
/// A pattern without a slash, other than one at its end, matches a name in any directory; any other is anchored. One
/// from a `.varveignore` file is anchored to the directory of that file, as in git. One from an option, an exclude file
/// or a set is anchored to each source; but if it starts with the path of the source itself (`/home/u/tmp` in the
/// source `/home/u`) it is taken as that absolute path. A slash at the end restricts it to directories. Patterns match
/// bytes and upper case differs from lower.
package struct PathRule: Sendable, Hashable, CustomStringConvertible {
    /// Where a rule was written.
    package enum Origin: Sendable, Hashable, CustomStringConvertible {
        /// A command-line option or a setting, by its name.
        case option(String)
        case file(path: [UInt8], line: Int)
        /// One of `ExcludeSets`.
        case set(String)
        /// A `.varveignore` file in a source.
        case ignoreFile(directory: [UInt8], line: Int)

        package var description: String {
            switch self {
            case .option(let name): name
            case .file(let path, let line): "\(String(decoding: path, as: UTF8.self)) line \(line)"
            case .set(let name): "exclude set \(name)"
            case .ignoreFile(let directory, let line):
                "\(directory == [UInt8(ascii: "/")] ? "" : String(decoding: directory, as: UTF8.self))/"
                    + "\(PathRules.ignoreFileName) line \(line)"
            }
        }
    }

    package enum Action: Sendable, Hashable {
        /// The path, and all below it unless a later rule includes that.
        case exclude
        /// `!`: the path again. What lies below it still meets the rules on its own.
        case include
        /// `--include`: the path and all below it, whatever earlier rules say.
        case forceInclude
    }

    /// The rule as written.
    package let text: [UInt8]
    package let origin: Origin
    package let action: Action
    /// The rule as written and where it came from; bytes that are not UTF-8 are replaced.
    package var description: String { "\(String(decoding: text, as: UTF8.self)) (\(origin))" }
    package let directoriesOnly: Bool
    package let isAnchored: Bool
    /// The pattern without `!` and without the slashes at its ends.
    let body: [UInt8]
    let glob: GlobPattern
    /// The body may begin with the path of the source.
    let mayBeAbsolute: Bool

    /// Parses a rule. There are no comments here and every space counts: see `parseLines` for files.
    ///
    /// - Parameter action: `exclude` or `forceInclude`; a `!` at the start turns the first into `include`.
    /// - Throws: `usage` for a pattern that makes no sense or could match nothing.
    package init(_ text: [UInt8], origin: Origin, action: Action = .exclude) throws(StoreError) {
        let slash = UInt8(ascii: "/")
        var body = text[...]
        var action = action
        if body.first == UInt8(ascii: "!") {
            guard action == .exclude else {
                throw StoreError(.usage, "a pattern to include (\(origin)) cannot begin with \"!\"", path: text)
            }
            action = .include
            body = body.dropFirst()
        }
        directoriesOnly = body.count > 1 && body.last == slash
        if directoriesOnly { body = body.dropLast() }
        let leadingSlash = body.first == slash
        if leadingSlash { body = body.dropFirst() }
        guard !body.isEmpty, body.last != slash else {
            throw StoreError(.usage, "the pattern (\(origin)) can match nothing", path: text)
        }
        // `**/name` says no more than `name`.
        let anyDirectory = Array("**/".utf8)
        if body.starts(with: anyDirectory), !body.dropFirst(anyDirectory.count).contains(slash), body.count > 3 {
            body = body.dropFirst(anyDirectory.count)
            isAnchored = false
        } else {
            isAnchored = leadingSlash || body.contains(slash)
        }
        if case .ignoreFile = origin { mayBeAbsolute = false } else { mayBeAbsolute = leadingSlash && isAnchored }
        self.text = text
        self.origin = origin
        self.action = action
        self.body = Array(body)
        do {
            glob = try GlobPattern(self.body)
        } catch {
            throw StoreError(error.code, "\(error.message) (\(origin))", path: text)
        }
    }

    /// Parses a file of rules: one a line; empty lines and those that begin with `#` are skipped, as are spaces at the
    /// end unless `\` stands before them, a carriage return at the end, and a byte order mark. A line that is no rule
    /// is reported and does not keep the others from working.
    package static func parseLines(
        _ bytes: [UInt8], origin: (_ line: Int) -> Origin
    ) -> (rules: [PathRule], problems: [StoreError]) {
        var rules: [PathRule] = []
        var problems: [StoreError] = []
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let content = bytes.starts(with: mark) ? bytes.dropFirst(mark.count) : bytes[...]
        let lines = content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() {
            let text = trimmed(line)
            if text.isEmpty || text.first == UInt8(ascii: "#") { continue }
            do throws(StoreError) {
                rules.append(try PathRule(Array(text), origin: origin(number + 1)))
            } catch {
                problems.append(error)
            }
        }
        return (rules, problems)
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var line = line
        if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
        while line.last == UInt8(ascii: " ") {
            let backslashes = line.dropLast().reversed().prefix { $0 == UInt8(ascii: "\\") }.count
            if backslashes % 2 == 1 { break }
            line = line.dropLast()
        }
        return line
    }
}
