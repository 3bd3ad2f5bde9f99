/// Puts the arguments into the order that the parser wants: the command first.
///
/// Global options may stand before the command (`varve -r REPO list`), and `varve backup list` means `varve list`.
enum ArgumentOrder {
    private static let valued: Set<String> = [
        "-r", "--repo", "--config", "--password-file", "--password-command", "--key-file", "--threads", "--wait",
        "--cache-dir",
    ]
    private static let flags: Set<String> = [
        "--quiet", "--verbose", "--json", "--progress", "--no-progress", "--no-color", "--dry-run", "--yes", "--force",
        "--no-cache",
    ]
    private static let shortFlags: Set<Character> = ["q", "v", "n", "y"]
    private static let groups: Set<String> = ["config", "key", "repair", "help"]
    /// What may follow `backup` as a command of its own.
    private static let prefixed: Set<String> = ["create", "list", "restore", "verify", "delete"]

    static func arranged(_ arguments: [String]) -> [String] {
        let first = globalOptions(arguments[...])
        var rest = arguments[first.endIndex...]
        guard let verb = rest.first, !verb.hasPrefix("-") else { return first.isEmpty ? arguments : Array(rest) }
        rest = rest.dropFirst()
        var path = [verb]
        if verb == "backup" {
            let second = globalOptions(rest)
            if let word = rest[second.endIndex...].first, prefixed.contains(word) {
                return [word] + first + second + rest[second.endIndex...].dropFirst()
            }
        }
        if groups.contains(verb), let word = rest.first, !word.hasPrefix("-") {
            path.append(word)
            rest = rest.dropFirst()
        }
        return path + first + rest
    }

    /// The global options at the start.
    private static func globalOptions(_ arguments: ArraySlice<String>) -> ArraySlice<String> {
        var end = arguments.startIndex
        while end < arguments.endIndex {
            let word = arguments[end]
            if valued.contains(word), end + 1 < arguments.endIndex {
                end += 2
            } else if isFlag(word) || valued.contains(where: { $0.count > 2 && word.hasPrefix($0 + "=") }) {
                end += 1
            } else {
                break
            }
        }
        return arguments[arguments.startIndex..<end]
    }

    private static func isFlag(_ word: String) -> Bool {
        if flags.contains(word) { return true }
        guard word.hasPrefix("-"), !word.hasPrefix("--"), word.count > 1 else { return false }
        return word.dropFirst().allSatisfy(shortFlags.contains)
    }
}
