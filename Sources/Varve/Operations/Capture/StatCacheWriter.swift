import Glibc
import Synchronization
import VarveFormat

/// Writes the stat cache of a running capture: records as directories are finished, published by rename when the
/// manifest is durable. Failing to write a cache is no failure of the capture: it only costs the next one time.
final class StatCacheWriter: Sendable {
    private struct State {
        var descriptor: Int32
        var offset: UInt64 = UInt64(StatCache.headerSize)
        var pending: [UInt8] = []
        var table: [(hash: UInt64, offset: UInt64)] = []
        var hasFailed = false
    }

    private let temporaryPath: String
    private let isFull: Bool
    private let state: Mutex<State>

    /// Starts a cache file beside its final place; nil if it cannot be made.
    init?(directory: String, isFull: Bool) {
        Self.removeAbandoned(in: directory)
        temporaryPath = "\(directory)/stat-\(getpid())-\(UInt64.random(in: 0...UInt64.max)).tmp"
        self.isFull = isFull
        let descriptor = open(temporaryPath, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return nil }
        state = Mutex(State(descriptor: descriptor))
    }

    deinit {
        state.withLock { state in
            if state.descriptor >= 0 { close(state.descriptor) }
        }
        unlink(temporaryPath)
    }

    /// Removes what processes that are gone left behind: `stat-PID-...tmp`.
    private static func removeAbandoned(in directory: String) {
        guard let handle = try? OpenDirectory(
            owning: Syscalls.open(Array(directory.utf8), flags: O_RDONLY | O_DIRECTORY)), let names = try? handle.list()
        else { return }
        for index in 0..<names.count {
            let name = Array(names.name(index))
            let parts = name.split(separator: UInt8(ascii: "-"))
            guard parts.count == 3, parts[0].elementsEqual("stat".utf8), name.suffix(4).elementsEqual(".tmp".utf8),
                let process = pid_t(String(decoding: parts[1], as: UTF8.self)), process > 0,
                kill(process, 0) != 0, errno == ESRCH
            else { continue }
            try? handle.removeFile(name)
        }
    }

    /// Encodes one entry of a record.
    static func encode(_ slot: Slot, encoded: [UInt8], into writer: inout ByteWriter) {
        let stat = slot.stat
        writer.u64(UInt64(bitPattern: stat.mtimeSeconds))
        writer.u64(UInt64(bitPattern: stat.ctimeSeconds))
        writer.u32(stat.mtimeNanoseconds)
        writer.u32(stat.ctimeNanoseconds)
        writer.u64(stat.inode)
        writer.u64(stat.size)
        writer.u32(stat.mode)
        writer.u32(slot.cacheFlags)
        writer.u32(UInt32(encoded.count))
        writer.u32(slot.log)
        writer.raw(encoded)
    }

    /// Some entries of a directory, in name order, as `encode` made them.
    struct DirectoryRecord: Sendable {
        let path: [UInt8]
        let count: Int
        let entries: [UInt8]

        fileprivate var bytes: [UInt8] {
            var writer = ByteWriter()
            writer.u32(UInt32(path.count))
            writer.u32(UInt32(count))
            return writer.bytes + path + entries
        }
    }

    /// Adds one record.
    func add(_ record: DirectoryRecord) {
        guard record.count > 0 else { return }
        state.withLock { state in
            guard !state.hasFailed else { return }
            state.table.append((StatCache.hash(record.path), state.offset + UInt64(state.pending.count)))
            state.pending.append(contentsOf: record.bytes)
            if state.pending.count >= 1 << 18 { Self.write(&state) }
        }
    }

    private static func write(_ state: inout State) {
        guard append(state.pending, at: state.offset, to: state.descriptor) else {
            state.hasFailed = true
            return
        }
        state.offset += UInt64(state.pending.count)
        state.pending.removeAll(keepingCapacity: true)
    }

    private static func append(_ bytes: [UInt8], at offset: UInt64, to descriptor: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                let start = buffer.baseAddress.map { $0 + done }
                return pwrite(descriptor, start, bytes.count - done, off_t(offset) + off_t(done))
            }
            if count <= 0 && errno != EINTR { return false }
            done += max(0, count)
        }
        return true
    }

    /// Finishes the file and gives it its name.
    func publish(as path: String, snapshot: SnapshotID) {
        state.withLock { state in
            Self.write(&state)
            guard !state.hasFailed,
                finish(state.descriptor, state.table, at: state.offset, snapshot, isInterrupted: false)
            else { return }
            rename(temporaryPath, path)
        }
    }

    /// Gives a copy of what is there, with records of directories that are still at work, a name of its own: a
    /// checkpoint's cache lacks what the capture has not reached, so it does not take the place of the complete one.
    func publishCopy(as path: String, snapshot: SnapshotID, records: [DirectoryRecord]) {
        let temporary = String(temporaryPath.dropLast(4)) + "copy.tmp"
        let copy = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard copy >= 0 else { return }
        defer { close(copy) }
        let isWhole = state.withLock { state in
            Self.write(&state)
            guard !state.hasFailed, Self.copy(state.descriptor, to: copy, count: state.offset) else { return false }
            var offset = state.offset
            var table = state.table
            for record in records where record.count > 0 {
                let bytes = record.bytes
                table.append((StatCache.hash(record.path), offset))
                guard Self.append(bytes, at: offset, to: copy) else { return false }
                offset += UInt64(bytes.count)
            }
            return finish(copy, table, at: offset, snapshot, isInterrupted: true)
        }
        if isWhole { rename(temporary, path) } else { unlink(temporary) }
    }

    /// Writes the directory table and the header.
    private func finish(
        _ descriptor: Int32, _ table: [(hash: UInt64, offset: UInt64)], at offset: UInt64, _ snapshot: SnapshotID,
        isInterrupted: Bool
    ) -> Bool {
        var end = ByteWriter()
        end.bytes.reserveCapacity(table.count * 16)
        // Records of one directory keep the order in which they were written.
        for row in table.sorted(by: { ($0.hash, $0.offset) < ($1.hash, $1.offset) }) {
            end.u64(row.hash)
            end.u64(row.offset)
        }
        var header = ByteWriter()
        header.u64(StatCache.magic)
        header.u64(offset)
        header.u64(UInt64(table.count))
        header.u8(isInterrupted ? 1 : 0)
        header.u8(isFull ? 1 : 0)
        header.id(snapshot)
        header.zeros(StatCache.headerSize - header.bytes.count)
        return Self.append(end.bytes, at: offset, to: descriptor) && Self.append(header.bytes, at: 0, to: descriptor)
    }

    private static func copy(_ source: Int32, to target: Int32, count: UInt64) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var offset = UInt64(StatCache.headerSize)
        while offset < count {
            let wanted = min(buffer.count, Int(count - offset))
            let got = buffer.withUnsafeMutableBytes { pread(source, $0.baseAddress, wanted, off_t(offset)) }
            guard got > 0, append(Array(buffer[..<got]), at: offset, to: target) else { return false }
            offset += UInt64(got)
        }
        return true
    }
}
