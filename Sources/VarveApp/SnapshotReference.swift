package import Varve
import VarveFormat

/// How a person names a snapshot on the command line, and a path in it.
///
/// The forms, tried in this order: full id, alias, name, unique prefix of the id; `latest`, `latest~2`, `latest-valid`
/// and `@DATE` are told apart by their looks, which is why no name may look so (`nameProblem`).
package struct SnapshotReference: Hashable, Sendable {
    /// What selects the snapshot.
    package enum Form: Hashable, Sendable {
        /// An id, alias, name or prefix of an id.
        case word(String)
        /// The newest but `back`.
        case latest(back: Int)
        /// The newest whose last verification passed.
        case latestValid
        /// The newest not after the end of a day, or not after a moment.
        case at(DateText)
    }

    /// The text without the path.
    package let text: String
    package let form: Form
    /// The path behind the colon, without slashes at its ends; empty for the root, nil if there is no colon.
    package let path: [UInt8]?

    /// Parses a reference, which may hold a path of any bytes behind a colon.
    ///
    /// - Throws: `usage` for a text that no snapshot can have.
    package init(_ bytes: [UInt8]) throws(StoreError) {
        let head: ArraySlice<UInt8>
        let tail: ArraySlice<UInt8>
        var date: DateText?
        if bytes.first == UInt8(ascii: "@") {
            let parsed = try DateText.parsePrefix(bytes.dropFirst())
            date = parsed.date
            head = bytes[..<parsed.rest.startIndex]
            tail = parsed.rest
        } else {
            let colon = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.endIndex
            head = bytes[..<colon]
            tail = bytes[colon...]
        }
        guard let text = String(validating: head, as: UTF8.self), !text.isEmpty,
            tail.isEmpty || tail.first == UInt8(ascii: ":")
        else {
            throw StoreError(
                .usage, "not a reference to a snapshot", path: bytes,
                remedy: "name it by id, alias, name, latest or @DATE, and a path in it behind a colon")
        }
        self.text = text
        path = tail.isEmpty ? nil : try Self.cleaned(tail.dropFirst())
        form = if let date { .at(date) } else { try Self.form(of: text) }
    }

    /// Parses a reference that holds no path of odd bytes.
    package init(_ text: String) throws(StoreError) { try self.init(Array(text.utf8)) }

    private static func form(of text: String) throws(StoreError) -> Form {
        if text == "latest" { return .latest(back: 0) }
        if text == "latest-valid" { return .latestValid }
        if text.hasPrefix("latest~") {
            guard let back = Int(text.dropFirst(7)), back >= 0 else {
                throw StoreError(.usage, "\"\(text)\" is not a reference", remedy: "write latest~1 for the one before")
            }
            return .latest(back: back)
        }
        return .word(text)
    }

    /// A path inside a snapshot without empty parts, `.` and slashes at its ends.
    private static func cleaned(_ path: ArraySlice<UInt8>) throws(StoreError) -> [UInt8] {
        let parts = path.split(separator: UInt8(ascii: "/")).filter { Array($0) != [UInt8(ascii: ".")] }
        guard !parts.contains(where: { Array($0) == Array("..".utf8) }) else {
            throw StoreError(.usage, "a path in a snapshot cannot hold \"..\"", path: Array(path))
        }
        return Array(parts.joined(separator: [UInt8(ascii: "/")]))
    }

    // MARK: names

    /// Why a text cannot be the name of a snapshot, or nil if it can: it would look like another form of reference.
    package static func nameProblem(_ name: String) -> String? {
        if name.isEmpty { return "a name cannot be empty" }
        if name.utf8.count > 255 { return "a name cannot be longer than 255 bytes" }
        if name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
            return "a name cannot hold control characters"
        }
        if name.contains(":") || name.contains("~") { return "a name cannot hold \":\" or \"~\"" }
        if name.hasPrefix("@") { return "a name cannot begin with \"@\", which stands for a date" }
        if name.hasPrefix("-") { return "a name cannot begin with \"-\", which stands for an option" }
        if name == "latest" || name == "latest-valid" { return "\"\(name)\" stands for a snapshot already" }
        if isAlias(name) { return "a name cannot look like the alias of a snapshot" }
        if isPrefix(name) { return "a name cannot look like an id (4 or more hexadecimal digits)" }
        return nil
    }

    /// `20250623_123456`, with `_2` and so on behind it.
    static func isAlias(_ text: String) -> Bool {
        let parts = text.utf8.split(separator: UInt8(ascii: "_"), omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3, parts[0].count == 8, parts[1].count == 6 else { return false }
        return parts.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0 &- UInt8(ascii: "0") < 10 } }
    }

    /// 4 to 64 hexadecimal digits, in either case.
    static func isPrefix(_ text: String) -> Bool {
        (4...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { $0 &- UInt8(ascii: "0") < 10 || ($0 | 0x20) &- UInt8(ascii: "a") < 6 }
    }
}
