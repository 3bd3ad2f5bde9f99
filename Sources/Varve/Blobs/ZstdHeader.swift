/// What the header of a zstd frame says (RFC 8878, section 3.1.1.1).
package struct ZstdHeader {
    /// The size of the content in bytes.
    package let contentSize: UInt64
    /// The memory that a streaming decoder needs, in bytes.
    package let windowSize: UInt64
    /// Whether a checksum of the content ends the frame.
    package let hasChecksum: Bool
    /// Whether the content needs a dictionary.
    package let hasDictionary: Bool

    /// Reads a header; nil if it is cut short, of another kind (a skippable frame), uses the reserved bit or does not
    /// tell the content's size.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard Self.integer(bytes, at: 0, count: 4) == 0xfd2f_b528, bytes.count > 4 else { return nil }
        let descriptor = bytes[4]
        guard descriptor & 0x08 == 0 else { return nil }
        let isSingleSegment = descriptor & 0x20 != 0
        hasChecksum = descriptor & 0x04 != 0
        let dictionaryLength = [0, 1, 2, 4][Int(descriptor & 3)]
        hasDictionary = dictionaryLength > 0
        var position = 5
        var window: UInt64?
        if !isSingleSegment {
            guard let byte = Self.integer(bytes, at: position, count: 1) else { return nil }
            let base: UInt64 = 1 << (10 + byte >> 3)
            window = base + base / 8 * (byte & 7)
            position += 1
        }
        position += dictionaryLength
        let sizeLength = [isSingleSegment ? 1 : 0, 2, 4, 8][Int(descriptor >> 6)]
        guard sizeLength > 0, let size = Self.integer(bytes, at: position, count: sizeLength) else { return nil }
        contentSize = sizeLength == 2 ? size + 256 : size
        windowSize = window ?? contentSize
    }

    private static func integer(_ bytes: UnsafeRawBufferPointer, at position: Int, count: Int) -> UInt64? {
        guard position + count <= bytes.count else { return nil }
        return (0..<count).reduce(0) { $0 | UInt64(bytes[position + $1]) << UInt64(8 * $1) }
    }
}
