import CSys
import Glibc
import VarveFormat

/// What this machine remembers of restores in place: the one that is on its way, and those that can be undone. One
/// program at a time has it.
final class RestoreMemory: Sendable {
    private static let currentName = Array("current".utf8)
    private static let lockName = Array("lock".utf8)
    private static let suffix = Array(".undo".utf8)
    /// Finished restores that are remembered.
    private static let limit = 50

    private let directory: OpenDirectory
    private let lock: Int32

    /// Opens `restores` in the state directory, which is made if absent; nil if there is none or it cannot be written.
    ///
    /// - Throws: `busy` while another restore in place runs.
    static func open(_ stateDirectory: String?) throws(StoreError) -> RestoreMemory? {
        guard let stateDirectory, stateDirectory.hasPrefix("/") else { return nil }
        let path = stateDirectory + "/restores"
        var part = ""
        for component in path.split(separator: "/") {
            part += "/" + component
            guard mkdir(part, 0o700) == 0 || errno == EEXIST || errno == EROFS || errno == EACCES else { return nil }
        }
        guard access(path, R_OK | W_OK | X_OK) == 0 else { return nil }
        return try RestoreMemory(path)
    }

    private init?(_ path: String) throws(StoreError) {
        let flags = SYS_O_RDONLY | SYS_O_DIRECTORY
        directory = OpenDirectory(owning: try Syscalls.open(Array(path.utf8), flags: flags))
        lock = try Syscalls.open(
            Self.lockName, at: directory.descriptor, flags: SYS_O_RDWR | SYS_O_CREAT | SYS_O_NOFOLLOW, mode: 0o600)
        guard sys_lock(lock) == -EWOULDBLOCK else {
            // What a killed program was writing.
            let list = try directory.list()
            for index in 0..<list.count where list.name(index).starts(with: ".varve-".utf8) {
                try? directory.removeFile(Array(list.name(index)))
            }
            return
        }
        throw StoreError(
            .busy, "another restore in place is running", remedy: "wait until it is over, or end it")
    }

    deinit {
        sys_unlock(lock)
        _ = sys_close(lock)
    }

    // MARK: the one that is on its way

    /// The restore that did not come to its end; nil if there is none.
    func current() throws(StoreError) -> RestoreJournal? { try RestoreJournal.read(Self.currentName, in: directory) }

    /// Remembers how far a restore is. Its steps stay in the journal.
    func write(_ journal: RestoreJournal) throws(StoreError) {
        var short = journal
        short.steps = []
        try short.write(Self.currentName, in: directory)
    }

    /// Nothing is on its way any more.
    func removeCurrent() throws(StoreError) {
        do throws(StoreError) {
            try directory.removeFile(Self.currentName)
        } catch { if error.errno != ENOENT { throw error } }
    }

    // MARK: those that can be undone

    /// A finished restore.
    struct Finished: Sendable {
        let name: [UInt8]
        let journal: RestoreJournal

        /// What the journal of an undo of it asks for.
        var undoRequest: FileID { SHA256Digest.of(journal.encode()) }
    }

    /// Remembers a finished restore, once.
    func add(_ journal: RestoreJournal) throws(StoreError) {
        let newest = try names().last.map { Int(String(decoding: $0.prefix(10), as: UTF8.self)) ?? 0 } ?? 0
        let id = SHA256Digest.of(journal.encode()).hex.prefix(16)
        guard try !names().contains(where: { String(decoding: $0, as: UTF8.self).contains(id) }) else { return }
        let number = String(newest + 1)
        let name = String(repeating: "0", count: max(0, 10 - number.count)) + number + "-" + id
        try journal.write(Array(name.utf8) + Self.suffix, in: directory)
        for old in try names().dropLast(Self.limit) { try? directory.removeFile(old) }
    }

    /// Finished restores, the last one first. What cannot be read is left out.
    func finished() throws(StoreError) -> [Finished] {
        var finished: [Finished] = []
        for name in try names().reversed() {
            if let journal = try? RestoreJournal.read(name, in: directory) {
                finished.append(Finished(name: name, journal: journal))
            }
        }
        return finished
    }

    /// Forgets a finished restore, because it was undone.
    func remove(_ finished: Finished) throws(StoreError) {
        try directory.removeFile(finished.name)
        try directory.sync()
    }

    private func names() throws(StoreError) -> [[UInt8]] {
        let list = try directory.list()
        return (0..<list.count).map { Array(list.name($0)) }.filter {
            $0.count == 32 && $0.suffix(5).elementsEqual(Self.suffix)
        }
    }
}
