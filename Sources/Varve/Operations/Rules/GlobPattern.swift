/// A glob over bytes, as gitignore(5) has it: `*` and `?` and `[...]` never match a slash; `**/` at the start or after
/// a slash matches any number of directories, `/**` at the end everything inside; other stars in a row are one star;
/// `\` makes the next byte literal. `?` and `[...]` match one byte, whatever the encoding.
///
/// Matching is iterative and keeps two places to come back to (the last star of this path component, the last `**/`),
/// which is enough because neither can gain from what an earlier one would match instead; so no pattern is exponential.
package struct GlobPattern: Sendable, Hashable {
    /// Bytes 0 to 255 stand for themselves; from `set` on, the number of a set.
    private let steps: [UInt16]
    private let sets: [ByteSet]
    /// The literal bytes before the first step that is not literal.
    package let literalPrefix: [UInt8]

    private static let anyByte: UInt16 = 256
    private static let star: UInt16 = 257
    private static let anyDirectories: UInt16 = 258
    private static let everything: UInt16 = 259
    private static let set: UInt16 = 512

    /// What the pattern amounts to where the text holds no slash.
    package enum Shape: Sendable, Hashable {
        case literal([UInt8]), suffix([UInt8]), prefix([UInt8]), general
    }
    package let shape: Shape

    /// Compiles a pattern.
    ///
    /// - Throws: `usage` if a `[` is not closed or a `\` ends the pattern.
    package init(_ pattern: [UInt8]) throws(StoreError) {
        var parser = GlobParser(pattern)
        var steps: [UInt16] = []
        var sets: [ByteSet] = []
        while let token = try parser.next() {
            switch token {
            case .byte(let byte): steps.append(UInt16(byte))
            case .anyByte: steps.append(Self.anyByte)
            case .star: steps.append(Self.star)
            case .anyDirectories: steps.append(Self.anyDirectories)
            case .everything: steps.append(Self.everything)
            case .set(let set):
                guard sets.count < Int(UInt16.max - Self.set) else {
                    throw StoreError(.usage, "the pattern has too many [...]", path: pattern)
                }
                steps.append(Self.set + UInt16(sets.count))
                sets.append(set)
            }
        }
        self.steps = steps
        self.sets = sets
        literalPrefix = steps.prefix { $0 < 256 }.map { UInt8(truncatingIfNeeded: $0) }
        shape = Self.shape(of: steps, literalPrefix: literalPrefix)
    }

    private static func shape(of steps: [UInt16], literalPrefix: [UInt8]) -> Shape {
        if literalPrefix.count == steps.count { return .literal(literalPrefix) }
        if steps.count == literalPrefix.count + 1, steps.last == star { return .prefix(literalPrefix) }
        let rest = steps.dropFirst()
        if steps.first == star, rest.allSatisfy({ $0 < 256 }) {
            return .suffix(rest.map { UInt8(truncatingIfNeeded: $0) })
        }
        return .general
    }

    /// Whether the pattern matches all of `text`.
    package func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        steps.withUnsafeBufferPointer { steps in
            sets.withUnsafeBufferPointer { sets in Self.match(steps, sets, text) }
        }
    }

    /// Whether the pattern matches all of `text`.
    package func matches(_ text: [UInt8]) -> Bool { text.withUnsafeBufferPointer { matches($0) } }

    private static func match(
        _ steps: UnsafeBufferPointer<UInt16>, _ sets: UnsafeBufferPointer<ByteSet>, _ text: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        let slash = UInt8(ascii: "/")
        var step = 0
        var position = 0
        var starStep = -1
        var starPosition = 0
        var directoriesStep = -1
        var directoriesPosition = 0
        while true {
            if step == steps.count {
                if position == text.count { return true }
            } else {
                let current = steps[step]
                if current == star {
                    starStep = step + 1
                    starPosition = position
                    step += 1
                    continue
                }
                if current == anyDirectories {
                    directoriesStep = step + 1
                    directoriesPosition = position
                    starStep = -1
                    step += 1
                    continue
                }
                if position < text.count {
                    if current == everything { return true }
                    let byte = text[position]
                    if accepts(current, byte, sets) {
                        if byte == slash { starStep = -1 }
                        step += 1
                        position += 1
                        continue
                    }
                }
            }
            // A dead end: give the star one byte more, or else the directories one component more.
            if starStep >= 0, starPosition < text.count, text[starPosition] != slash {
                starPosition += 1
                position = starPosition
                step = starStep
                continue
            }
            guard directoriesStep >= 0 else { return false }
            while directoriesPosition < text.count, text[directoriesPosition] != slash { directoriesPosition += 1 }
            guard directoriesPosition < text.count else { return false }
            directoriesPosition += 1
            position = directoriesPosition
            step = directoriesStep
            starStep = -1
        }
    }

    @inline(__always)
    private static func accepts(_ step: UInt16, _ byte: UInt8, _ sets: UnsafeBufferPointer<ByteSet>) -> Bool {
        if step < 256 { return step == UInt16(byte) }
        if byte == UInt8(ascii: "/") { return false }
        return step == anyByte || sets[Int(step - set)].contains(byte)
    }
}
