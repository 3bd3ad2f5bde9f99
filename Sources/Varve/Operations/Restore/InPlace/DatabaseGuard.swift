import CSys
import Glibc
import VarveFormat

/// Keeps a restore in place from replacing an SQLite database that a process has open: the process would go on writing
/// to a file without a name, and its write-ahead log would be taken for that of the new database.
struct DatabaseGuard {
    /// What SQLite puts beside a database (sqlite.org/tempfiles.html).
    static let suffixes = ["-wal", "-shm", "-journal"].map { Array($0.utf8) }

    private struct Identity: Hashable {
        let device: UInt64
        let inode: UInt64
    }

    let root: SafeRoot
    private var files: [Identity: [UInt8]] = [:]

    init(root: SafeRoot) { self.root = root }

    /// Refuses steps that replace or remove a database that is open.
    ///
    /// - Throws: `refused`, naming the process.
    static func check(_ journal: RestoreJournal, root: SafeRoot) throws(StoreError) {
        var guardian = DatabaseGuard(root: root)
        for step in journal.steps where step.kind != .attributes && step.old != nil {
            guard let directory = try? root.openDirectory(step.directory) else { continue }
            let stage = try root.openDirectory(journal.stages[step.stage].components)
            // One that was just made is empty until its first transaction.
            let becomesDatabase = step.kind == .put && isDatabase(step.stageName, in: stage)
            guardian.look(at: step.name, in: directory, step.directory, becomesDatabase)
        }
        try guardian.check()
    }

    // MARK: which files

    /// Notes databases, what belongs to them, and all of them below a directory.
    private mutating func look(
        at name: [UInt8], in directory: OpenDirectory, _ names: [[UInt8]], _ becomesDatabase: Bool
    ) {
        guard let stat = try? directory.status(name) else { return }
        if stat.isRegular { return note(name, stat, in: directory, names, becomesDatabase) }
        guard stat.isDirectory else { return }
        var pending = [names + [name]]
        while let path = pending.popLast() {
            guard let opened = try? root.openDirectory(path), let list = try? opened.list() else { continue }
            for index in 0..<list.count {
                let child = Array(list.name(index))
                guard let stat = try? opened.status(child) else { continue }
                if stat.isDirectory { pending.append(path + [child]) }
                if stat.isRegular { note(child, stat, in: opened, path, false) }
            }
        }
    }

    private mutating func note(
        _ name: [UInt8], _ stat: FileStat, in directory: OpenDirectory, _ names: [[UInt8]], _ becomesDatabase: Bool
    ) {
        let path = TreePath.joined(names + [name])
        let isDatabase = becomesDatabase || Self.isDatabase(name, in: directory)
        let isPart = Self.suffixes.contains { name.count > $0.count && name.suffix($0.count).elementsEqual($0) }
        guard isDatabase || isPart else { return }
        files[Identity(device: stat.device, inode: stat.inode)] = path
        guard isDatabase else { return }
        for suffix in Self.suffixes {
            guard name.count + suffix.count <= 255, let part = try? directory.status(name + suffix), part.isRegular
            else { continue }
            files[Identity(device: part.device, inode: part.inode)] = path
        }
    }

    /// Whether a file begins as SQLite databases do (sqlite.org/fileformat.html).
    static func isDatabase(_ name: [UInt8], in directory: OpenDirectory) -> Bool {
        starts(name, in: directory, with: [Array("SQLite format 3\0".utf8)])
    }

    /// Whether a file begins as a write-ahead log or a rollback journal does.
    static func isLog(_ name: [UInt8], in directory: OpenDirectory) -> Bool {
        starts(
            name, in: directory,
            with: [
                [0x37, 0x7F, 0x06, 0x82], [0x37, 0x7F, 0x06, 0x83], [0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7],
            ])
    }

    private static func starts(_ name: [UInt8], in directory: OpenDirectory, with magics: [[UInt8]]) -> Bool {
        guard let descriptor = try? directory.openFile(name) else { return false }
        defer { _ = sys_close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = sys_pread(descriptor, &bytes, bytes.count, 0)
        return count > 0 && magics.contains { bytes.prefix(count).starts(with: $0) }
    }

    // MARK: who has them open

    private func check() throws(StoreError) {
        guard !files.isEmpty else { return }
        var found = descriptorHolder() ?? lockHolder()
        // A process that is just being started has all files of the one that starts it, until it runs.
        for _ in 0..<5 where found != nil {
            _ = usleep(20_000)
            found = descriptorHolder() ?? lockHolder()
        }
        guard let holder = found else { return }
        throw StoreError(
            .refused, "the database is open in \(holder.process)", path: holder.path,
            remedy: "stop it and restore again; nothing was changed")
    }

    private struct Holder {
        let process: String
        let path: [UInt8]
    }

    /// Looks through the open files of all processes that this user may look at.
    private func descriptorHolder() -> Holder? {
        for process in Self.numbers(in: "/proc") {
            let directory = "/proc/\(process)/fd"
            for descriptor in Self.numbers(in: directory) {
                guard let status = try? Syscalls.status(Array("\(directory)/\(descriptor)".utf8), follow: true),
                    let path = files[Identity(device: status.device, inode: status.inode)]
                else { continue }
                return Holder(process: Self.describe(process), path: path)
            }
        }
        return nil
    }

    /// Looks through the locks of all processes: `1: POSIX ADVISORY READ 1234 08:02:131 0 EOF` (proc(5)).
    private func lockHolder() -> Holder? {
        for line in Self.text("/proc/locks").split(separator: "\n") {
            let fields = line.split(separator: " ").filter { $0 != "->" }
            guard fields.count > 5 else { continue }
            let parts = fields[5].split(separator: ":")
            guard parts.count == 3, let major = UInt32(parts[0], radix: 16), let minor = UInt32(parts[1], radix: 16),
                let inode = UInt64(parts[2]),
                let path = files[Identity(device: sys_makedev(major, minor), inode: inode)]
            else { continue }
            return Holder(process: Self.describe(String(fields[4])), path: path)
        }
        return nil
    }

    private static func describe(_ process: String) -> String {
        let name = text("/proc/\(process)/comm").prefix { $0 != "\n" }
        return name.isEmpty ? "process \(process)" : "process \(process) (\(name))"
    }

    private static func numbers(in path: String) -> [String] {
        guard let handle = try? FileHandle(Array(path.utf8), flags: SYS_O_RDONLY | SYS_O_DIRECTORY) else { return [] }
        var numbers: [String] = []
        try? handle.forEachName { name, _, _ in
            let text = String(cString: name)
            if UInt32(text) != nil { numbers.append(text) }
        }
        return numbers
    }

    private static func text(_ path: String) -> String {
        guard let handle = try? FileHandle(Array(path.utf8), flags: SYS_O_RDONLY) else { return "" }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = buffer.withUnsafeMutableBytes { (try? handle.read(into: $0)) ?? 0 }
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }
}

/// What SQLite left in a directory beside databases that are restored. It belongs to the old databases: a new one must
/// not be read together with it.
struct DatabaseLeftovers {
    private var bases: [[UInt8]: [[UInt8]]] = [:]
    private var recorded: Set<[UInt8]> = []
    private var restored: Set<[UInt8]> = []

    /// Looks for such names among those of a directory; nil if it has none.
    init?(_ names: NameList) {
        for index in 0..<names.count {
            let name = names.name(index)
            for suffix in DatabaseGuard.suffixes
            where name.count > suffix.count && name.suffix(suffix.count) == suffix[...] {
                bases[Array(name.dropLast(suffix.count)), default: []].append(Array(name))
            }
        }
        if bases.isEmpty { return nil }
    }

    /// The snapshot has a name; whether it is restored, or left as it is.
    mutating func visit(_ name: [UInt8], isRestored: Bool) {
        recorded.insert(name)
        if isRestored, bases[name] != nil { restored.insert(name) }
    }

    /// What has to go.
    func orphans(in directory: OpenDirectory) -> [[UInt8]] {
        var orphans: [[UInt8]] = []
        for base in restored.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let parts = (bases[base] ?? []).filter { !recorded.contains($0) }
            let isDatabase = DatabaseGuard.isDatabase(base, in: directory)
                || parts.contains { DatabaseGuard.isLog($0, in: directory) }
            if isDatabase { orphans += parts }
        }
        return orphans
    }
}
