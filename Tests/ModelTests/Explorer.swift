/// What an exploration found.
struct Exploration {
    let states: Int
    let breach: Breach?
    /// The shortest way to it.
    let trace: [String]
}

/// A set of fingerprints: open addressing over plain memory.
private struct PrintSet: ~Copyable {
    private var slots: UnsafeMutableBufferPointer<UInt64>
    private var count = 0

    init() {
        slots = .allocate(capacity: 1 << 16)
        slots.initialize(repeating: 0)
    }

    deinit { slots.deallocate() }

    mutating func insert(_ print: UInt64) -> Bool {
        if count * 5 > slots.count * 4 { grow() }
        guard Self.put(print, slots) else { return false }
        count += 1
        return true
    }

    private static func put(_ print: UInt64, _ slots: UnsafeMutableBufferPointer<UInt64>) -> Bool {
        var at = Int(truncatingIfNeeded: print >> 8) & (slots.count - 1)
        while slots[at] != 0 {
            if slots[at] == print { return false }
            at = (at + 1) & (slots.count - 1)
        }
        slots[at] = print
        return true
    }

    private mutating func grow() {
        let larger = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: slots.count * 2)
        larger.initialize(repeating: 0)
        for print in slots where print != 0 { _ = Self.put(print, larger) }
        slots.deallocate()
        slots = larger
    }
}

extension Model {
    /// Visits every state that can be reached, breadth first, until one breaks a promise.
    func explore() -> Exploration {
        var known = PrintSet()
        // What a last collection does depends on the repository alone.
        var collected = PrintSet()
        // Halves of fingerprints are enough to find a way again.
        var prints: [UInt32] = []
        var parents: [UInt32] = []
        var level: [ModelState] = [scene.start]
        var next: [Successor] = []
        _ = known.insert(scene.start.fingerprint)
        prints.append(UInt32(truncatingIfNeeded: scene.start.fingerprint))
        parents.append(0)
        var levelStart = 0
        while !level.isEmpty {
            var nextLevel: [ModelState] = []
            for (offset, state) in level.enumerated() {
                let number = levelStart + offset
                if collected.insert(state.repositoryPrint), let breach = breachOfLastCollection(after: state, &next) {
                    return Exploration(
                        states: prints.count, breach: breach,
                        trace: trace(to: number, prints, parents) + ["all others end, and one more collection runs"])
                }
                successors(of: state, &next)
                for successor in next {
                    let print = successor.state.fingerprint
                    guard known.insert(print) else { continue }
                    prints.append(UInt32(truncatingIfNeeded: print))
                    parents.append(UInt32(number))
                    if let breach = Breach(rawValue: successor.state.breach) {
                        return Exploration(
                            states: prints.count, breach: breach, trace: trace(to: prints.count - 1, prints, parents))
                    }
                    nextLevel.append(successor.state)
                }
            }
            levelStart += level.count
            level = nextLevel
        }
        return Exploration(states: prints.count, breach: nil, trace: [])
    }

    /// Goes the way to a state again, to tell its steps.
    private func trace(to number: Int, _ prints: [UInt32], _ parents: [UInt32]) -> [String] {
        var way: [UInt32] = []
        var at = number
        while at != 0 {
            way.append(prints[at])
            at = Int(parents[at])
        }
        var state = scene.start
        var lines: [String] = []
        var next: [Successor] = []
        for print in way.reversed() {
            successors(of: state, &next)
            let step = next.first { UInt32(truncatingIfNeeded: $0.state.fingerprint) == print }
            guard let step else { break }
            lines.append("\(step.actor) \(step.label)")
            state = step.state
        }
        return lines
    }
}
