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

    /// Encodes one entry of a record.
    static func encode(_ stat: FileStat, flags: UInt32, encoded: [UInt8], into writer: inout ByteWriter) {
        writer.u64(UInt64(bitPattern: stat.mtimeSeconds))
        writer.u64(UInt64(bitPattern: stat.ctimeSeconds))
        writer.u32(stat.mtimeNanoseconds)
        writer.u32(stat.ctimeNanoseconds)
        writer.u64(stat.inode)
        writer.u64(stat.size)
        writer.u32(stat.mode)
        writer.u32(flags)
        writer.u32(UInt32(encoded.count))
        writer.u32(0)
        writer.raw(encoded)
    }

    /// Adds one record: some entries of a directory, in name order, as `encode` made them.
    func add(path: [UInt8], count: Int, entries: [UInt8]) {
        guard count > 0 else { return }
        state.withLock { state in
            guard !state.hasFailed else { return }
            state.table.append((StatCache.hash(path), state.offset + UInt64(state.pending.count)))
            var writer = ByteWriter()
            writer.u32(UInt32(path.count))
            writer.u32(UInt32(count))
            state.pending.append(contentsOf: writer.bytes)
            state.pending.append(contentsOf: path)
            state.pending.append(contentsOf: entries)
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
                pwrite(descriptor, buffer.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset) + off_t(done))
            }
            if count <= 0 && errno != EINTR { return false }
            done += max(0, count)
        }
        return true
    }

    /// Finishes the file and gives it its name. A checkpoint's cache goes to a name of its own, since it lacks what the
    /// capture did not reach; more records may follow after that.
    func publish(as path: String, snapshot: SnapshotID, isInterrupted: Bool) {
        state.withLock { state in
            Self.write(&state)
            guard !state.hasFailed else { return }
            // Records of one directory keep the order in which they were written.
            let table = state.table.sorted { ($0.hash, $0.offset) < ($1.hash, $1.offset) }
            var end = ByteWriter()
            end.bytes.reserveCapacity(table.count * 16)
            for row in table {
                end.u64(row.hash)
                end.u64(row.offset)
            }
            var header = ByteWriter()
            header.u64(StatCache.magic)
            header.u64(state.offset)
            header.u64(UInt64(table.count))
            header.u8(isInterrupted ? 1 : 0)
            header.u8(isFull ? 1 : 0)
            header.id(snapshot)
            header.zeros(StatCache.headerSize - header.bytes.count)
            guard Self.append(end.bytes, at: state.offset, to: state.descriptor),
                Self.append(header.bytes, at: 0, to: state.descriptor)
            else { return }
            if isInterrupted {
                Self.copy(state.descriptor, to: path)
            } else {
                rename(temporaryPath, path)
            }
        }
    }

    /// Copies an open file to a path, by way of a temporary name.
    private static func copy(_ descriptor: Int32, to path: String) {
        let temporary = path + ".tmp"
        let target = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard target >= 0 else { return }
        defer { close(target) }
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var offset: UInt64 = 0
        while true {
            let count = buffer.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, off_t(offset)) }
            if count == 0 { break }
            guard count > 0, append(Array(buffer[..<count]), at: offset, to: target) else {
                unlink(temporary)
                return
            }
            offset += UInt64(count)
        }
        rename(temporary, path)
    }
}
