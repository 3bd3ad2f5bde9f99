import CZstd
package import VarveFormat

/// Unpacks frames. One for each worker: it owns a decompression context.
///
/// What it is given may be hostile: every length is checked before memory is set aside or written.
package final class FrameDecoder {
    private let context: OpaquePointer
    private let suite: Suite

    /// Makes a decoder for a suite.
    ///
    /// - Throws: `failed` if there is no memory.
    package init(suite: Suite) throws(StoreError) {
        guard let context = ZSTD_createDCtx() else { throw StoreError(.failed, "no memory for decompression") }
        self.context = context
        self.suite = suite
    }

    deinit { ZSTD_freeDCtx(context) }

    /// Decodes a pack's frame into memory of exactly its raw length, which is 1 to `FormatLimits.frame`.
    ///
    /// - Parameter base: the raw bytes of a delta frame's base; not looked at for others.
    /// - Throws: `damaged` unless the bytes are that many stored bytes (suite 1 only), or exactly one zstd frame that
    ///   says it holds and does hold that many bytes, needs a window of at most `FormatLimits.zstdWindow` and no
    ///   dictionary, and in suite 0 has a content checksum. Nothing is written unless the lengths fit.
    package func decode(
        _ encoded: UnsafeRawBufferPointer, codec: FrameCodec, base: UnsafeRawBufferPointer? = nil,
        into raw: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        switch codec {
        case .stored:
            guard suite != .none else { throw Self.damaged("a frame is not compressed") }
            guard encoded.count == raw.count else { throw Self.damaged("a stored frame has the wrong length") }
            raw.copyMemory(from: encoded)
        case .zstd:
            try decodePlain(encoded, into: raw)
        case .zstdDelta:
            guard let base, base.count > 0 else { throw Self.damaged("a delta frame has no base") }
            let delta = suite == .none ? try unwrapped(encoded) : encoded
            // The prefix counts for the next frame, which need not come.
            defer { ZSTD_DCtx_reset(context, ZSTD_reset_session_and_parameters) }
            guard ZSTD_isError(ZSTD_DCtx_refPrefix(context, base.baseAddress, base.count)) == 0 else {
                throw StoreError(.failed, "no memory for decompression")
            }
            try decodePlain(delta, into: raw)
        }
    }

    private func decodePlain(
        _ encoded: UnsafeRawBufferPointer, into raw: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        let length = try contentLength(encoded, limit: FormatLimits.frame)
        guard length == raw.count else {
            throw Self.damaged("a frame's content size is not the one recorded")
        }
        try unpack(encoded, into: raw)
    }

    /// A delta frame of suite 0 without what makes the zstd tool skip it.
    private func unwrapped(_ encoded: UnsafeRawBufferPointer) throws(StoreError) -> UnsafeRawBufferPointer {
        let length = encoded.count - PackLayout.wrapperLength
        guard length > 0 else { throw Self.damaged("a delta frame is cut short") }
        do throws(FormatError) {
            try PackLayout.checkWrapper(Array(encoded[..<PackLayout.wrapperLength]), length: length)
        } catch { throw Self.damaged(error.message) }
        return UnsafeRawBufferPointer(rebasing: encoded[PackLayout.wrapperLength...])
    }

    /// Decodes the content of a manifest, record or index file.
    ///
    /// - Parameter limit: the most bytes that it may have.
    /// - Throws: `damaged` as `decode` does, or if the content is longer than the limit.
    package func decodeFile(_ encoded: UnsafeRawBufferPointer, limit: Int) throws(StoreError) -> [UInt8] {
        let length = try contentLength(encoded, limit: limit)
        var failure: StoreError?
        let content = [UInt8](unsafeUninitializedCapacity: length) { memory, count in
            let raw = UnsafeMutableRawBufferPointer(start: memory.baseAddress, count: length)
            do throws(StoreError) {
                try unpack(encoded, into: raw)
                count = length
            } catch { failure = error }
        }
        if let failure { throw failure }
        return content
    }

    /// The content size of bytes that look like one zstd frame as the format allows it.
    private func contentLength(_ encoded: UnsafeRawBufferPointer, limit: Int) throws(StoreError) -> Int {
        guard let header = ZstdHeader(encoded) else { throw Self.damaged("a frame is no zstd frame") }
        guard header.contentSize > 0, header.contentSize <= UInt64(limit) else {
            throw Self.damaged("a frame claims to hold \(header.contentSize) bytes")
        }
        guard header.windowSize <= UInt64(FormatLimits.zstdWindow) else {
            throw Self.damaged("a frame wants too large a window")
        }
        guard !header.hasDictionary else { throw Self.damaged("a frame wants a dictionary") }
        guard header.hasChecksum || suite != .none else { throw Self.damaged("a frame has no checksum") }
        guard ZSTD_findFrameCompressedSize(encoded.baseAddress, encoded.count) == encoded.count else {
            throw Self.damaged("a frame is cut short or has bytes behind it")
        }
        return Int(header.contentSize)
    }

    private func unpack(
        _ encoded: UnsafeRawBufferPointer, into raw: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        let length = ZSTD_decompressDCtx(context, raw.baseAddress, raw.count, encoded.baseAddress, encoded.count)
        guard length == raw.count else {
            let reason = ZSTD_isError(length) != 0 ? String(cString: ZSTD_getErrorName(length)) : "too short"
            throw Self.damaged("a frame does not decode: \(reason)")
        }
    }

    private static func damaged(_ message: String) -> StoreError { StoreError(.damaged, message) }
}
