import CSys
import Glibc
package import Varve
package import VarveFormat

/// What this machine remembers of databases that were restored in place: the restore that is on its way, and those that
/// can be undone. One program at a time has it. No password is in it, and no address: those are looked up again.
package final class PostgresMemory: Sendable {
    /// A restore of databases.
    package struct Note: Sendable, Equatable {
        /// One of its databases.
        package struct Member: Sendable, Equatable {
            package var component: String
            package var database: String
            package var suffix: String
            package var existed: Bool
            package var isLoaded: Bool
        }

        package var repository: String
        package var snapshot: String
        package var began: Timestamp
        /// When it was complete; nil while it is on its way.
        package var ended: Timestamp?
        package var isUndo = false
        /// Whether the old databases are to be saved.
        package var saves = true
        package var safety: String?
        package var members: [Member] = []
    }

    private static let current = "current"
    private static let suffix = ".undo"
    /// Finished restores that are remembered.
    private static let limit = 50

    private let path: String
    private let lock: FileHandleBox

    /// Opens `databases` in the state directory, which is made if absent.
    ///
    /// - Throws: `busy` while another restore of databases runs; `refused` without a state directory.
    package init(_ stateDirectory: String?) throws(StoreError) {
        guard let stateDirectory, stateDirectory.hasPrefix("/") else {
            throw StoreError(
                .refused, "there is no state directory to remember the restore of a database in",
                remedy: "set HOME or XDG_STATE_HOME")
        }
        path = stateDirectory + "/databases"
        var part = ""
        for component in path.split(separator: "/") {
            part += "/" + component
            guard mkdir(part, 0o700) == 0 || errno == EEXIST || errno == EROFS || errno == EACCES else {
                throw StoreError.system(errno, "make the directory", path: Array(part.utf8))
            }
        }
        let descriptor = try Syscalls.open(
            Array("\(path)/lock".utf8), flags: SYS_O_RDWR | SYS_O_CREAT | SYS_O_NOFOLLOW, mode: 0o600)
        lock = FileHandleBox(descriptor)
        guard sys_lock(descriptor) != -EWOULDBLOCK else {
            throw StoreError(
                .busy, "another restore of databases is running", remedy: "wait until it is over, or end it")
        }
    }

    /// What is remembered; nil if that is nothing, or cannot be read. Makes no directory.
    ///
    /// - Throws: `busy` while a restore of databases runs.
    package static func open(_ stateDirectory: String?) throws(StoreError) -> PostgresMemory? {
        guard let stateDirectory, access(stateDirectory + "/databases", R_OK | W_OK | X_OK) == 0 else { return nil }
        do throws(StoreError) {
            return try PostgresMemory(stateDirectory)
        } catch {
            if error.code == .busy { throw error }
            return nil
        }
    }

    // MARK: the one that is on its way

    /// The restore that did not come to its end; nil if there is none.
    package func current() throws(StoreError) -> Note? { try read(Self.current) }

    package func write(_ note: Note) throws(StoreError) { try write(note, Self.current) }

    package func removeCurrent() throws(StoreError) { try remove(Self.current) }

    // MARK: those that can be undone

    /// The last finished restore that was not undone, and the name it has here.
    package func finished() throws(StoreError) -> (name: String, note: Note)? {
        for name in try names().reversed() {
            if let note = try? read(name) { return (name, note) }
        }
        return nil
    }

    /// Remembers a finished restore.
    package func add(_ note: Note) throws(StoreError) {
        guard try finished()?.note != note else { return }
        let newest = try names().last.flatMap { Int($0.dropLast(Self.suffix.count)) } ?? 0
        let number = String(newest + 1)
        try write(note, String(repeating: "0", count: max(0, 10 - number.count)) + number + Self.suffix)
        for old in try names().dropLast(Self.limit) { try? remove(old) }
    }

    /// Forgets one, because it was undone.
    package func remove(_ name: String) throws(StoreError) {
        do throws(StoreError) {
            try Syscalls.unlink(Array("\(path)/\(name)".utf8))
        } catch { if error.errno != ENOENT { throw error } }
        try syncDirectory()
    }

    // MARK: files

    private func names() throws(StoreError) -> [String] {
        let handle = try FileHandle(Array(path.utf8), flags: SYS_O_RDONLY | SYS_O_DIRECTORY)
        let list = try listDirectory(handle.descriptor)
        let names = (0..<list.count).map { String(decoding: list.name($0), as: UTF8.self) }
        return names.filter { $0.hasSuffix(Self.suffix) && !$0.hasPrefix(".") }.sorted()
    }

    private func read(_ name: String) throws(StoreError) -> Note? {
        let file = Array("\(path)/\(name)".utf8)
        let bytes: [UInt8]
        do throws(StoreError) {
            bytes = try DescriptorReader.readFile(file, limit: 1 << 20)
        } catch {
            if error.errno == ENOENT { return nil }
            throw error
        }
        guard let value = try? JSONValue(parsing: bytes), let note = Note(value) else {
            throw StoreError(
                .damaged, "what is remembered of a restore of databases cannot be read", path: file,
                remedy: "psql -l shows databases with _varve_ and _before_ in their names; then remove the file")
        }
        return note
    }

    /// Durable, whole or not at all.
    private func write(_ note: Note, _ name: String) throws(StoreError) {
        let temporary = Array("\(path)/.\(name)".utf8)
        do {
            let file = try FileHandle(
                temporary, flags: SYS_O_RDWR | SYS_O_CREAT | SYS_O_TRUNC | SYS_O_NOFOLLOW, mode: 0o600)
            let bytes = note.json.canonicalFile()
            let count = try bytes.withBytes { bytes throws(StoreError) in try file.write(bytes) }
            guard count == bytes.count else { throw StoreError(.noSpace, "the disk is full", path: path) }
            try file.sync()
        }
        try Syscalls.rename(temporary, to: Array("\(path)/\(name)".utf8))
        try syncDirectory()
    }

    private func syncDirectory() throws(StoreError) {
        try FileHandle(Array(path.utf8), flags: SYS_O_RDONLY | SYS_O_DIRECTORY).sync()
    }
}

/// A descriptor that is closed with its owner.
private final class FileHandleBox: Sendable {
    private let descriptor: Int32
    init(_ descriptor: Int32) { self.descriptor = descriptor }
    deinit { _ = sys_close(descriptor) }
}

extension PostgresMemory.Note {
    fileprivate var json: JSONValue {
        var object: [String: JSONValue] = [
            "repository": .string(repository), "snapshot": .string(snapshot), "began": .string(began.rfc3339),
            "undo": .bool(isUndo), "saves": .bool(saves),
            "members": .array(members.map { member in
                .object([
                    "component": .string(member.component), "database": .string(member.database),
                    "suffix": .string(member.suffix), "existed": .bool(member.existed),
                    "loaded": .bool(member.isLoaded),
                ])
            }),
        ]
        if let ended { object["ended"] = .string(ended.rfc3339) }
        if let safety { object["safety"] = .string(safety) }
        return .object(object)
    }

    fileprivate init?(_ value: JSONValue) {
        guard let repository = value["repository"]?.stringValue, let snapshot = value["snapshot"]?.stringValue,
            let began = value["began"]?.stringValue.flatMap({ try? Timestamp(rfc3339: $0) }),
            let list = value["members"]?.arrayValue
        else { return nil }
        self.init(repository: repository, snapshot: snapshot, began: began)
        ended = value["ended"]?.stringValue.flatMap { try? Timestamp(rfc3339: $0) }
        isUndo = value["undo"]?.boolValue ?? false
        saves = value["saves"]?.boolValue ?? true
        safety = value["safety"]?.stringValue
        for entry in list {
            guard let component = entry["component"]?.stringValue, let database = entry["database"]?.stringValue,
                let suffix = entry["suffix"]?.stringValue, let existed = entry["existed"]?.boolValue,
                let isLoaded = entry["loaded"]?.boolValue
            else { return nil }
            members.append(
                Member(
                    component: component, database: database, suffix: suffix, existed: existed, isLoaded: isLoaded))
        }
    }
}
