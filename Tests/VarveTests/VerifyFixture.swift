import CSys
import Glibc
import Varve
import VarveFormat

/// A small repository in memory that holds every kind of file: two snapshots of a source with lists, a directory in
/// pieces, hard links and more, and a record.
final class VerifyFixture {
    let backend = MemoryBackend()
    private let suite: Suite
    private let source: TemporaryDirectory

    init(_ suite: Suite, seed: UInt64 = 1) throws {
        self.suite = suite
        source = try TemporaryDirectory()
        try Self.makeRepository(on: backend, suite)
        try fillSource(seed)
        try backup()
        var random = SeededBytes(seed: seed &+ 1)
        try write("a/changed", random.text(9_000))
        try write("new/file", random.bytes(20_000))
        try backup()
        var options = Verifier.Options()
        options.level = .data
        _ = try Verifier(repository: try open(), options: options, progress: Progress()).run { _ in }
    }

    /// Opens the repository as a user does, config and key slots included.
    func open() throws -> Repository {
        var options = Repository.OpenOptions()
        options.threads = 1
        return try Self.open(backend, suite, options)
    }

    static func open(
        _ backend: any Backend, _ suite: Suite, _ options: Repository.OpenOptions
    ) throws -> Repository {
        var options = options
        if suite != .none { options.secrets = [.keyFile(secret)] }
        return try Repository.open(on: backend, options: options)
    }

    /// Every file but those of sessions, by path.
    var files: [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for (path, bytes) in backend.contents {
            if let bytes, !path.hasPrefix("sessions/") { files[path] = bytes }
        }
        return files
    }

    /// The paths of files of a kind, in order.
    func paths(_ prefix: String) -> [String] { files.keys.filter { $0.hasPrefix(prefix) }.sorted() }

    /// Verifies without leaving a record.
    func verify(_ level: Verifier.Level = .data) throws -> (report: VerifyReport, findings: [Finding]) {
        var options = Verifier.Options()
        options.level = level
        options.recordResult = false
        var findings: [Finding] = []
        let verifier = Verifier(repository: try open(), options: options, progress: Progress())
        let report = try verifier.run { findings.append($0) }
        return (report, findings)
    }

    /// Changes a file while `body` runs.
    func changing<Result>(
        _ path: String, _ change: (inout [UInt8]) -> Void, _ body: () throws -> Result
    ) throws -> Result {
        let whole = try backend.read(path, limit: .max)
        var bytes = whole
        change(&bytes)
        try backend.replace(path, bytes)
        defer { try? backend.replace(path, whole) }
        return try body()
    }

    /// Takes files away while `body` runs.
    func without<Result>(_ paths: [String], _ body: () throws -> Result) throws -> Result {
        var whole: [(String, [UInt8])] = []
        for path in paths {
            whole.append((path, try backend.read(path, limit: .max)))
            try backend.remove(path)
        }
        defer { for (path, bytes) in whole { try? backend.putIfAbsent(path, bytes, session: nil) } }
        return try body()
    }

    // MARK: Making it

    private static let secret: SecretBytes = {
        var bytes = [UInt8](repeating: 7, count: 32)
        return SecretBytes(taking: &bytes)
    }()

    /// Makes a repository whose files are cut into small chunks, so that small files have lists.
    static func makeRepository(on backend: any Backend, _ suite: Suite, packBytes: Int = 16_777_216) throws {
        var config = RepositoryConfig(
            repositoryID: RepositoryID(31, 32), suite: suite, listFanout: 64, packBytes: packBytes,
            treePackBytes: packBytes)
        config.chunker.file = ChunkSizes(minimum: 256, average: 1_024, maximum: 4_096)
        let configBytes = config.encode(sha256: SHA256Digest.of)
        let slot: [UInt8]
        if suite == .none {
            slot = KeySlots.encodeConfigCopy(config: config, configBytes: configBytes, timeMade: 1)
        } else {
            slot = try KeySlots.encodeSlot(
                .keyFile(secret), master: try KeyWrapping.newMasterKey(), config: config,
                configBytes: configBytes, label: "test", timeMade: 1,
                scryptSalt: [UInt8](repeating: 0, count: 32))
        }
        var directories = ["condemned", "index", "keys", "manifests", "records", "sessions"]
        for kind in ["data", "tree"] {
            for number in 0..<256 {
                directories.append("packs/\(kind)/" + (number < 16 ? "0" : "") + String(number, radix: 16))
            }
        }
        try backend.createLayout(directories: directories)
        try backend.putIfAbsent("keys/\(SHA256Digest.of(slot).hex)", slot, session: nil)
        try backend.putIfAbsent("config", configBytes, session: nil)
    }

    private func fillSource(_ seed: UInt64) throws {
        var random = SeededBytes(seed: seed)
        for name in ["a", "a/deep", "a/deep/er", "b", "many", "new", "none"] { try makeDirectory(name) }
        for number in 0..<12 { try write("a/text\(number)", random.text(200 + 700 * number)) }
        try write("a/changed", random.text(3_000))
        try write("a/deep/er/leaf", random.bytes(5_000))
        try write("a/deep/empty", [])
        // More chunks than a list of 64 ids holds: two levels of lists.
        try write("b/listed", random.bytes(90_000))
        try write("b/same", random.text(2_000))
        try write("b/random", random.bytes(30_000))
        link(path("b/same"), path("b/hard"))
        symlink("listed", path("b/symlink"))
        mkfifo(path("b/fifo"), 0o600)
        // Longer than 262,144 bytes of entries: it is cut into pieces.
        for number in 0..<1_150 {
            symlink("x", path("many/" + String(repeating: "n", count: 220) + "\(number)"))
        }
        try write("many/file", random.bytes(700))
    }

    /// Captures the source.
    func backup() throws {
        var options = Archiver.Options()
        options.paths = [Array(source.path.utf8)]
        options.host = "host"
        options.checkpointInterval = 0
        _ = try Archiver(repository: try open(), options: options, progress: Progress()).run()
    }

    private func path(_ name: String) -> String { source.path + "/" + name }

    private func makeDirectory(_ name: String) throws {
        try Syscalls.makeDirectory(Array(path(name).utf8), mode: 0o755)
    }

    private func write(_ name: String, _ bytes: [UInt8]) throws {
        let descriptor = try Syscalls.open(
            Array(path(name).utf8), flags: SYS_O_WRONLY | SYS_O_CREAT | SYS_O_TRUNC, mode: 0o644)
        defer { _ = sys_close(descriptor) }
        let count = bytes.withUnsafeBytes { sys_write(descriptor, $0.baseAddress, $0.count) }
        guard count == bytes.count else { throw StoreError(.failed, "the source could not be written") }
    }
}
