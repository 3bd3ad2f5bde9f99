import VarveFormat

/// The sizes that steer a `Chunker`, in bytes.
package struct ChunkParameters: Hashable, Sendable {
    /// The least length of a chunk that is not the last of its source: 64 or more.
    package let minimum: Int
    /// The length at which the cut condition changes from strict to loose: a power of two from 256 to 2^23. The mean
    /// length of chunks comes out near it.
    package let average: Int
    /// The greatest length of a chunk: up to 16 MiB, the cap of a frame.
    package let maximum: Int

    /// Makes parameters; nil unless `64 <= minimum <= average <= maximum <= 16 MiB` and `average` is as documented.
    package init?(minimum: Int, average: Int, maximum: Int) {
        guard minimum >= 64, minimum <= average, average <= maximum, maximum <= 16 << 20 else { return nil }
        guard average >= 256, average <= 1 << 23, average.nonzeroBitCount == 1 else { return nil }
        self.minimum = minimum
        self.average = average
        self.maximum = maximum
    }

    /// The bits that must be zero for a cut before `average` bytes: the top log2(average) + 2.
    var strictMask: UInt64 { ~0 << (64 - UInt64(average.trailingZeroBitCount + 2)) }
    /// The bits that must be zero for a cut from `average` bytes on: the top log2(average) - 2.
    var looseMask: UInt64 { ~0 << (64 - UInt64(average.trailingZeroBitCount - 2)) }
}

/// Finds where content is cut into chunks, so that equal runs of bytes give equal chunks wherever they lie.
///
/// The method is FastCDC (Xia et al., USENIX ATC 2016) with normalization level 2. Exactly:
///
/// - The gear table G has 256 words of 64 bits. The hash at a position is taken of the 64 bytes b[0]...b[63] that end
///   there (b[63] is the last): h = sum of G[b[i]] * 2^(63 - i) modulo 2^64. Going on by a byte, h = 2 * h + G[b].
/// - A chunk that starts at s has a candidate length L for each L from `minimum` on. Its hash h(L) is taken of the last
///   64 bytes of the chunk, those at s + L - 64 ..< s + L; these never reach before s since `minimum` is at least 64.
/// - L is a cut if the top log2(average) + 2 bits of h(L) are zero while L < average, or the top log2(average) - 2 bits
///   while L >= average, or if L = maximum. The chunk is the L bytes from s with the least such L: the last byte hashed
///   belongs to it, the next chunk starts with the byte after, and the first chunk starts with the first byte.
/// - If the source ends before that, what remains is the last chunk, which may be shorter than `minimum`. An empty
///   source has no chunk.
///
/// FORMAT.md section 13 says the same. Cut points depend on the content and the parameters alone, not on the buffers
/// that the content comes in.
package struct Chunker: Sendable {
    /// The gear table G: 256 words.
    package let gearTable: [UInt64]

    /// Makes a chunker with the repository's gear table; nil unless it has 256 words.
    package init?(gearTable: [UInt64]) {
        guard gearTable.count == 256 else { return nil }
        self.gearTable = gearTable
    }

    /// The length of the chunk at the start of a buffer; nil if only more bytes can tell.
    ///
    /// - Parameters:
    ///   - buffer: the source's bytes from the end of the last chunk on. A buffer of `maximum` bytes always suffices;
    ///     a shorter one may have to be presented again with more bytes behind it.
    ///   - isFinal: whether the source ends with the buffer. Then the answer is nil for an empty buffer only.
    package func nextCut(
        in buffer: UnsafeRawBufferPointer, parameters: ChunkParameters, isFinal: Bool
    ) -> Int? {
        guard let base = buffer.baseAddress, buffer.count > 0 else { return nil }
        let end = min(buffer.count, parameters.maximum)
        if end >= parameters.minimum {
            let change = min(max(parameters.average - 1, parameters.minimum - 1), end)
            let found = gearTable.withUnsafeBufferPointer { table -> Int? in
                guard let gear = table.baseAddress else { return nil }
                let bytes = base.assumingMemoryBound(to: UInt8.self)
                let scan = GearScan(bytes: bytes, gear: gear)
                // Byte i ends the candidate of length i + 1.
                return scan.firstCut(from: parameters.minimum - 1, to: change, mask: parameters.strictMask)
                    ?? scan.firstCut(from: change, to: end, mask: parameters.looseMask)
            }
            if let found { return found + 1 }
        }
        return end == parameters.maximum || isFinal ? end : nil
    }
}

extension ChunkParameters {
    /// The sizes of one class in config.
    ///
    /// - Throws: `damaged` for sizes that FORMAT.md does not allow.
    init(_ sizes: ChunkSizes) throws(StoreError) {
        guard let parameters = ChunkParameters(minimum: sizes.minimum, average: sizes.average, maximum: sizes.maximum)
        else { throw StoreError(.damaged, "config has chunk sizes that are not allowed") }
        self = parameters
    }
}
