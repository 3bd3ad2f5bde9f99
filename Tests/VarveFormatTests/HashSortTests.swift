import Testing
import VarveFormat

@Suite("HashSort")
struct HashSortTests {
    private struct Element: Equatable {
        let key: UInt64
        let second: UInt64

        static func < (left: Element, right: Element) -> Bool {
            (left.key, left.second) < (right.key, right.second)
        }
    }

    private static let counts = [0, 1, 2, 7, 47, 48, 49, 64, 1_000, 20_000]

    private func check(_ elements: [Element], _ comment: Comment) {
        var sorted = elements
        sorted.withUnsafeMutableBufferPointer { HashSort.sort($0, key: \.key, by: <) }
        #expect(sorted == elements.sorted(by: <), comment)
    }

    @Test("Evenly spread keys come out in order", arguments: counts)
    func even(count: Int) {
        for seed: UInt64 in 0..<5 {
            var generator = SplitMix(state: seed)
            let elements = (0..<count).map { _ in
                Element(key: generator.next(), second: generator.next(upperBound: 4))
            }
            check(elements, "seed \(seed)")
        }
    }

    @Test("Keys that are equal, or differ in their last bits only, come out in order", arguments: counts)
    func crowded(count: Int) {
        for range: UInt64 in [1, 3, 5_000] {
            for high: UInt64 in [0, .max - 5_000] {
                let elements = (0..<count).map { index in
                    let number = UInt64(index)
                    return Element(key: high + number &* 2_654_435_761 % range, second: number &* 40_503 % 977)
                }
                check(elements, "\(count) elements, \(range) keys from \(high) on")
            }
        }
    }

    @Test("Elements that are in order, or in the opposite one, come out in order")
    func ordered() {
        let elements = (0..<5_000).map { Element(key: UInt64($0) << 50, second: UInt64($0)) }
        check(elements, "ascending")
        check(elements.reversed(), "descending")
    }
}
