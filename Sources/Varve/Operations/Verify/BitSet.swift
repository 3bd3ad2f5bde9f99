/// A set of small integers, one bit for each number that may be in it.
struct BitSet: Sendable {
    private var words: [UInt64]
    /// How many numbers are in the set.
    private(set) var count = 0

    /// Makes an empty set for the numbers below `limit`.
    init(limit: Int) { words = [UInt64](repeating: 0, count: (limit + 63) / 64) }

    func contains(_ number: Int) -> Bool { words[number >> 6] & (1 << UInt64(number & 63)) != 0 }

    /// Puts a number into the set; false if it was there.
    @discardableResult
    mutating func insert(_ number: Int) -> Bool {
        let bit: UInt64 = 1 << UInt64(number & 63)
        guard words[number >> 6] & bit == 0 else { return false }
        words[number >> 6] |= bit
        count += 1
        return true
    }

    /// Puts a range of numbers into the set.
    mutating func insert(_ range: Range<Int>) {
        for number in range { insert(number) }
    }

    /// Takes a number out of the set.
    mutating func remove(_ number: Int) {
        guard contains(number) else { return }
        words[number >> 6] &= ~(1 << UInt64(number & 63))
        count -= 1
    }

    var isEmpty: Bool { count == 0 }

    /// Visits the numbers in ascending order.
    func forEach<Failure: Error>(_ body: (Int) throws(Failure) -> Void) throws(Failure) {
        for (index, word) in words.enumerated() {
            var left = word
            while left != 0 {
                try body(index << 6 + left.trailingZeroBitCount)
                left &= left - 1
            }
        }
    }
}
