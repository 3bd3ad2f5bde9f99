/// A share of the files of a snapshot. The parts 1 to `count` together are all files, and a file is in the same part as
/// long as its path stays the same.
public struct RestorePart: Sendable, Hashable {
    /// From 1 to `count`.
    public let number: Int
    /// How many parts there are.
    public let count: Int

    /// Makes a part; nil unless `number` is one of 1 to `count`.
    public init?(number: Int, count: Int) {
        guard count >= 1, (1...count).contains(number) else { return nil }
        self.number = number
        self.count = count
    }

    /// Whether a file of this absolute path is in the part, by the FNV-1a hash of the path's bytes.
    package func contains(_ path: [UInt8]) -> Bool {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in path { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        // The low bits of FNV-1a are its weakest.
        return Int((hash ^ hash >> 32) % UInt64(count)) == number - 1
    }
}
