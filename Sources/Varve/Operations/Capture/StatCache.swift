import CSys
import Glibc
import Synchronization
import VarveFormat

/// What the last capture of the same source found: for each file its stat and its encoded tree entry. It is mapped.
///
/// A cache: it may vanish or be damaged at any time, and then everything is read again. Its layout, little-endian:
/// header (64 bytes: magic, u64 offset of the directory table, u64 number of directories, u8 whether the capture was
/// interrupted, u8 whether it was a full one, 32 bytes of snapshot id), the records, and the directory table
/// (u64 hash of the path, u64 offset of the record, sorted). A record: u32 path length, u32 entry count, the path, and
/// for each entry in name order 56 fixed bytes and the encoded tree entry. A directory of many names has several
/// records.
final class StatCache: Sendable {
    /// The stat fields by which a file is recognised, and what was made of it.
    struct Entry {
        static let fixedSize = 56
        /// Not to be trusted: the file was changed too shortly before it was read.
        static let unsureFlag: UInt32 = 1
        /// Its bytes were read by the capture that wrote the cache, or by one that this capture went on with.
        static let readFlag: UInt32 = 2

        var mtimeSeconds: Int64
        var ctimeSeconds: Int64
        var mtimeNanoseconds: UInt32
        var ctimeNanoseconds: UInt32
        var inode: UInt64
        var size: UInt64
        var mode: UInt32
        var flags: UInt32
        var encodedCount: UInt32
        /// Stands for the state of a database's write-ahead log, see `Slot.log`.
        var log: UInt32

        /// Whether the file is the one that was captured, unchanged as far as stat can tell.
        func matches(_ stat: FileStat) -> Bool {
            mtimeSeconds == stat.mtimeSeconds && mtimeNanoseconds == stat.mtimeNanoseconds && size == stat.size
                && ctimeSeconds == stat.ctimeSeconds && ctimeNanoseconds == stat.ctimeNanoseconds
                && inode == stat.inode && mode == stat.mode
        }
    }

    static let magic: UInt64 = 0x3163_7473_6576_7261
    static let headerSize = 64

    /// The capture that wrote this was interrupted: entries outside what it reached are in the cache before it.
    let isInterrupted: Bool
    let isFull: Bool
    /// The snapshot that the cache belongs to.
    let snapshot: SnapshotID

    /// Bytes of entries to walk before the pages that were walked are let go.
    private static let residentLength = 16 << 20

    private let map: MappedFile
    private let walked = Atomic<Int>(0)
    private let tableOffset: Int
    private let directoryCount: Int

    /// Opens a cache file; nil if there is none or it is not one.
    init?(path: String) {
        guard let map = MappedFile(path: path), map.bytes.count >= Self.headerSize else { return nil }
        let bytes = map.bytes
        guard bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self) == Self.magic,
            let tableOffset = Int(exactly: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
            let count = Int(exactly: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
            tableOffset >= Self.headerSize, tableOffset <= bytes.count, count <= (bytes.count - tableOffset) / 16,
            let snapshot = SnapshotID(bytes: bytes[26..<58])
        else { return nil }
        isInterrupted = bytes[24] != 0
        isFull = bytes[25] != 0
        self.snapshot = snapshot
        self.map = map
        self.tableOffset = tableOffset
        directoryCount = count
    }

    /// FNV-1a with a final mix: only spreads paths; collisions are told apart by the path in the record.
    static func hash(_ path: [UInt8]) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in path { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        hash ^= hash >> 32
        hash = hash &* 0xd6e8_feb8_6659_fd93
        return hash ^ hash >> 32
    }

    /// The entries of a directory, to be asked for in name order; nil if the directory was not captured.
    func directory(_ path: [UInt8]) -> Cursor? {
        let hash = Self.hash(path)
        var low = 0
        var high = directoryCount
        while low < high {
            let middle = (low + high) / 2
            if tableWord(middle, 0) < hash { low = middle + 1 } else { high = middle }
        }
        var records: [Int] = []
        while low < directoryCount, tableWord(low, 0) == hash {
            if let record = Int(exactly: tableWord(low, 8)), recordPathMatches(record, path) { records.append(record) }
            low += 1
        }
        return records.isEmpty ? nil : Cursor(cache: self, records: records, pathCount: path.count)
    }

    /// Counts entries that will be walked, by their least length, about.
    private func countEntries(_ count: Int) {
        let length = count * 2 * Entry.fixedSize
        let before = walked.wrappingAdd(length, ordering: .relaxed).oldValue
        if before / Self.residentLength != (before + length) / Self.residentLength { map.release() }
    }

    private func tableWord(_ index: Int, _ offset: Int) -> UInt64 {
        map.bytes.loadUnaligned(fromByteOffset: tableOffset + 16 * index + offset, as: UInt64.self)
    }

    private func recordPathMatches(_ record: Int, _ path: [UInt8]) -> Bool {
        guard record >= Self.headerSize, record + 8 + path.count <= tableOffset,
            map.bytes.loadUnaligned(fromByteOffset: record, as: UInt32.self) == UInt32(path.count)
        else { return false }
        return map.bytes[record + 8..<record + 8 + path.count].elementsEqual(path)
    }

    /// Walks the entries of one directory.
    struct Cursor {
        private let cache: StatCache
        private let records: [Int]
        private let pathCount: Int
        private var recordIndex = 0
        private var remaining = 0
        private var position = 0

        fileprivate init(cache: StatCache, records: [Int], pathCount: Int) {
            self.cache = cache
            self.records = records
            self.pathCount = pathCount
            enterRecord()
        }

        private mutating func enterRecord() {
            guard recordIndex < records.count else { return }
            let bytes = cache.map.bytes
            remaining = Int(bytes.loadUnaligned(fromByteOffset: records[recordIndex] + 4, as: UInt32.self))
            cache.countEntries(remaining)
            position = records[recordIndex] + 8 + pathCount
        }

        /// Finds a name; names must be asked for in ascending order.
        mutating func find(_ name: ArraySlice<UInt8>) -> (entry: Entry, encoded: UnsafeRawBufferPointer)? {
            while recordIndex < records.count {
                while remaining > 0 {
                    guard let (entry, encoded, found) = current() else { return nil }
                    let order = Self.compare(found, name)
                    if order > 0 { return nil }
                    remaining -= 1
                    position += Entry.fixedSize + encoded.count
                    if order == 0 { return (entry, encoded) }
                }
                recordIndex += 1
                enterRecord()
            }
            return nil
        }

        private func current() -> (Entry, UnsafeRawBufferPointer, UnsafeRawBufferPointer)? {
            let bytes = cache.map.bytes
            guard position + Entry.fixedSize <= cache.tableOffset else { return nil }
            func load<Word: FixedWidthInteger>(_ offset: Int) -> Word {
                bytes.loadUnaligned(fromByteOffset: position + offset, as: Word.self)
            }
            let entry = Entry(
                mtimeSeconds: load(0), ctimeSeconds: load(8), mtimeNanoseconds: load(16), ctimeNanoseconds: load(20),
                inode: load(24), size: load(32), mode: load(40), flags: load(44), encodedCount: load(48),
                log: load(52))
            let start = position + Entry.fixedSize
            guard let count = Int(exactly: entry.encodedCount), count > 2, start + count <= cache.tableOffset
            else { return nil }
            let encoded = UnsafeRawBufferPointer(rebasing: bytes[start..<start + count])
            // A name has at most 255 bytes: its varint length takes one or two.
            let first = Int(encoded[0])
            let nameCount = first < 0x80 ? first : (first & 0x7f) | Int(encoded[1]) << 7
            let nameStart = first < 0x80 ? 1 : 2
            guard nameStart + nameCount <= count else { return nil }
            return (entry, encoded, UnsafeRawBufferPointer(rebasing: encoded[nameStart..<nameStart + nameCount]))
        }

        private static func compare(_ left: UnsafeRawBufferPointer, _ right: ArraySlice<UInt8>) -> Int {
            right.withUnsafeBytes { right in
                let shared = min(left.count, right.count)
                if shared > 0, let left = left.baseAddress, let right = right.baseAddress {
                    let order = memcmp(left, right, shared)
                    if order != 0 { return Int(order) }
                }
                return left.count - right.count
            }
        }
    }
}
