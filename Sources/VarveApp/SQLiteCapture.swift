import CSys
import Glibc
import Varve
import VarveFormat

/// Finds out how a database can be read so that its content is of one moment, and begins to.
///
/// - Rollback journal: under SQLite's shared lock, which keeps writers out.
/// - Write-ahead log in use: in a read transaction of SQLite, beside which others go on writing. What the log holds of
///   it is laid over the database's bytes; if it holds nothing that the database lacks, these are all there is.
/// - Write-ahead log that nobody uses: without SQLite, which would make files beside the database. The log is read as
///   SQLite recovers it, and the status of the database says at the end whether anybody came.
struct SQLiteCapture {
    let file: ProvidedFile
    /// It was asked for as a database: what is in it is recorded.
    let isRequired: Bool
    /// Milliseconds to wait for locks.
    let patience: Int32
    /// Where a required database is copied to, so that its lock does not last longer than a copy.
    let staging: StagingPlace?

    /// How often a transaction is begun anew because somebody wrote at the same moment.
    private static let attempts = 2_000
    /// Changes that lie closer together, in seconds, may leave the same file times.
    private static let clockStep = 0.02

    /// Begins to read.
    ///
    /// - Throws: `busy` if somebody holds an exclusive lock; `failed` and others if it is no database.
    func begin() throws(StoreError) -> ProvidedAnswer {
        guard try usesLog() else { return try beginLocked() }
        let log = try? Syscalls.status(file.path + "-wal".utf8)
        let index = try? Syscalls.status(file.path + "-shm".utf8)
        if log?.kind == .regular, index?.kind == .regular {
            do throws(StoreError) {
                if let answer = try beginBeside() { return answer }
            } catch {
                // A single program may keep the database and its log to itself: then it shares no index.
                guard error.code == .busy else { throw error }
            }
        }
        return try beginUnchanged()
    }

    /// Whether the header says that the database has a write-ahead log.
    private func usesLog() throws(StoreError) -> Bool {
        var header = [UInt8](repeating: 0, count: 20)
        let count = try Syscalls.check(sys_pread(file.descriptor, &header, 20, 0), "read the database", file.path)
        return count == 20 && header[18] == 2
    }

    /// Whether the path still names the file that is open.
    private func isInPlace() -> Bool {
        guard let status = try? Syscalls.status(file.path, follow: true) else { return false }
        return status.inode == file.stat.inode && status.device == file.stat.device
    }

    private func beginLocked() throws(StoreError) -> ProvidedAnswer {
        let database = try SQLiteDatabase(file.path, patience: patience)
        try database.execute("BEGIN")
        let start = ContinuousClock.now
        try Self.touch(database)
        guard isInPlace(), try !usesLog() else { return .replaced }
        if isRequired, let staging {
            do throws(StoreError) {
                let copy = try staging.makeFile(size: file.stat.size)
                try copy.copy(from: file.descriptor)
                try database.execute("COMMIT")
                return .content(try SQLiteContent(self, .copy(copy), lockTime: .now - start))
            } catch {
                // Without room for a copy the lock lasts as long as the capture.
                guard error.code == .noSpace else { throw error }
            }
        }
        return .content(try SQLiteContent(self, .lock(database), start: start))
    }

    /// nil if the log is not one that others use.
    private func beginBeside() throws(StoreError) -> ProvidedAnswer? {
        // Who may not write the index cannot put it right if it is left over from a crash.
        guard let writable = try? Syscalls.open(file.path + "-shm".utf8, flags: SYS_O_RDWR | SYS_O_NONBLOCK)
        else { return nil }
        _ = sys_close(writable)
        let database = try SQLiteDatabase(file.path, patience: patience)
        for _ in 0..<Self.attempts {
            let index = try FileHandle(file.path + "-shm".utf8, flags: SYS_O_RDONLY | SYS_O_NONBLOCK)
            let before = try WriteAheadIndex(index)
            try database.execute("BEGIN")
            try Self.touch(database)
            guard isInPlace() else { return .replaced }
            // In this order: a log that is begun anew changes its index before this count.
            let copied = try WriteAheadIndex.copiedCount(index)
            guard let now = try WriteAheadIndex(index), now == before else {
                try database.execute("COMMIT")
                continue
            }
            if now.frameCount <= copied { return .content(try SQLiteContent(self, .snapshot(database))) }
            let logFile = try FileHandle(file.path + "-wal".utf8, flags: SYS_O_RDONLY | SYS_O_NONBLOCK)
            guard let log = try WriteAheadLog.live(logFile, now) else { return nil }
            return .content(try SQLiteContent(self, .snapshot(database), log: log, logFile: logFile))
        }
        throw StoreError(
            .busy, "the database is written so often that no moment could be found", path: file.path,
            remedy: "run it again")
    }

    private func beginUnchanged() throws(StoreError) -> ProvidedAnswer {
        var stat = try FileStat.of(file.descriptor)
        for _ in 0..<10 where Self.isFresh(stat) {
            usleep(5_000)
            stat = try FileStat.of(file.descriptor)
        }
        guard isInPlace() else { return .replaced }
        guard let logFile = try? FileHandle(file.path + "-wal".utf8, flags: SYS_O_RDONLY | SYS_O_NONBLOCK),
            let log = try WriteAheadLog.recovered(logFile)
        else {
            return .content(try SQLiteContent(self, .unchanged(stat)))
        }
        return .content(try SQLiteContent(self, .unchanged(stat), log: log, logFile: logFile))
    }

    private static func isFresh(_ stat: FileStat) -> Bool {
        let changed = Timestamp(seconds: stat.ctimeSeconds, nanoseconds: stat.ctimeNanoseconds)
        return abs(Timestamp.now().seconds(since: changed)) < clockStep
    }

    /// Makes the transaction begin in fact.
    private static func touch(_ database: SQLiteDatabase) throws(StoreError) {
        _ = try database.integer("SELECT count(*) FROM sqlite_schema LIMIT 1")
    }
}
