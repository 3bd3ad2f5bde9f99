import CSys
import Varve
import VarveFormat

/// One state of a SQLite database, as it is read.
final class SQLiteContent: ProvidedContent {
    /// What keeps the state together.
    enum Hold {
        /// A read transaction that keeps writers out: the rollback journal knows no other.
        case lock(SQLiteDatabase)
        /// A read transaction beside which others write into the log.
        case snapshot(SQLiteDatabase)
        /// Nothing: nobody has the database open. The status says at the end whether that was so.
        case unchanged(FileStat)
        /// The state is a copy.
        case copy(StagedFile)
    }

    let size: UInt64

    private let source: SQLiteCapture
    private let hold: Hold
    private let log: WriteAheadLog?
    private let logFile: FileHandle?
    private let descriptor: Int32
    /// When the lock was taken, and for how long it was held if it is not any more.
    private let start: ContinuousClock.Instant
    private let lockTime: Duration?

    init(
        _ source: SQLiteCapture, _ hold: Hold, log: WriteAheadLog? = nil, logFile: consuming FileHandle? = nil,
        start: ContinuousClock.Instant = .now, lockTime: Duration? = nil
    ) throws(StoreError) {
        self.source = source
        self.hold = hold
        self.log = log
        self.logFile = logFile
        self.start = start
        self.lockTime = lockTime
        if case .copy(let file) = hold { descriptor = file.descriptor } else { descriptor = source.file.descriptor }
        if let log {
            size = UInt64(log.pageCount) * UInt64(log.pageSize)
        } else {
            size = try FileStat.of(descriptor).size
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        var done = 0
        let end = Int(min(UInt64(buffer.count), size - min(size, offset)))
        while done < end {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<end])
            let count = try readRun(into: rest, at: offset + UInt64(done))
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Reads as much as lies together.
    private func readRun(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        guard let log else { return try readFile(buffer, at: offset) }
        let size = UInt64(log.pageSize)
        var page = UInt32(truncatingIfNeeded: offset / size) + 1
        var count = Int(size - offset % size)
        if let place = log.offset(ofPage: page) {
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(count, buffer.count)])
            let found = try logFile?.fill(part, at: place + offset % size) ?? 0
            guard found == part.count else {
                throw StoreError(.failed, "the write-ahead log ended early", path: source.file.path)
            }
            return found
        }
        while count < buffer.count, log.offset(ofPage: page + 1) == nil {
            page += 1
            count += log.pageSize
        }
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(count, buffer.count)])
        let found = try readFile(part, at: offset)
        // A page that neither the log nor the database has was never written: SQLite uses none at 1 GiB.
        UnsafeMutableRawBufferPointer(rebasing: part[found...]).initializeMemory(as: UInt8.self, repeating: 0)
        return part.count
    }

    private func readFile(_ buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = sys_pread(
                descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done,
                Int64(clamping: offset + UInt64(done)))
            if try Syscalls.check(count, "read the database", nil) == 0 { break }
            done += count
        }
        return done
    }

    func finish() throws(StoreError) -> ProvidedStatement? {
        if case .unchanged(let before) = hold {
            guard try FileStat.of(descriptor).isSameContent(as: before) else { return nil }
            if let log, try logFile?.begins(log) != true { return nil }
        }
        var statement = ProvidedStatement(description: [
            "capture": .string(log == nil ? "raw" : "online"), "kind": .string("sqlite"),
            "size": .integer(Int64(clamping: size)),
        ])
        if source.isRequired { try inspect(&statement) }
        if case .lock(let database) = hold { try database.execute("COMMIT") }
        try describeLock(&statement)
        // What was looked at must still be what was read.
        if case .unchanged(let before) = hold, try !FileStat.of(descriptor).isSameContent(as: before) { return nil }
        return statement
    }

    private func inspect(_ statement: inout ProvidedStatement) throws(StoreError) {
        switch hold {
        case .lock(let database), .snapshot(let database): SQLiteInspection.run(database, &statement)
        case .copy(let file): SQLiteInspection.run(try SQLiteDatabase(file.path, .unchanging), &statement)
        case .unchanged where log == nil:
            SQLiteInspection.run(try SQLiteDatabase(source.file.path, .unchanging), &statement)
        case .unchanged:
            do throws(StoreError) {
                try inspectCopy(&statement)
            } catch {
                guard error.code == .noSpace else { throw error }
                statement.notices.append("the database was not checked: \(error.message)")
            }
        }
    }

    /// SQLite would make files beside a database whose log nobody uses: it looks at a copy.
    private func inspectCopy(_ statement: inout ProvidedStatement) throws(StoreError) {
        guard let staging = source.staging else { return }
        let copy = try staging.makeFile(size: size)
        try copy.write(self)
        SQLiteInspection.run(try SQLiteDatabase(copy.path, .unchanging), &statement)
    }

    private func describeLock(_ statement: inout ProvidedStatement) throws(StoreError) {
        var held = lockTime
        if case .lock = hold { held = .now - start }
        guard let held else { return }
        let seconds = Double(held.components.seconds) + Double(held.components.attoseconds) / 1e18
        statement.description["locked_seconds"] = .number((seconds * 1e6).rounded() / 1e6)
        let milliseconds = Int((seconds * 1e3).rounded())
        guard milliseconds >= (source.isRequired ? 1 : 1_000) else { return }
        statement.notices.append(
            "writers of \(String(decoding: source.file.path, as: UTF8.self)) had to wait for \(milliseconds) ms")
    }
}
