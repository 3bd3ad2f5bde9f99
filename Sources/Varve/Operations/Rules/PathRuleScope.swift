/// The rules of one origin and base directory, sorted by kind for speed: most paths are decided by one look into a hash
/// table of literal names and a byte or two compared per other rule.
final class PathRuleScope: Sendable {
    let level: Int
    let rules: [PathRule]
    /// Where paths relative to the base start in absolute ones.
    private let relativeStart: Int
    /// Rules that name a literal name: an open hash table of indices into `rules`, -1 where empty.
    private let table: [Int32]
    /// All others, the last first.
    private let checks: [Check]
    /// The patterns of the rules as they stand relative to the base.
    private let globs: [GlobPattern]
    /// The indices of rules that include.
    private let includes: [Int]

    private enum Kind: UInt8 { case suffix, prefix, nameGlob, pathLiteral, pathGlob }

    private struct Check {
        let kind: Kind
        let directoriesOnly: Bool
        /// For all but globs: the byte that the last (prefix: first) byte must be, and the length.
        let probe: UInt8
        let length: Int
        let index: Int
    }

    init(level: Int, base: [UInt8], rules: [PathRule]) {
        let slash = UInt8(ascii: "/")
        self.level = level
        self.rules = rules
        relativeStart = base.last == slash ? base.count : base.count + 1
        includes = rules.indices.filter { rules[$0].action != .exclude }
        let globs = rules.map { Self.glob(of: $0, base: base) }
        self.globs = globs
        var literals: [Int] = []
        var checks: [Check] = []
        for (index, rule) in rules.enumerated().reversed() {
            func check(_ kind: Kind, _ bytes: [UInt8], _ probe: UInt8?) -> Check {
                Check(
                    kind: kind, directoriesOnly: rule.directoriesOnly, probe: probe ?? 0, length: bytes.count,
                    index: index)
            }
            switch globs[index].shape {
            case .literal where !rule.isAnchored: literals.append(index)
            case .suffix(let bytes) where !rule.isAnchored: checks.append(check(.suffix, bytes, bytes.last))
            case .prefix(let bytes) where !rule.isAnchored && !bytes.isEmpty:
                checks.append(check(.prefix, bytes, bytes.first))
            case .literal(let bytes): checks.append(check(.pathLiteral, bytes, bytes.last))
            default: checks.append(check(rule.isAnchored ? .pathGlob : .nameGlob, [], nil))
            }
        }
        self.checks = checks
        table = Self.table(of: literals, globs)
    }

    /// The pattern without the path of the source, if it begins with that.
    private static func glob(of rule: PathRule, base: [UInt8]) -> GlobPattern {
        let prefix = base.dropFirst() + [UInt8(ascii: "/")]
        guard rule.mayBeAbsolute, base.count > 1, rule.body.count > prefix.count, rule.body.starts(with: prefix) else {
            return rule.glob
        }
        return (try? GlobPattern(Array(rule.body.dropFirst(prefix.count)))) ?? rule.glob
    }

    // MARK: literal names

    /// FNV-1a.
    @inline(__always)
    private static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Int(truncatingIfNeeded: hash >> 8)
    }

    /// Indices must come in descending order: the first found is then the last rule.
    private static func table(of indices: [Int], _ globs: [GlobPattern]) -> [Int32] {
        guard !indices.isEmpty else { return [] }
        var size = 8
        while size < indices.count * 4 { size *= 2 }
        var table = [Int32](repeating: -1, count: size)
        for index in indices {
            var slot = globs[index].literalPrefix.withUnsafeBufferPointer { hash($0) } & (size - 1)
            while table[slot] >= 0 { slot = (slot + 1) & (size - 1) }
            table[slot] = Int32(truncatingIfNeeded: index)
        }
        return table
    }

    private func literalMatch(_ name: UnsafeBufferPointer<UInt8>, isDirectory: Bool) -> Int {
        guard !table.isEmpty else { return -1 }
        let mask = table.count - 1
        var slot = Self.hash(name) & mask
        while case let index = Int(table[slot]), index >= 0 {
            if isDirectory || !rules[index].directoriesOnly, equal(globs[index].literalPrefix, name) { return index }
            slot = (slot + 1) & mask
        }
        return -1
    }

    // MARK: matching

    /// The index of the last rule that matches a path below the base; -1 if none does.
    func lastMatch(_ path: UnsafeBufferPointer<UInt8>, nameStart: Int, isDirectory: Bool) -> Int {
        guard relativeStart <= nameStart, nameStart < path.count else { return -1 }
        let name = UnsafeBufferPointer(rebasing: path[nameStart...])
        let literal = literalMatch(name, isDirectory: isDirectory)
        for check in checks {
            if check.index < literal { break }
            if check.directoriesOnly, !isDirectory { continue }
            if matches(check, path, name) { return check.index }
        }
        return literal
    }

    private func matches(
        _ check: Check, _ path: UnsafeBufferPointer<UInt8>, _ name: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        switch check.kind {
        case .suffix:
            guard name.count >= check.length, check.length == 0 || name[name.count - 1] == check.probe else {
                return false
            }
        case .prefix:
            guard name.count >= check.length, name[0] == check.probe else { return false }
        case .nameGlob:
            return globs[check.index].matches(name)
        case .pathLiteral:
            guard path.count - relativeStart == check.length, path[path.count - 1] == check.probe else { return false }
            return equal(
                globs[check.index].literalPrefix, UnsafeBufferPointer(rebasing: path[relativeStart...]))
        case .pathGlob:
            return globs[check.index].matches(UnsafeBufferPointer(rebasing: path[relativeStart...]))
        }
        switch globs[check.index].shape {
        case .suffix(let bytes): return equal(bytes, UnsafeBufferPointer(rebasing: name.suffix(bytes.count)))
        case .prefix(let bytes): return equal(bytes, UnsafeBufferPointer(rebasing: name.prefix(bytes.count)))
        default: return false
        }
    }

    private func equal(_ bytes: [UInt8], _ other: UnsafeBufferPointer<UInt8>) -> Bool {
        bytes.count == other.count && bytes.withUnsafeBufferPointer { $0.elementsEqual(other) }
    }

    // MARK: excluded directories

    /// Whether a rule that includes and comes after index `after` could match something below a directory.
    func couldInclude(below directory: [UInt8], after: Int) -> Bool {
        includes.contains { index in
            guard index > after else { return false }
            guard rules[index].isAnchored else { return true }
            let glob = globs[index]
            let isLiteral = if case .literal = glob.shape { true } else { false }
            var inside = directory.dropFirst(relativeStart)
            if !inside.isEmpty { inside.append(UInt8(ascii: "/")) }
            if glob.literalPrefix.starts(with: inside) { return glob.literalPrefix.count > inside.count || !isLiteral }
            return !isLiteral && inside.starts(with: glob.literalPrefix)
        }
    }
}
