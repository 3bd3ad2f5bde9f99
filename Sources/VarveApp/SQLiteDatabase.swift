import CSQLite
import CSys
import Glibc
package import Varve

/// One connection to a SQLite database that exists, for reading only. Used by one thread at a time.
package final class SQLiteDatabase {
    /// How a database is opened.
    package enum Access {
        /// With SQLite's locks, so that others may write.
        case shared
        /// Without locks and without looking for a journal: nobody changes the file.
        case unchanging
    }

    /// One row of a result; valid while it is being visited.
    package struct Row {
        fileprivate let statement: OpaquePointer

        /// A column as a number; 0 if it is NULL or no number.
        package func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }

        /// The bytes of a column's text or blob; empty if it is NULL.
        package func bytes(_ column: Int32) -> [UInt8] {
            guard let start = sqlite3_column_blob(statement, column) else { return [] }
            return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column))))
        }
    }

    private let path: [UInt8]
    private let handle: OpaquePointer
    /// Ends statements once it is cancelled.
    private let progress: Progress?

    private static let stepsBetweenLooks: Int32 = 10_000

    /// Once for the process: see `sqlite_use_open_file_locks`.
    private static let locksByOpenFile = sqlite_use_open_file_locks() == SQLITE_OK

    /// Opens a database; nothing is created.
    ///
    /// - Parameters:
    ///   - path: absolute, as bytes.
    ///   - patience: milliseconds to wait for locks of others, with every statement.
    ///   - progress: ends statements with `interrupted` once it is cancelled.
    /// - Throws: `missing`, `denied` or `failed`. That it is no database shows when it is used.
    package init(
        _ path: [UInt8], _ access: Access = .shared, patience: Int32 = 0, progress: Progress? = nil
    ) throws(StoreError) {
        _ = Self.locksByOpenFile
        self.path = path
        self.progress = progress
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let location = Self.location(path, access)
        let result = Syscalls.withName(location) { sqlite3_open_v2($0, &opened, flags, nil) }
        guard let opened, result == SQLITE_OK else {
            sqlite3_close_v2(opened)
            // SQLite does not say why: the system does.
            _ = sys_close(try Syscalls.open(path, flags: SYS_O_RDONLY | SYS_O_NONBLOCK))
            throw Self.error(result, "open the database", path)
        }
        handle = opened
        _ = sqlite_set_patience(handle, patience)
        guard let progress else { return }
        let context = Unmanaged.passUnretained(progress).toOpaque()
        sqlite3_progress_handler(
            handle, Self.stepsBetweenLooks,
            { context in
                context.map { Unmanaged<Progress>.fromOpaque($0).takeUnretainedValue().isCancelled } == true ? 1 : 0
            }, context)
    }

    deinit { sqlite3_close_v2(handle) }

    /// The name as SQLite takes it, whatever its bytes: a URI in which all that could mean something is escaped.
    package static func location(_ path: [UInt8], _ access: Access) -> [UInt8] {
        var uri = Array("file://".utf8)
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in path {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "-"),
                UInt8(ascii: "_"):
                uri.append(byte)
            default: uri += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return uri + Array((access == .unchanging ? "?immutable=1" : "?mode=ro").utf8)
    }

    // MARK: statements

    /// Runs a statement and drops its rows.
    package func execute(_ sql: String) throws(StoreError) { try forEachRow(sql) { _ throws(StoreError) in } }

    /// The number in the first column of the first row; 0 without one.
    package func integer(_ sql: String) throws(StoreError) -> Int64 {
        var value: Int64?
        try forEachRow(sql) { row throws(StoreError) in value = value ?? row.integer(0) }
        return value ?? 0
    }

    /// The text in the first column of the first row, as bytes.
    package func text(_ sql: String) throws(StoreError) -> [UInt8] {
        var value: [UInt8]?
        try forEachRow(sql) { row throws(StoreError) in value = value ?? row.bytes(0) }
        return value ?? []
    }

    /// Visits the rows of a query.
    ///
    /// - Throws: `busy` if others hold a lock for longer than the patience; `failed`; what `visit` throws.
    package func forEachRow(_ sql: String, _ visit: (Row) throws(StoreError) -> Void) throws(StoreError) {
        try forEachRow(Array(sql.utf8), visit)
    }

    /// Visits the rows of a query given as bytes: names in it need not be UTF-8.
    package func forEachRow(_ sql: [UInt8], _ visit: (Row) throws(StoreError) -> Void) throws(StoreError) {
        var prepared: OpaquePointer?
        let result = Syscalls.withName(sql) { sqlite3_prepare_v2(handle, $0, -1, &prepared, nil) }
        guard let prepared, result == SQLITE_OK else { throw error(result) }
        defer { sqlite3_finalize(prepared) }
        while true {
            let result = sqlite3_step(prepared)
            if result == SQLITE_DONE { return }
            guard result == SQLITE_ROW else { throw error(result) }
            try visit(Row(statement: prepared))
        }
    }

    /// A name as SQL takes it.
    package static func quoted(_ name: [UInt8]) -> [UInt8] {
        var quoted = [UInt8(ascii: "\"")]
        for byte in name { quoted += byte == UInt8(ascii: "\"") ? [byte, byte] : [byte] }
        return quoted + [UInt8(ascii: "\"")]
    }

    // MARK: errors

    private func error(_ result: Int32) -> StoreError {
        let words = sqlite3_errmsg(handle).map { String(cString: $0) } ?? ""
        return Self.error(result, "read the database", path, words, sqlite3_system_errno(handle))
    }

    /// SQLITE_READONLY_ROLLBACK, which is a macro that Swift does not see.
    private static let readOnlyRollback = SQLITE_READONLY | 3 << 8

    private static func error(
        _ result: Int32, _ action: String, _ path: [UInt8], _ words: String = "", _ number: Int32 = 0
    ) -> StoreError {
        switch result & 0xff {
        case SQLITE_BUSY, SQLITE_LOCKED:
            let holder = LockHolders.describe(path)
            return StoreError(
                .busy, "the database is locked\(holder)", path: path,
                remedy: "run it again when that is over, or wait longer with --wait")
        case SQLITE_NOTADB:
            return StoreError(
                .failed, "it is not a SQLite database, or it is encrypted", path: path,
                remedy: "save an encrypted database by --from-command with its own program, or as a plain file")
        case SQLITE_CORRUPT:
            return StoreError(
                .failed, "the database is damaged: \(words)", path: path,
                remedy: "restore it from an older snapshot, or look at it with sqlite3 and .recover")
        case SQLITE_READONLY where result == readOnlyRollback:
            return StoreError(
                .failed, "the last program that wrote the database died in the middle of it", path: path,
                remedy: "open it once with the application, which puts it right")
        case SQLITE_INTERRUPT: return StoreError(.interrupted, "interrupted")
        case SQLITE_NOMEM: return StoreError(.failed, "there is not enough memory", path: path)
        default:
            if number != 0 { return .system(number, action, path: path) }
            let words = words.isEmpty ? String(cString: sqlite3_errstr(result)) : words
            return StoreError(.failed, "cannot \(action): \(words)", path: path, remedy: nil)
        }
    }
}
