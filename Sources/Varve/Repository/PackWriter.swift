import Glibc
package import VarveFormat

/// What all pack writers of a session share.
package struct PackWriterContext: Sendable {
    let backend: any Backend
    let session: SessionID
    let keys: KeyChain
    let repository: RepositoryID
    /// Sizes at which packs of data, and of trees and lists, are closed; from config.
    let dataPackBytes: Int
    let treePackBytes: Int
    /// A zstd level.
    let compressionLevel: Int
    /// Whether each compressed frame is decoded again and compared before it is written.
    let verifiesFrames: Bool

    package init(
        backend: any Backend, session: SessionID, keys: KeyChain, repository: RepositoryID, dataPackBytes: Int,
        treePackBytes: Int, compressionLevel: Int, verifiesFrames: Bool
    ) {
        self.backend = backend
        self.session = session
        self.keys = keys
        self.repository = repository
        self.dataPackBytes = dataPackBytes
        self.treePackBytes = treePackBytes
        self.compressionLevel = compressionLevel
        self.verifiesFrames = verifiesFrames
    }
}

/// A pack whose bytes are all written, but neither durable nor named.
package struct FinishedPack: Sendable {
    package let id: PackID
    package let kind: FileKind
    /// Bytes of the whole pack.
    package let length: UInt64
    package let directory: PackDirectory
    package let upload: any Upload

    package var blobCount: Int { directory.frames.reduce(0) { $0 + $1.blobs.count } }

    /// What an index file says about the pack.
    package var segmentPack: SegmentPack {
        SegmentPack(id: id, kind: kind, length: length, directory: directory)
    }
}

/// Takes finished packs; may block, and throws once the session cannot go on.
package typealias PackSink = (FinishedPack) throws(StoreError) -> Void

/// Writes the packs of one kind (FORMAT.md section 7). Each worker has its own.
///
/// Small blobs are gathered into frames that are compressed and sealed together; a long blob is a frame of its own.
/// Memory holds one frame and the directory of one pack. After an error the writer is of no further use.
package final class PackWriter {
    /// Blobs of this length and more are frames of their own.
    package static let ownFrameLength = 262_144
    /// A writer closes its pack with this many blobs.
    package static let packBlobCount = 32_768
    /// A pack that has reached this length is closed whatever config says, so that the last frame and the directory
    /// stay within the limit.
    private static let safePackLength =
        FormatLimits.pack - PackLayout.storedFrameLimit - PackLayout.directoryLimit - 1_024

    private let context: PackWriterContext
    private let kind: FileKind
    private let sink: PackSink
    private let encoder: FrameEncoder
    private let checker: FrameChecker?
    private let packLength: Int
    private let frameLength: Int

    private var pending: [UInt8] = []
    private var pendingBlobs: [PackBlob] = []
    private var pack: OpenPack?
    /// What the headers of packs say, from the next one on.
    private var features: ReadFeatures = []

    /// Makes a writer of data packs or tree packs.
    package init(context: PackWriterContext, kind: FileKind, sink: @escaping PackSink) throws(StoreError) {
        guard kind.isPack else { throw StoreError(.failed, "not a kind of pack") }
        self.context = context
        self.kind = kind
        self.sink = sink
        encoder = try FrameEncoder(suite: context.keys.suite, level: context.compressionLevel)
        checker = context.verifiesFrames ? try FrameChecker(suite: context.keys.suite) : nil
        packLength = min(kind == .dataPack ? context.dataPackBytes : context.treePackBytes, Self.safePackLength)
        frameLength = Self.frameLength(kind)
        pending.reserveCapacity(frameLength)
    }

    /// Blobs are gathered into frames of at most this length. Trees are read one by one, so that their frames are
    /// shorter.
    package static func frameLength(_ kind: FileKind) -> Int { kind == .treePack ? 524_288 : 1_048_576 }

    /// Adds a blob, which the caller has claimed.
    ///
    /// - Throws: `failed` for a blob that such a pack cannot hold; what the storage or the sink throws.
    package func add(_ type: BlobType, _ id: BlobID, _ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        guard kind.holds(type), bytes.count > 0, bytes.count <= FormatLimits.frame else {
            throw StoreError(.failed, "a blob of \(bytes.count) bytes does not belong in this pack")
        }
        let blob = PackBlob(type: type, id: id, length: bytes.count)
        if bytes.count >= Self.ownFrameLength { return try write(bytes, [blob]) }
        if pending.count + bytes.count > frameLength { try closeFrame() }
        pending.append(contentsOf: bytes)
        pendingBlobs.append(blob)
        if (pack?.blobCount ?? 0) + pendingBlobs.count >= Self.packBlobCount { try closeFrame() }
    }

    /// Adds a frame that is encoded already, behind what was added before. Its blobs must be of this kind of pack, and
    /// at most `packBlobCount`.
    ///
    /// - Throws: what the storage or the sink throws.
    func append(_ encoded: FrameEncoder.Frame, rawLength: Int, _ blobs: [PackBlob]) throws(StoreError) {
        try closeFrame()
        try put(encoded, base: nil, rawLength: rawLength, blobs)
    }

    /// Adds an encoded delta frame, before what waits for its frame to be full. Its blobs must be of this kind of pack,
    /// and at most `packBlobCount`.
    ///
    /// - Throws: what the storage or the sink throws.
    package func appendDelta(
        _ encoded: FrameEncoder.Frame, base: FrameBase, rawLength: Int, _ blobs: [PackBlob]
    ) throws(StoreError) {
        if let pack, !pack.header.features.contains(.deltas) { try closePack() }
        features = .deltas
        try put(encoded, base: base, rawLength: rawLength, blobs)
    }

    /// Closes the open frame and the open pack and hands the pack over.
    package func flush() throws(StoreError) {
        try closeFrame()
        try closePack()
    }

    /// Gives up: removes what was written of the open pack.
    package func abandon() {
        pack?.abandon()
        pack = nil
        pending.removeAll()
        pendingBlobs.removeAll()
    }

    private func closeFrame() throws(StoreError) {
        guard !pendingBlobs.isEmpty else { return }
        // Taken out and put back, so that the array is not copied and keeps its memory.
        var raw: [UInt8] = []
        swap(&raw, &pending)
        // An array of just this length: the pack keeps it to its end, and the capacity fits the fullest frame so far.
        let blobs = pendingBlobs.withUnsafeBufferPointer { Array($0) }
        pendingBlobs.removeAll(keepingCapacity: true)
        try raw.withBytes { raw throws(StoreError) in try write(raw, blobs) }
        raw.removeAll(keepingCapacity: true)
        swap(&raw, &pending)
    }

    private func write(_ raw: UnsafeRawBufferPointer, _ blobs: [PackBlob]) throws(StoreError) {
        let encoded = try encoder.encode(raw)
        try checker?.check(encoded, raw)
        try put(encoded, base: nil, rawLength: raw.count, blobs)
    }

    private func put(
        _ encoded: FrameEncoder.Frame, base: FrameBase?, rawLength: Int, _ blobs: [PackBlob]
    ) throws(StoreError) {
        let pack = try openPack()
        do throws(StoreError) {
            try pack.append(encoded, base: base, rawLength: rawLength, blobs)
        } catch {
            abandon()
            throw error
        }
        let isFull =
            pack.byteCount >= packLength || pack.blobCount >= Self.packBlobCount
            || pack.frameCount >= FormatLimits.packFrameCount
        if isFull { try closePack() }
    }

    private func openPack() throws(StoreError) -> OpenPack {
        if let pack { return pack }
        let opened = try OpenPack(context: context, kind: kind, features: features)
        pack = opened
        return opened
    }

    private func closePack() throws(StoreError) {
        guard let pack else { return }
        self.pack = nil
        do throws(StoreError) {
            try sink(try pack.finish())
        } catch {
            pack.abandon()
            throw error
        }
    }
}

/// Decodes frames again and compares them with what was encoded: compressors have had bugs that lose data, and memory
/// fails.
final class FrameChecker {
    private let decoder: FrameDecoder
    private var buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    init(suite: Suite) throws(StoreError) { decoder = try FrameDecoder(suite: suite) }

    deinit { buffer.deallocate() }

    /// - Parameter base: the raw bytes of a delta frame's base.
    func check(
        _ frame: FrameEncoder.Frame, _ raw: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer? = nil
    ) throws(StoreError) {
        guard frame.codec != .stored else { return }
        if buffer.count < raw.count {
            buffer.deallocate()
            buffer = .allocate(byteCount: raw.count, alignment: 64)
        }
        let decoded = UnsafeMutableRawBufferPointer(rebasing: buffer[..<raw.count])
        do throws(StoreError) {
            try decoder.decode(frame.bytes, codec: frame.codec, base: base, into: decoded)
        } catch { throw Self.unequal(error.message) }
        guard let left = decoded.baseAddress, let right = raw.baseAddress, memcmp(left, right, raw.count) == 0
        else { throw Self.unequal("other bytes came back") }
    }

    private static func unequal(_ reason: String) -> StoreError {
        StoreError(
            .failed, "a frame did not survive its compression: \(reason)",
            remedy: "test this machine's memory; nothing of the frame was stored")
    }
}
