import CSys
import Glibc
import Synchronization
import Testing
import Varve
import VarveFormat

/// A directory that was captured and changed since, a repository in memory and a state directory.
final class InPlaceFixture: Sendable {
    let scratch: ScratchDirectory
    let backend: any Backend

    convenience init() throws { try self.init(in: try Self.scratch(), on: MemoryBackend()) }

    /// In memory, where there is such a place: restores in place sync whole file systems.
    static func scratch() throws -> ScratchDirectory {
        try ScratchDirectory(in: access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp")
    }

    init(in scratch: ScratchDirectory, on backend: any Backend) throws {
        self.scratch = scratch
        self.backend = backend
        _ = try Repository.create(on: backend, options: .init(), openOptions: .init())
        try scratch.makeDirectory("app")
    }

    var source: String { scratch.path + "/app" }
    var state: String { scratch.path + "/state" }

    func path(_ name: String) -> [UInt8] { Array((name.isEmpty ? source : source + "/" + name).utf8) }

    func repository(on other: (any Backend)? = nil) throws -> Repository {
        var options = Repository.OpenOptions()
        options.stateDirectory = state
        options.threads = 2
        return try Repository.open(on: other ?? backend, options: options)
    }

    /// Captures the directory.
    func capture() throws -> Snapshot {
        var options = Archiver.Options()
        options.paths = [path("")]
        options.host = "host"
        let report = try Archiver(repository: try repository(), options: options, progress: Progress()).run()
        let id = try #require(report.snapshotID)
        return Snapshot(id: id, manifest: report.manifest)
    }

    @discardableResult
    func restore(
        _ snapshot: Snapshot, on other: (any Backend)? = nil, _ change: (inout Restorer.Options) -> Void = { _ in }
    ) throws -> RestoreReport {
        var options = Restorer.Options()
        options.deletes = true
        change(&options)
        return try Restorer(
            repository: try repository(on: other), snapshot: snapshot, options: options, progress: Progress()
        ).run()
    }

    /// Ends what was interrupted, or undoes what was finished; false if there is nothing.
    @discardableResult
    func undo(near: [[UInt8]] = [], _ change: (inout Restorer.Options) -> Void = { _ in }) throws -> Bool {
        let undo = try RestoreUndo(stateDirectory: state, near: near)
        guard var subject = try undo.subject() else { return false }
        if subject.isInterrupted {
            if try undo.end(subject) { return true }
            subject = try #require(try undo.finished(of: subject))
        }
        var options = Restorer.Options()
        change(&options)
        let report = try undo.undo(subject, repository: try repository(), options: options, progress: Progress())
        #expect(report.errors.isEmpty || report.isAbandoned)
        return true
    }

    /// Everything in and beside the directory, times of directories included.
    func image() throws -> [String: String] {
        var image: [String: String] = [:]
        var pending = [""]
        while let directory = pending.popLast() {
            let opened = try SafeRoot(Array((scratch.path + directory).utf8)).directory
            let names = try opened.list()
            for index in 0..<names.count {
                let name = String(decoding: names.name(index), as: UTF8.self)
                let path = directory + "/" + name
                if directory.isEmpty, name == "state" || name == "repository" { continue }
                let stat = try #require(try opened.status(Array(names.name(index))))
                image[path] = try describe(stat, Array(names.name(index)), in: opened)
                if stat.isDirectory { pending.append(path) }
            }
        }
        return image
    }

    private func describe(_ stat: FileStat, _ name: [UInt8], in directory: OpenDirectory) throws -> String {
        var text = "\(String(stat.mode, radix: 8)) \(stat.uid):\(stat.gid)"
        text += " \(stat.mtimeSeconds).\(stat.mtimeNanoseconds)"
        let handle = try directory.openHandle(name)
        defer { _ = sys_close(handle) }
        text += " \(try ExtendedAttribute.read(.pathDescriptor(handle)).map { "\($0.name)=\($0.value)" })"
        if stat.isSymbolicLink { text += " -> \(try directory.readLink(name))" }
        guard stat.isRegular || stat.isDirectory else { return text }
        let file = try directory.openFile(name)
        defer { _ = sys_close(file) }
        text += " \(try InodeFlags.read(file).rawValue)"
        if stat.isRegular {
            text += " links \(stat.links) \(SHA256Digest.of(read(file, stat.size)).hex)"
        }
        return text
    }

    private func read(_ descriptor: Int32, _ size: UInt64) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(size))
        let count = sys_pread(descriptor, &bytes, bytes.count, 0)
        #expect(count == bytes.count)
        return bytes
    }

    // MARK: making files

    func write(_ name: String, _ text: String, mtime: Int64 = 1_500_000_000) {
        FileTool.write(source + "/" + name, Array(text.utf8))
        age(name, mtime)
    }

    func make(_ name: String) { #expect(mkdir(source + "/" + name, 0o755) == 0) }

    func remove(_ name: String) { #expect(Tool.run("/bin/rm", ["-rf", source + "/" + name])) }

    func age(_ name: String, _ time: Int64) {
        let path = name.isEmpty ? source : source + "/" + name
        #expect(sys_utimensat(AT_FDCWD, path, 0, SYS_UTIME_OMIT, time, 77, SYS_AT_SYMLINK_NOFOLLOW) == 0)
    }

    func text(_ name: String) -> String? {
        guard access(source + "/" + name, F_OK) == 0 else { return nil }
        return String(decoding: FileTool.read(source + "/" + name), as: UTF8.self)
    }

    /// Recorded: files of several kinds. Then much of it changes.
    func captureAndChange() throws -> Snapshot {
        for directory in ["kept", "kept/deep", "gone", "gone/below"] { make(directory) }
        write("changed", "recorded")
        write("same", "same")
        write("mode", "mode")
        write("gone/below/file", "recorded")
        write("kept/deep/file", "recorded")
        write("linked", "recorded twice")
        #expect(link(source + "/linked", source + "/kept/linked") == 0)
        #expect(symlink("changed", source + "/symbolic") == 0)
        #expect(mkfifo(source + "/pipe", 0o600) == 0)
        write("becomes-directory", "recorded")
        make("becomes-file")
        write("becomes-file/in-it", "recorded")
        for name in ["pipe", "symbolic", "kept/deep", "kept", "gone/below", "gone", "becomes-file", ""] {
            age(name, 1_400_000_000)
        }
        let snapshot = try capture()
        write("changed", "new", mtime: 1_600_000_000)
        #expect(chmod(source + "/mode", 0o600) == 0)
        remove("gone")
        write("kept/deep/file", "RECORDED", mtime: 1_500_000_000)
        write("kept/linked", "changed in both")
        remove("symbolic")
        #expect(symlink("elsewhere", source + "/symbolic") == 0)
        remove("pipe")
        remove("becomes-directory")
        make("becomes-directory")
        write("becomes-directory/x", "x")
        remove("becomes-file")
        write("becomes-file", "file now")
        make("extra")
        write("extra/file", "not recorded")
        write("kept/extra", "not recorded")
        #expect(chmod(source + "/kept", 0o700) == 0)
        for directory in ["becomes-directory", "extra", "kept/deep", "kept", ""] { age(directory, 1_700_000_000) }
        return snapshot
    }
}

/// Counts the steps of a restore, and ends it before one of them.
final class StepProbe: Sendable {
    private let count = Mutex(0)
    private let end: Int
    private let leavesAll: Bool

    init(endingAt end: Int = .max, leavesAll: Bool = true) {
        self.end = end
        self.leavesAll = leavesAll
    }

    var steps: Int { count.withLock { $0 } }

    var probe: RestoreProbe {
        RestoreProbe(leavesAll: leavesAll) { what throws(StoreError) in
            let number = self.count.withLock { count in
                defer { count += 1 }
                return count
            }
            if number == self.end { throw StoreError(.failed, "ended before \(what)") }
        }
    }
}
