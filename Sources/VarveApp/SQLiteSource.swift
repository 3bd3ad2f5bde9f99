import CSys
package import Varve
import VarveFormat

/// Captures SQLite databases in one consistent state while programs write them: those that were asked for, and those
/// that a capture of directories meets.
package struct SQLiteSource: ContentProvider {
    /// Milliseconds to wait for a lock unless the user says otherwise.
    package static let defaultPatience: Int32 = 5_000

    package let requiredPaths: Set<[UInt8]>
    private let patience: Int32
    private let staging: StagingPlace?

    /// - Parameters:
    ///   - required: absolute paths of the databases that were asked for.
    ///   - patience: milliseconds to wait for a lock.
    ///   - staging: where copies may be made.
    package init(required: [[UInt8]], patience: Int32 = defaultPatience, staging: StagingPlace? = nil) {
        requiredPaths = Set(required)
        self.patience = patience
        self.staging = staging
    }

    package func content(of file: ProvidedFile) throws(StoreError) -> ProvidedAnswer {
        let isRequired = requiredPaths.contains(file.path)
        if isRequired { try Self.checkHeader(file) }
        return try SQLiteCapture(
            file: file, isRequired: isRequired, patience: patience, staging: isRequired ? staging : nil
        ).begin()
    }

    /// Looks whether every database that was asked for is there and can be read.
    ///
    /// - Throws: `missing`, `denied`, `busy`, or `failed` if one is no database.
    package func check() throws(StoreError) {
        for path in requiredPaths.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            guard let status = try? Syscalls.status(path, follow: false) else {
                throw StoreError(
                    .failed, "there is no such file, or it cannot be looked at", path: path,
                    remedy: "name the database that the application uses; none is made")
            }
            guard status.kind == .regular else {
                let what = status.kind == .symlink ? "is a symbolic link: name the file it leads to" : "is not a file"
                throw StoreError(.failed, "a database was expected, and it \(what)", path: path)
            }
            let handle = try FileHandle(path, flags: SYS_O_RDONLY | SYS_O_NONBLOCK)
            let stat: FileStat
            do throws(StoreError) { stat = try FileStat.of(handle.descriptor) } catch { throw error.at(path) }
            let file = ProvidedFile(path: path, descriptor: handle.descriptor, stat: stat)
            try Self.checkHeader(file)
            _ = try SQLiteCapture(file: file, isRequired: false, patience: patience, staging: nil).begin()
        }
    }

    private static func checkHeader(_ file: ProvidedFile) throws(StoreError) {
        guard file.stat.size > 0 else {
            throw StoreError(
                .failed, "the file is empty: no application has made a database of it", path: file.path,
                remedy: "start the application once, or name another file")
        }
        var header = [UInt8](repeating: 0, count: DatabaseFile.magic.count)
        let count = try Syscalls.check(
            sys_pread(file.descriptor, &header, header.count, 0), "read the database", file.path)
        guard count == header.count, header == DatabaseFile.magic else {
            throw StoreError(
                .failed, "it is not a SQLite database, or it is encrypted", path: file.path,
                remedy: "name it as a plain path to save its bytes")
        }
    }

    /// A database and the files that SQLite keeps beside it.
    package static func names(_ path: [UInt8]) -> [[UInt8]] {
        [path] + ["-wal", "-shm", "-journal"].map { path + $0.utf8 }
    }

    /// The databases that were asked for, as components of the application.
    package static func components(_ paths: [[UInt8]]) -> [Archiver.Component] {
        paths.map { path in
            let name = path.suffix(from: (path.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1)
            var component = Archiver.Component(record: [
                "kind": .string("sqlite"), "name": .string(String(decoding: name, as: UTF8.self)),
                "paths": .array([FileNameJSON.encode(path)]), "type": .string("database"),
            ])
            component.paths = [path]
            return component
        }
    }
}
