import Glibc
import Synchronization
import Testing
import Varve
import VarveFormat

/// What is stored does not depend on the processor. A path that this one lacks is reported as skipped. (The chunker has
/// one path, whose lanes GearScanTests hold to the plain loop; `cost.sh` compares the tree that a whole program makes
/// on the processor that valgrind shows.)
@Suite("VectorPath")
struct VectorPathTests {
    @Test("libb2 alone gives the same bytes twice")
    func libb2() throws { try expectSame(.libb2) }

    @Test("AVX2 gives the bytes of libb2", .enabled(if: VectorPath.avx2.isPresent, "this processor has no AVX2"))
    func avx2() throws { try expectSame(.avx2) }

    @Test(
        "AVX-512 gives the bytes of libb2", .enabled(if: VectorPath.avx512.isPresent, "this processor has no AVX-512"))
    func avx512() throws { try expectSame(.avx512) }

    @Test("A path that the processor lacks makes no hasher")
    func absent() throws {
        let hasher = try KeyChain.unencrypted().blobHasher
        for path in VectorPath.allCases { #expect((hasher.on(path) != nil) == path.isPresent) }
        #expect(VectorPath.libb2.isPresent && VectorPath.best.isPresent)
    }

    @Test("Salts are 32 random bytes unless a test sets them")
    func salts() throws {
        let keys = try KeyChain.unencrypted()
        let salts = (0..<8).map { _ in keys.makeSalt() }
        #expect(Set(salts).count == 8 && salts.allSatisfy { $0.count == 32 })
        // 32 bytes of eight salts: each byte takes several values.
        for byte in 0..<32 { #expect(Set(salts.map { $0[byte] }).count > 2) }
    }

    private func expectSame(_ path: VectorPath) throws {
        try expectKnownNames(path)
        let site = try ComparisonSite()
        let reference = try site.capture(.libb2)
        let captured = try site.capture(path)
        #expect(captured.root == reference.root)
        #expect(captured.files.keys.sorted() == reference.files.keys.sorted())
        #expect(captured.files == reference.files)
        for directory in ["packs/data/", "packs/tree/", "index/"] {
            #expect(captured.files.keys.contains { $0.hasPrefix(directory) }, "nothing in \(directory)")
        }
        #expect(captured.files.keys.filter { $0.hasPrefix("packs/data/") }.count > 2)
    }

    /// Cut points and ids of fixed content under a fixed key, as one digest, which a program of its own
    /// in another language (HMAC and BLAKE2b of Python's hashlib, the rule of FORMAT.md section 13) gave as well.
    private func expectKnownNames(_ path: VectorPath) throws {
        var master = [UInt8](repeating: 5, count: 32)
        let keys = try KeyChain(master: SecretBytes(taking: &master), configDigest: FileID(1, 2, 3, 4))
        let hasher = try #require(keys.blobHasher.on(path))
        let sizes = try #require(ChunkParameters(minimum: 4096, average: 16_384, maximum: 65_536))
        var random = SeededBytes(seed: 20)
        let content = random.bytes(3_000_000)
        var names: [UInt8] = []
        content.withUnsafeBytes { content in
            var chunks: [UnsafeRawBufferPointer] = []
            var start = 0
            while let length = keys.chunker.nextCut(
                in: UnsafeRawBufferPointer(rebasing: content[start...]), parameters: sizes, isFinal: true)
            {
                chunks.append(UnsafeRawBufferPointer(rebasing: content[start..<start + length]))
                start += length
            }
            var ids: [BlobID] = []
            hasher.ids(.data, chunks, into: &ids)
            for (chunk, id) in zip(chunks, ids) {
                names += Array("\(chunk.count) \(id.hex)\n".utf8)
            }
        }
        #expect(
            SHA256Digest.of(names).hex == "03bcc8a7e83c87408395f93f57188d1df42eef7697af50049b1e45df7d33af4d")
    }
}

/// A tree to capture, and an encrypted repository that is copied for each capture.
private final class ComparisonSite {
    private let scratch: ScratchDirectory
    private let source: String
    private let origin: Repository
    private var template: [String: [UInt8]] = [:]

    init() throws {
        scratch = try ScratchDirectory()
        source = scratch.path + "/source"
        var key = [UInt8](repeating: 9, count: 32)
        var options = Repository.CreateOptions()
        options.secret = .keyFile(SecretBytes(taking: &key))
        options.packBytes = 1 << 20
        let backend = MemoryBackend()
        origin = try Repository.create(on: backend, options: options, openOptions: .init())
        template = try Self.files(of: backend)
        try fill()
    }

    /// Small files in several directories, some of them equal, long ones of many chunks, and other kinds of entries.
    private func fill() throws {
        var random = SeededBytes(seed: 21)
        try scratch.makeDirectory("source")
        for directory in 0..<8 {
            try scratch.makeDirectory("source/\(directory)")
            for file in 0..<60 {
                let bytes = file % 3 == 0 ? random.text(random.below(9000)) : random.bytes(random.below(300))
                FileTool.write("\(source)/\(directory)/\(file)", bytes)
            }
            FileTool.write("\(source)/\(directory)/same", [UInt8](repeating: 65, count: 5000))
        }
        FileTool.write(source + "/long", random.bytes(4_000_000))
        FileTool.write(source + "/text", random.text(2_000_000))
        #expect(symlink("long", source + "/link") == 0)
        #expect(mkfifo(source + "/fifo", 0o600) == 0)
    }

    struct Captured {
        let root: BlobID
        /// Packs and index files by their paths.
        let files: [String: [UInt8]]
    }

    /// Captures the tree on one thread, hashing as told, with the salts 1, 2, 3 and so on.
    func capture(_ path: VectorPath) throws -> Captured {
        let number = Mutex(UInt8(0))
        let keys = origin.keys.forComparison(path: path) {
            let salt = number.withLock { number in
                number += 1
                return number
            }
            return [UInt8](repeating: salt, count: 32)
        }
        let backend = MemoryBackend()
        try backend.createLayout(directories: Self.directories(of: origin.backend))
        for (path, bytes) in template { try backend.putIfAbsent(path, bytes, session: nil) }
        var opening = Repository.OpenOptions()
        opening.threads = 1
        let repository = Repository(
            backend: backend, config: origin.config, configBytes: origin.configBytes, keys: try #require(keys),
            options: opening, warnings: [])
        var options = Archiver.Options()
        options.host = "host"
        options.paths = [Array(source.utf8)]
        options.checkpointInterval = 0
        let report = try Archiver(repository: repository, options: options, progress: Progress()).run()
        #expect(report.errors.isEmpty && report.manifest.state == .complete)
        let stored = try Self.files(of: backend).filter { $0.key.hasPrefix("packs/") || $0.key.hasPrefix("index/") }
        return Captured(root: report.manifest.treeRoot, files: stored)
    }

    private static func directories(of backend: any Backend) throws -> [String] { try listed(backend).directories }

    private static func files(of backend: any Backend) throws -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        for path in try listed(backend).files { found[path] = try backend.read(path, limit: 1 << 26) }
        return found
    }

    private static func listed(_ backend: any Backend) throws -> (directories: [String], files: [String]) {
        var result: (directories: [String], files: [String]) = ([], [])
        var pending = [""]
        while let directory = pending.popLast() {
            for entry in try backend.list(directory) {
                let path = directory.isEmpty ? entry.name : directory + "/" + entry.name
                if entry.isDirectory {
                    result.directories.append(path)
                    pending.append(path)
                } else {
                    result.files.append(path)
                }
            }
        }
        return result
    }
}
