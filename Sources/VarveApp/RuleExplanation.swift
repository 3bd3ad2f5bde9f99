import CSys
package import Varve

/// Why a path is captured or left out: the same rules in the same order as a capture applies them.
package struct RuleExplanation: Sendable {
    package let isExcluded: Bool
    /// What decided, in words; nil if no rule says anything about the path.
    package let reason: String?
    /// The rule as written, if a rule decided.
    package let rule: [UInt8]?

    /// Explains a path.
    ///
    /// - Parameters:
    ///   - path: absolute; it need not exist.
    ///   - source: the captured directory that holds it, absolute.
    package init(path: [UInt8], source: [UInt8], exclusions: Archiver.Exclusions) throws(StoreError) {
        let status = try? Syscalls.status(path)
        let isDirectory = status?.kind == .directory
        var rules = PathRules(root: source, rules: exclusions.rules)
        for directory in Self.directories(from: source, to: path) {
            if directory != source {
                let decision = rules.decide(path: directory, isDirectory: true)
                if decision.isExcluded, !rules.couldIncludeBelow(directory, decision) {
                    self.init(decision, rules, path, directory)
                    return
                }
            }
            if let marker = Self.marker(exclusions.markers, in: directory), path != Self.join(directory, marker) {
                let place = String(decoding: directory, as: UTF8.self)
                self.init(isExcluded: true, reason: "\(place) holds \(String(decoding: marker, as: UTF8.self))")
                return
            }
            rules = rules.adding(ignoreFile: Self.ignoreRules(in: directory), in: directory)
        }
        let decision = rules.decide(path: path, isDirectory: isDirectory)
        if !decision.isExcluded, let limit = exclusions.largerThan, let status, status.kind == .regular,
            status.size > limit
        {
            self.init(isExcluded: true, reason: "--exclude-larger-than: it has \(status.size) bytes")
            return
        }
        self.init(decision, rules, path, path)
    }

    private init(isExcluded: Bool, reason: String?, rule: [UInt8]? = nil) {
        self.isExcluded = isExcluded
        self.reason = reason
        self.rule = rule
    }

    private init(_ decision: PathRules.Decision, _ rules: PathRules, _ path: [UInt8], _ decided: [UInt8]) {
        let rule = rules.rule(for: decision)
        let above = path == decided ? "" : ", which decides about \(String(decoding: decided, as: UTF8.self))"
        self.init(
            isExcluded: decision.isExcluded, reason: rule.map { $0.origin.description + above }, rule: rule?.text)
    }

    /// The directories above a path, from the source down.
    private static func directories(from source: [UInt8], to path: [UInt8]) -> [[UInt8]] {
        let slash = UInt8(ascii: "/")
        var directories = path == source ? [] : [source]
        let start = source.last == slash ? source.count : source.count + 1
        for index in path.indices where index > start && path[index] == slash {
            directories.append(Array(path[..<index]))
        }
        return directories
    }

    private static func ignoreRules(in directory: [UInt8]) -> [PathRule] {
        let file = join(directory, Array(PathRules.ignoreFileName.utf8))
        guard let bytes = try? DescriptorReader.readFile(file, limit: 16 << 20) else { return [] }
        return PathRule.parseLines(bytes) { .ignoreFile(directory: directory, line: $0) }.rules
    }

    private static func marker(_ markers: ExcludeMarkers, in directory: [UInt8]) -> [UInt8]? {
        guard markers.cacheDirectories || !markers.names.isEmpty,
            let descriptor = try? Syscalls.open(directory, flags: SYS_O_RDONLY | SYS_O_DIRECTORY)
        else { return nil }
        defer { _ = sys_close(descriptor) }
        let wanted = markers.names + [Array("CACHEDIR.TAG".utf8)]
        var names = list(wanted.filter { exists($0, in: descriptor) })
        names.sort()
        return markers.marker(in: names, directory: descriptor)
    }

    private static func list(_ names: [[UInt8]]) -> NameList {
        names.reduce(NameList()) { list, name in
            var longer = list
            _ = name.withUnsafeBytes { bytes in Result { try longer.append(bytes, type: SYS_DT_UNKNOWN) } }
            return longer
        }
    }

    private static func exists(_ name: [UInt8], in directory: Int32) -> Bool {
        (try? Syscalls.status(name, at: directory)) != nil
    }

    private static func join(_ directory: [UInt8], _ name: [UInt8]) -> [UInt8] {
        directory.last == UInt8(ascii: "/") ? directory + name : directory + [UInt8(ascii: "/")] + name
    }
}
