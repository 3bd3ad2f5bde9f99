import CZstd
package import VarveFormat

/// Compresses frames. One for each worker: it owns a compression context and the memory that results are written to.
package final class FrameEncoder {
    /// A frame as it is to be stored, before sealing.
    package struct Frame {
        /// How `bytes` are encoded.
        package let codec: FrameCodec
        /// The encoded bytes: the input itself if `codec` is `stored`, else the encoder's memory, which the next call
        /// of `encode` overwrites.
        package let bytes: UnsafeRawBufferPointer
    }

    /// From this length on a sample is tried before the whole is compressed.
    private static let probedLength = 64 << 10
    /// The sample is a run of this many bytes out of every `sampleStride`.
    private static let sampleLength = 2048
    private static let sampleStride = 32 << 10
    /// The level for content that a sample found incompressible, in frames that must be zstd all the same.
    private static let hastyLevel: Int32 = -50
    /// How far level 1 looks back, in powers of two: over a whole frame, with twice the positions that zstd would take.
    private static let fastWindowLog: Int32 = 20
    private static let fastHashLog: Int32 = 15
    /// Below this level zstd finds too little of a base: pages of a database take ten times the space.
    private static let deltaLevel: Int32 = 3

    private let context: OpaquePointer
    private let suite: Suite
    private let level: Int32
    private var output: UnsafeMutableRawBufferPointer

    /// Makes an encoder for a suite. Frames of suite 0 are zstd always, with a content checksum, so that the zstd tool
    /// alone can unpack and check a pack; in suite 1 the seal is the checksum, and what zstd hardly shortens is stored.
    ///
    /// - Parameter level: a zstd level, held within 1 ... 19.
    /// - Throws: `failed` if there is no memory.
    package init(suite: Suite, level: Int) throws(StoreError) {
        guard let context = ZSTD_createCCtx() else { throw StoreError(.failed, "no memory for compression") }
        self.context = context
        self.suite = suite
        self.level = Int32(min(max(level, 1), 19))
        output = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 1)
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, suite == .none ? 1 : 0)
    }

    deinit {
        ZSTD_freeCCtx(context)
        output.deallocate()
    }

    /// Encodes the raw bytes of a pack's frame: 1 to `FormatLimits.frame` of them.
    ///
    /// - Throws: `failed` for another count, or if zstd fails.
    package func encode(_ raw: UnsafeRawBufferPointer) throws(StoreError) -> Frame {
        guard raw.count > 0, raw.count <= FormatLimits.frame else {
            throw StoreError(.failed, "a frame of \(raw.count) bytes cannot be encoded")
        }
        let isHopeless = raw.count >= Self.probedLength && isIncompressible(raw)
        if isHopeless, suite != .none { return Frame(codec: .stored, bytes: raw) }
        let bytes = try zstd(raw, level: isHopeless ? Self.hastyLevel : level)
        if suite != .none, !Self.isWorthwhile(bytes.count, of: raw.count) { return Frame(codec: .stored, bytes: raw) }
        return Frame(codec: .zstd, bytes: bytes)
    }

    /// Encodes the raw bytes of a delta frame: 1 to `FormatLimits.frame` of them.
    ///
    /// - Parameter base: the raw bytes of another frame.
    /// - Throws: `failed` for another count, or if zstd fails.
    package func encodeDelta(
        _ raw: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer
    ) throws(StoreError) -> Frame {
        guard raw.count > 0, raw.count <= FormatLimits.frame, base.count > 0, base.count <= FormatLimits.frame else {
            throw StoreError(.failed, "a delta frame of \(raw.count) bytes cannot be encoded")
        }
        // All of the base within reach.
        let reach = min(base.count + raw.count, FormatLimits.zstdWindow)
        let windowLog = max(10, Int32(Int.bitWidth - (reach - 1).leadingZeroBitCount))
        ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, windowLog)
        let start = suite == .none ? PackLayout.wrapperLength : 0
        // It counts for the next frame only.
        var length = ZSTD_CCtx_refPrefix(context, base.baseAddress, base.count)
        if ZSTD_isError(length) == 0 { length = compress(raw, level: max(level, Self.deltaLevel), behind: start) }
        guard ZSTD_isError(length) == 0 else {
            throw StoreError(.failed, "compression failed: " + String(cString: ZSTD_getErrorName(length)))
        }
        if start > 0 { output.copyBytes(from: PackLayout.wrapper(length: length)) }
        return Frame(codec: .zstdDelta, bytes: UnsafeRawBufferPointer(rebasing: output[..<(start + length)]))
    }

    /// Encodes the content of a manifest, record or index file as one zstd frame, whatever it gains.
    ///
    /// - Returns: the encoder's memory, which the next call of the encoder overwrites.
    /// - Throws: `failed` if there is nothing to encode or zstd fails.
    package func encodeFile(_ raw: UnsafeRawBufferPointer) throws(StoreError) -> UnsafeRawBufferPointer {
        guard raw.count > 0 else { throw StoreError(.failed, "an empty file cannot be encoded") }
        return try zstd(raw, level: level)
    }

    private func zstd(_ raw: UnsafeRawBufferPointer, level: Int32) throws(StoreError) -> UnsafeRawBufferPointer {
        ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, level == 1 ? Self.fastWindowLog : 0)
        let length = compress(raw, level: level)
        guard ZSTD_isError(length) == 0 else {
            throw StoreError(.failed, "compression failed: " + String(cString: ZSTD_getErrorName(length)))
        }
        return UnsafeRawBufferPointer(rebasing: output[..<length])
    }

    /// Compresses into the output, behind `start` bytes that are left free, and returns the length or zstd's error.
    private func compress(_ raw: UnsafeRawBufferPointer, level: Int32, behind start: Int = 0) -> Int {
        let bound = start + ZSTD_compressBound(raw.count)
        if output.count < bound {
            output.deallocate()
            output = UnsafeMutableRawBufferPointer.allocate(byteCount: bound, alignment: 64)
        }
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
        ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, level == 1 ? Self.fastHashLog : 0)
        return ZSTD_compress2(
            context, output.baseAddress.map { $0 + start }, output.count - start, raw.baseAddress, raw.count)
    }

    /// Whether no sampled run gains anything by itself. That misses repetitions that lie far apart, which are rare
    /// where single runs are as even as in media and archives.
    private func isIncompressible(_ raw: UnsafeRawBufferPointer) -> Bool {
        for start in stride(from: 0, through: raw.count - Self.sampleLength, by: Self.sampleStride) {
            let sample = UnsafeRawBufferPointer(rebasing: raw[start..<start + Self.sampleLength])
            if Self.isUneven(sample) { return false }
            let length = compress(sample, level: 1)
            if ZSTD_isError(length) != 0 || Self.isWorthwhile(length, of: sample.count) { return false }
        }
        return true
    }

    /// Whether some bytes are so much more frequent than others that their frequencies alone save more than a fiftieth:
    /// two equal bytes are met four times as often as in random bytes. Nearly all text is settled by that, for less
    /// than it costs to compress a sample.
    private static func isUneven(_ sample: UnsafeRawBufferPointer) -> Bool {
        withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 256) { counts in
            counts.initialize(repeating: 0)
            for byte in sample { counts[Int(byte)] &+= 1 }
            var squares = 0
            for count in counts { squares &+= Int(count) &* Int(count) }
            return squares &* 64 > sample.count &* sample.count
        }
    }

    /// Whether at least a fiftieth is saved.
    private static func isWorthwhile(_ length: Int, of raw: Int) -> Bool { length <= raw - raw / 50 }
}
