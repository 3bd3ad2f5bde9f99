/// What to say about keys and values that are not as they should be.
enum ConfigurationAdvice {
    private static let moved: [String: String] = [
        "password": "a password does not belong into the file: use password_file or password_command",
        "repo": "write repository = \"...\"", "components": "write [[component]] for each",
        "jobs": "write [[job]] for each", "path": "write paths = [\"...\"]",
    ]

    /// Message and remedy for a key that there is not.
    static func unknown(_ name: String, in table: String, _ keys: [ConfigurationKey]) -> (String, String) {
        let shown = String(name.prefix(64))
        let place = table.isEmpty ? "" : " in [\(table)]"
        if let advice = moved[name] { return ("there is no such key\(place)", advice) }
        if let near = keys.map(\.name).first(where: { isNear($0, shown) }) {
            return ("there is no such key\(place)", "\(near) was meant, perhaps")
        }
        let others = ConfigurationKeys.all.filter { $0.name == shown && !$0.table.contains(".") }.map(\.table)
        if let other = others.first {
            let top = "it belongs to the top of the file, above all tables"
            return ("there is no such key\(place)", other.isEmpty ? top : "it belongs to [\(other)]")
        }
        return ("there is no such key\(place)", "the keys are " + keys.map(\.name).joined(separator: ", "))
    }

    /// How to write a value that came as another type.
    static func writing(_ key: ConfigurationKey, _ value: ConfigurationDocument.Node) -> String {
        switch (key.form, value) {
        case (.duration, .integer(let number)): "write the unit too, as in \"\(number)s\""
        case (.percent, .integer(let number)): "write \"\(number)%\""
        case (.flag, _): "write true or false"
        case (.integer, _): "write a whole number without quotation marks"
        case (_, .array): "write one value, without brackets"
        default: "write it between quotation marks"
        }
    }

    /// At most one letter too many, too few or wrong, two next to each other swapped, or `-` for `_`.
    private static func isNear(_ key: String, _ name: String) -> Bool {
        let left = Array(key.utf8)
        let right = Array(name.lowercased().utf8).map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }
        if left == right { return true }
        guard abs(left.count - right.count) <= 1, left.count > 2 else { return false }
        let start = zip(left, right).prefix { $0 == $1 }.count
        let end = zip(left.dropFirst(start).reversed(), right.dropFirst(start).reversed()).prefix { $0 == $1 }.count
        let middles = (left.count - start - end, right.count - start - end)
        if middles.0 <= 1, middles.1 <= 1 { return true }
        return middles == (2, 2) && left[start] == right[start + 1] && left[start + 1] == right[start]
    }
}
