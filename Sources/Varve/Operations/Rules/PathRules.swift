/// Which paths below a source are captured: ordered rules, of which the last that matches decides.
///
/// Sets and exclude files come first, in the order given; then the `.varveignore` files from the source downwards; then
/// options. A path that no rule matches is treated like its directory. A path is excluded with its directory unless a
/// rule that comes later than the excluding one includes it; unlike git, this works below excluded directories, and
/// `couldIncludeBelow` says whether one must be entered for it. The source itself is never excluded.
///
/// A value: a directory node of a walk holds its own, which shares everything with that of its parent.
package struct PathRules: Sendable {
    /// The name of the files in a source that hold rules for their directory and those below.
    package static let ignoreFileName = ".varveignore"

    /// What the rules say about one path. Small, so that a walk can keep one per directory.
    package struct Decision: Sendable, Hashable {
        package let isExcluded: Bool
        /// Which rule decided; -1 for none.
        fileprivate let rank: Int
        /// Whether it holds below, against rules that come earlier.
        fileprivate let coversBelow: Bool
    }

    /// The absolute path of the source.
    package let root: [UInt8]
    /// What holds for the source itself, and so for whatever no rule matches.
    package let initial: Decision
    /// From the weakest to the strongest.
    private var scopes: [PathRuleScope]

    private static let optionsLevel = Int(Int32.max)

    /// Makes the rules of one source.
    ///
    /// - Parameters:
    ///   - root: the absolute path of the source, without a slash at its end.
    ///   - rules: in ascending order of strength; those from options are stronger than the others wherever they stand.
    ///   - excludesByDefault: true to take only what a rule includes.
    package init(root: [UInt8], rules: [PathRule], excludesByDefault: Bool = false) {
        self.root = root
        initial = Decision(isExcluded: excludesByDefault, rank: -1, coversBelow: excludesByDefault)
        var general: [PathRule] = []
        var options: [PathRule] = []
        for rule in rules {
            if case .option = rule.origin { options.append(rule) } else { general.append(rule) }
        }
        scopes = []
        if !general.isEmpty { scopes.append(PathRuleScope(level: 0, base: root, rules: general)) }
        if !options.isEmpty { scopes.append(PathRuleScope(level: Self.optionsLevel, base: root, rules: options)) }
    }

    /// Whether there are no rules at all, so that every decision is `initial`.
    package var isEmpty: Bool { scopes.isEmpty }

    /// The rules for a directory that holds a `.varveignore` file, and for all below it.
    package func adding(ignoreFile rules: [PathRule], in directory: [UInt8]) -> PathRules {
        guard !rules.isEmpty else { return self }
        var result = self
        let position = scopes.lastIndex { $0.level != Self.optionsLevel }.map { $0 + 1 } ?? 0
        let level = (position > 0 ? scopes[position - 1].level : 0) + 1
        result.scopes.insert(PathRuleScope(level: level, base: directory, rules: rules), at: position)
        return result
    }

    /// Decides about one path whose directory was decided already.
    ///
    /// - Parameters:
    ///   - path: absolute, below the source.
    ///   - nameStart: where its last component starts.
    ///   - parent: the decision about its directory; `initial` for the source.
    package func decide(
        _ path: UnsafeBufferPointer<UInt8>, nameStart: Int, isDirectory: Bool, parent: Decision
    ) -> Decision {
        for scope in scopes.reversed() {
            let index = scope.lastMatch(path, nameStart: nameStart, isDirectory: isDirectory)
            guard index >= 0 else { continue }
            let rank = scope.level << 32 | index
            if parent.coversBelow, rank < parent.rank { return parent }
            return Self.decision(rank, scope.rules[index].action)
        }
        return parent
    }

    /// Decides about any path: absolute, without a slash at its end. One outside the source, or the source itself, gets
    /// `initial`.
    package func decide(path: [UInt8], isDirectory: Bool) -> Decision {
        let slash = UInt8(ascii: "/")
        let start = root.last == slash ? root.count : root.count + 1
        guard path.count > start, path.starts(with: root), path[start - 1] == slash else { return initial }
        return path.withUnsafeBufferPointer { path in
            var decision = initial
            var nameStart = start
            while nameStart < path.count {
                let end = path[nameStart...].firstIndex(of: slash) ?? path.count
                let isLast = end == path.count
                decision = decide(
                    UnsafeBufferPointer(rebasing: path[..<end]), nameStart: nameStart,
                    isDirectory: !isLast || isDirectory, parent: decision)
                nameStart = end + 1
            }
            return decision
        }
    }

    private static func decision(_ rank: Int, _ action: PathRule.Action) -> Decision {
        Decision(isExcluded: action == .exclude, rank: rank, coversBelow: action != .include)
    }

    /// The rule that made a decision of these rules; nil where none did.
    package func rule(for decision: Decision) -> PathRule? {
        guard decision.rank >= 0 else { return nil }
        let index = decision.rank & 0xFFFF_FFFF
        guard let scope = scopes.first(where: { $0.level == decision.rank >> 32 }), index < scope.rules.count else {
            return nil
        }
        return scope.rules[index]
    }

    /// Whether some path below an excluded directory might be included, so that a walk has to enter it. May say yes for
    /// nothing, never no for something (but for `.varveignore` files inside, which count only where one enters).
    package func couldIncludeBelow(_ directory: [UInt8], _ decision: Decision) -> Bool {
        scopes.contains { scope in
            scope.couldInclude(below: directory, after: decision.rank - scope.level << 32)
        }
    }
}
