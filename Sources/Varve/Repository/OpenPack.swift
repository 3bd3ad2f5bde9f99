import VarveFormat

/// A pack that is being written: its upload, the digest of its bytes and its directory so far.
final class OpenPack {
    /// Bytes after which the system is asked to begin writing them: more at once cost less than many requests.
    private static let writebackLength = 4 << 20

    private let context: PackWriterContext
    private let kind: FileKind
    let header: FileHeader
    private let sealer: Sealer
    private let upload: any Upload
    private var digest = SHA256Digest.Incremental()
    private var frames: [PackFrame] = []
    private var buffer: [UInt8] = []
    /// Where the bytes start that were not handed to the disk yet.
    private var writebackStart = 0
    private(set) var byteCount = 0
    private(set) var blobCount = 0

    var frameCount: Int { frames.count }

    init(context: PackWriterContext, kind: FileKind, features: ReadFeatures) throws(StoreError) {
        self.context = context
        self.kind = kind
        let salt = context.keys.makeSalt()
        header = FileHeader(
            kind: kind, suite: context.keys.suite, features: features, repositoryID: context.repository, salt: salt,
            commitment: context.keys.commitment(salt: salt))
        sealer = context.keys.sealer(kind, salt: salt, repository: context.repository)
        upload = try context.backend.beginUpload(session: context.session)
        buffer = PackLayout.wrapper(length: FileHeader.byteCount)
        buffer += header.encode(magic: FileMagic(kind), sha256: SHA256Digest.of)
        try writeBuffer()
    }

    /// Seals a frame and appends it.
    func append(
        _ frame: FrameEncoder.Frame, base: FrameBase?, rawLength: Int, _ blobs: [PackBlob]
    ) throws(StoreError) {
        let storedLength = frame.bytes.count + sealer.overhead
        let associated = associatedData(
            frame.codec, number: UInt32(truncatingIfNeeded: frames.count), rawLength: rawLength,
            storedLength: storedLength)
        try sealer.withSealed(.frame(UInt64(frames.count)), frame.bytes, associated: associated) {
            sealed throws(StoreError) in try write(sealed)
        }
        if byteCount - writebackStart >= Self.writebackLength {
            upload.startWriteback()
            writebackStart = byteCount
        }
        frames.append(
            PackFrame(
                storedLength: storedLength, rawLength: rawLength, codec: frame.codec, base: base, blobs: blobs))
        blobCount += blobs.count
    }

    /// Writes the directory and the trailer.
    func finish() throws(StoreError) -> FinishedPack {
        let directory = PackDirectory(frames: frames)
        let raw = directory.encode()
        let framesEnd = byteCount
        let storedLength = raw.count + sealer.overhead
        let associated = associatedData(
            .stored, number: PackLayout.directoryFrameNumber, rawLength: raw.count, storedLength: storedLength)
        var payload: [UInt8] = []
        try raw.withBytes { raw throws(StoreError) in
            try sealer.seal(.directory, raw, associated: associated, appendingTo: &payload)
        }
        let trailer = PackTrailer(
            header: header, framesEnd: framesEnd, directoryRawLength: raw.count, directoryStoredLength: storedLength,
            directorySHA256: SHA256Digest.of(payload))
        buffer += PackLayout.wrapper(length: payload.count)
        buffer += payload
        buffer += PackLayout.wrapper(length: PackTrailer.byteCount)
        buffer += trailer.encode(sha256: SHA256Digest.of)
        try writeBuffer()
        upload.startWriteback()
        guard byteCount == trailer.packLength, byteCount <= FormatLimits.pack else {
            throw StoreError(.failed, "a pack came out with \(byteCount) bytes instead of \(trailer.packLength)")
        }
        return FinishedPack(
            id: digest.finish(), kind: kind, length: UInt64(byteCount), directory: directory, upload: upload)
    }

    func abandon() { upload.abandon() }

    private func writeBuffer() throws(StoreError) {
        try buffer.withBytes { bytes throws(StoreError) in try write(bytes) }
        buffer.removeAll(keepingCapacity: true)
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        digest.update(bytes)
        try upload.append(bytes)
        byteCount += bytes.count
    }

    private func associatedData(_ codec: FrameCodec, number: UInt32, rawLength: Int, storedLength: Int) -> [UInt8] {
        PackLayout.associatedData(
            repository: context.repository, kind: kind, suite: context.keys.suite, codec: codec, number: number,
            rawLength: rawLength, storedLength: storedLength)
    }
}
