package import VarveFormat

/// Reads frames of packs. Each thread has its own: it owns a decoder and the memory for stored frames.
package final class FrameReader {
    private let decoder: FrameDecoder
    private var stored = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// Makes a reader for the packs of a suite.
    package init(suite: Suite) throws(StoreError) { decoder = try FrameDecoder(suite: suite) }

    deinit { stored.deallocate() }

    /// Reads, opens and decodes a frame into memory of exactly its raw length.
    ///
    /// - Throws: `damaged` if the bytes are not the frame that was written there; then the memory's content is
    ///   undefined.
    package func read(
        _ handle: PackHandle, _ frame: FrameLocation, into raw: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        try read(handle, frame, into: raw) { _ in }
    }

    /// Reads, opens and decodes a frame as above, then hands out its bytes as they are encoded, valid during the call
    /// only.
    ///
    /// - Throws: as above; what `use` throws.
    func read(
        _ handle: PackHandle, _ frame: FrameLocation, into raw: UnsafeMutableRawBufferPointer,
        use: (FrameEncoder.Frame) throws(StoreError) -> Void
    ) throws(StoreError) {
        do throws(StoreError) {
            try check(handle, frame, rawLength: raw.count)
            try open(handle, frame, try readStored(handle, frame)) { encoded throws(StoreError) in
                try decoder.decode(encoded, codec: frame.codec, into: raw)
                try use(FrameEncoder.Frame(codec: frame.codec, bytes: encoded))
            }
        } catch { throw Self.error(error, handle, frame) }
    }

    /// Reads and opens a frame, and hands out its bytes as they are encoded, valid during the call only. That they are
    /// those that were written is what the seal says: in suite 0 nothing does, before they are decoded.
    ///
    /// - Throws: as above; what `use` throws.
    func readEncoded(
        _ handle: PackHandle, _ frame: FrameLocation, use: (FrameEncoder.Frame) throws(StoreError) -> Void
    ) throws(StoreError) {
        do throws(StoreError) {
            try check(handle, frame, rawLength: frame.rawLength)
            try open(handle, frame, try readStored(handle, frame)) { encoded throws(StoreError) in
                try use(FrameEncoder.Frame(codec: frame.codec, bytes: encoded))
            }
        } catch { throw Self.error(error, handle, frame) }
    }

    /// Opens and decodes a frame whose stored bytes are at hand, into memory of exactly its raw length.
    ///
    /// - Throws: as `read` does.
    package func decode(
        _ handle: PackHandle, _ frame: FrameLocation, stored: UnsafeRawBufferPointer,
        into raw: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        do throws(StoreError) {
            try check(handle, frame, rawLength: raw.count)
            guard stored.count == frame.storedLength else { throw StoreError(.damaged, "it is cut short") }
            try open(handle, frame, stored) { encoded throws(StoreError) in
                try decoder.decode(encoded, codec: frame.codec, into: raw)
            }
        } catch { throw Self.error(error, handle, frame) }
    }

    /// Reads, opens and decodes a frame.
    package func read(_ handle: PackHandle, _ frame: FrameLocation) throws(StoreError) -> [UInt8] {
        guard frame.rawLength <= FormatLimits.frame else {
            throw StoreError(.damaged, "a frame of \(frame.rawLength) bytes", path: handle.path)
        }
        return try [UInt8].filled(count: frame.rawLength) { raw throws(StoreError) in
            try read(handle, frame, into: raw)
        }
    }

    private func readStored(
        _ handle: PackHandle, _ frame: FrameLocation
    ) throws(StoreError) -> UnsafeRawBufferPointer {
        if stored.count < frame.storedLength {
            stored.deallocate()
            stored = UnsafeMutableRawBufferPointer.allocate(byteCount: frame.storedLength, alignment: 64)
        }
        let buffer = UnsafeMutableRawBufferPointer(rebasing: stored[..<frame.storedLength])
        try handle.file.read(at: UInt64(frame.offset), into: buffer)
        return UnsafeRawBufferPointer(buffer)
    }

    private func open(
        _ handle: PackHandle, _ frame: FrameLocation, _ stored: UnsafeRawBufferPointer,
        use: (_ encoded: UnsafeRawBufferPointer) throws(StoreError) -> Void
    ) throws(StoreError) {
        let header = handle.header
        let associated = PackLayout.associatedData(
            repository: header.repositoryID, kind: header.kind, suite: header.suite, codec: frame.codec,
            number: UInt32(truncatingIfNeeded: frame.number), rawLength: frame.rawLength,
            storedLength: frame.storedLength)
        try handle.sealer.withOpened(.frame(UInt64(frame.number)), stored, associated: associated, use)
    }

    private static func error(_ error: StoreError, _ handle: PackHandle, _ frame: FrameLocation) -> StoreError {
        StoreError(
            error.code, "frame \(frame.number) of a pack: \(error.message)", path: handle.path, errno: error.errno)
    }

    private func check(_ handle: PackHandle, _ frame: FrameLocation, rawLength: Int) throws(StoreError) {
        do throws(FormatError) {
            try PackDirectory.checkFrame(
                storedLength: frame.storedLength, rawLength: frame.rawLength, codec: frame.codec,
                suite: handle.header.suite)
        } catch { throw StoreError(error) }
        guard rawLength == frame.rawLength, frame.number >= 0, frame.number < FormatLimits.packFrameCount,
            frame.offset >= PackLayout.firstFrameOffset,
            UInt64(frame.offset) + UInt64(frame.storedLength) <= handle.byteCount
        else { throw StoreError(.damaged, "it does not lie within the pack") }
    }
}
