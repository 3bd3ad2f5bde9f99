import Glibc
import Varve
import VarveFormat

extension SeededBytes {
    /// Bytes that compress to about half.
    mutating func text(_ count: Int) -> [UInt8] { bytes(count).map { 97 + ($0 & 15) } }
}

/// The layout of a repository in a directory of its own, removed with the fixture, and keys of either suite.
final class PackFixture: Sendable {
    private let directory: TemporaryDirectory
    var root: String { directory.path }
    let backend: LocalBackend
    let keys: KeyChain
    let repository = RepositoryID(11, 12)
    let session = SessionID(21, 22)

    init(_ suite: Suite) throws {
        directory = try TemporaryDirectory()
        backend = LocalBackend(path: directory.path + "/repository")
        var master = [UInt8](repeating: 5, count: 32)
        keys = suite == .none
            ? try KeyChain.unencrypted()
            : try KeyChain(master: SecretBytes(taking: &master), configDigest: FileID(1, 2, 3, 4))
        var directories = ["index", "manifests", "records", "sessions"]
        for kind in ["data", "tree"] {
            for number in 0..<256 {
                let digits = String(number, radix: 16)
                directories.append("packs/\(kind)/" + (digits.utf8.count == 1 ? "0" : "") + digits)
            }
        }
        try backend.createLayout(directories: directories)
        try backend.makeDirectory("sessions/" + session.hex)
    }

    func context(packBytes: Int = 1 << 20) -> PackWriterContext {
        PackWriterContext(
            backend: backend, session: session, keys: keys, repository: repository, dataPackBytes: packBytes,
            treePackBytes: packBytes, compressionLevel: 1, verifiesFrames: true)
    }

    var reader: PackReader { PackReader(backend: backend, keys: keys, repository: repository) }
    var sealed: SealedFile { SealedFile(keys: keys, repository: repository) }

    /// Stores blobs through a writer and a publisher; index files are made if `indexes`.
    @discardableResult
    func store(
        _ blobs: [(type: BlobType, bytes: [UInt8])], packBytes: Int = 1 << 20, indexes: Bool = true
    ) throws -> [SegmentPack] {
        let publisher = try PackPublisher(backend: backend)
        defer { publisher.close() }
        for kind in [FileKind.dataPack, .treePack] {
            let writer = try PackWriter(context: context(packBytes: packBytes), kind: kind) { pack throws(StoreError) in
                try publisher.take(pack)
            }
            for blob in blobs where kind.holds(blob.type) {
                try blob.bytes.withBytes { bytes throws(StoreError) in
                    try writer.add(blob.type, keys.blobHasher.id(blob.type, bytes), bytes)
                }
            }
            try writer.flush()
        }
        let packs = try publisher.commitPoint()
        if indexes { try publishIndex(packs) }
        return packs
    }

    @discardableResult
    func publishIndex(_ packs: [SegmentPack]) throws -> [IndexWriter.Written] {
        try IndexWriter(backend: backend, session: session, keys: keys, repository: repository).publish(packs)
    }

    func openIndex(
        cache: IndexCache? = nil, memoryLimit: Int = 1 << 30, isUsable: (@Sendable (PackID) -> Bool)? = nil
    ) throws -> BlobIndex {
        try BlobIndexOpener(
            backend: backend, keys: keys, repository: repository, cache: cache, memoryLimit: memoryLimit,
            isUsable: isUsable
        ).open()
    }

    var cache: IndexCache? {
        IndexCache(root: root + "/cache", repository: repository, location: backend.location)
    }

    /// The bytes of a file of the repository.
    func bytes(_ path: String) throws -> [UInt8] { try backend.read(path, limit: 1 << 28) }

    /// Changes a byte of a file of the repository in place, as a failing disk does.
    func flip(_ path: String, at offset: Int) throws {
        var bytes = try bytes(path)
        bytes[offset] ^= 1
        try overwrite(root + "/repository/" + path, bytes)
    }

    func overwrite(_ path: String, _ bytes: [UInt8]) throws {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC | O_CREAT, 0o600)
        defer { close(descriptor) }
        guard descriptor >= 0, write(descriptor, bytes, bytes.count) == bytes.count else {
            throw StoreError(.failed, "cannot write", path: path, errno: errno)
        }
    }
}
