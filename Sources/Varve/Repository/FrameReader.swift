package import VarveFormat

/// Reads frames of packs. Each thread has its own: it owns a decoder, the memory for stored frames and the bases of the
/// delta frames read last.
package final class FrameReader {
    /// Where the frame lies that a base names, in a pack of a kind; nil if that is not known.
    package typealias BaseFinder = (FrameBase, FileKind) -> FrameLocation?

    private let packs: PackReader
    private let findBase: BaseFinder
    private let baseBytes: Int
    private let decoder: FrameDecoder
    private var stored = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// The one used last is the last.
    private var bases: [(base: FrameBase, bytes: [UInt8])] = []

    /// Makes a reader.
    ///
    /// - Parameters:
    ///   - packs: of which bases are read.
    ///   - findBase: asked first; a pack's own directory tells what it does not know.
    ///   - baseBytes: of bases to keep; the one in use is kept whatever its length.
    package init(
        _ packs: PackReader, findBase: @escaping BaseFinder = { _, _ in nil }, baseBytes: Int = 4 << 20
    ) throws(StoreError) {
        self.packs = packs
        self.findBase = findBase
        self.baseBytes = baseBytes
        decoder = try FrameDecoder(suite: packs.keys.suite)
    }

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
            let base = try base(of: frame)
            try open(handle, frame, try readStored(handle, frame)) { encoded throws(StoreError) in
                try base.withBytes { base throws(StoreError) in
                    try decoder.decode(encoded, codec: frame.codec, base: base, into: raw)
                }
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
            let base = try base(of: frame)
            try open(handle, frame, stored) { encoded throws(StoreError) in
                try base.withBytes { base throws(StoreError) in
                    try decoder.decode(encoded, codec: frame.codec, base: base, into: raw)
                }
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

    /// The raw bytes of a frame that delta frames may need next; it is no delta frame itself.
    ///
    /// - Throws: as `read` does; `missing` if the pack is absent.
    package func readBase(_ location: FrameLocation) throws(StoreError) -> [UInt8] {
        let name = FrameBase(pack: location.pack, number: location.number)
        if let index = bases.lastIndex(where: { $0.base == name }) {
            let known = bases.remove(at: index)
            bases.append(known)
            return known.bytes
        }
        guard location.codec != .zstdDelta else { throw StoreError(.damaged, "the base is a delta frame itself") }
        let handle = try packs.handle(location.pack, kind: location.kind)
        let bytes = try read(handle, location)
        bases.append((name, bytes))
        while bases.count > 1, bases.reduce(0, { $0 + $1.bytes.count }) > baseBytes { bases.removeFirst() }
        return bytes
    }

    /// The raw bytes of the base of a delta frame; none for other frames.
    private func base(of frame: FrameLocation) throws(StoreError) -> [UInt8] {
        guard let base = frame.base else { return [] }
        do throws(StoreError) {
            var location = findBase(base, frame.kind)
            if location == nil { location = try packs.location(of: base, frame.kind) }
            guard let location else {
                throw StoreError(.damaged, "the pack \(base.pack.hex) has no such frame")
            }
            return try readBase(location)
        } catch {
            throw StoreError(error.code, "its base, frame \(base.number) of another: \(error.message)")
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
        guard (frame.base != nil) == (frame.codec == .zstdDelta), frame.base?.pack != frame.pack else {
            throw StoreError(.damaged, "a delta frame without a base, or a base that cannot be one")
        }
        guard rawLength == frame.rawLength, frame.number >= 0, frame.number < FormatLimits.packFrameCount,
            frame.offset >= PackLayout.firstFrameOffset,
            UInt64(frame.offset) + UInt64(frame.storedLength) <= handle.byteCount
        else { throw StoreError(.damaged, "it does not lie within the pack") }
    }
}
