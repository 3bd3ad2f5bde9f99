import CSys
import Varve

/// The frames of a SQLite write-ahead log, which hold newer pages than the database itself.
///
/// Layout and checksums: https://sqlite.org/fileformat2.html#walformat. All numbers are big-endian.
struct WriteAheadLog {
    static let headerSize = 32
    static let frameHeaderSize = 24

    /// Page size in bytes.
    let pageSize: Int
    /// Pages of the database after the last commit; 0 without one.
    private(set) var pageCount: UInt32 = 0
    /// Frames up to the last commit.
    private(set) var frameCount: UInt32 = 0
    /// The newest frame of each page, counted from 0.
    private var frames: [UInt32: UInt32] = [:]
    fileprivate let header: [UInt8]

    /// Reads the header; nil if there is none: then the log holds nothing.
    private init?(_ file: borrowing FileHandle) throws(StoreError) {
        header = try file.bytes(at: 0, count: Self.headerSize)
        guard header.count == Self.headerSize, header.word(0) & ~1 == 0x377f_0682, header.word(4) == 3_007_000
        else { return nil }
        let size = Int(header.word(8))
        guard (512...65_536).contains(size), size & (size - 1) == 0 else { return nil }
        pageSize = size
        var sum = Checksum(isBigEndian: header.word(0) & 1 == 1)
        sum.add(header[..<24])
        guard sum.matches(header, at: 24) else { return nil }
    }

    /// The log as SQLite recovers it when nobody has the database open: every frame up to the last commit that checks.
    ///
    /// - Returns: nil if it holds no commit.
    static func recovered(_ file: borrowing FileHandle) throws(StoreError) -> WriteAheadLog? {
        guard var log = try WriteAheadLog(file) else { return nil }
        var sum = Checksum(isBigEndian: log.header.word(0) & 1 == 1)
        sum.add(log.header[..<24])
        var pending: [UInt32: UInt32] = [:]
        var frame: UInt32 = 0
        while true {
            let bytes = try file.bytes(at: log.offset(ofFrame: frame), count: Self.frameHeaderSize + log.pageSize)
            guard bytes.count == Self.frameHeaderSize + log.pageSize, log.belongs(bytes), bytes.word(0) != 0
            else { break }
            sum.add(bytes[..<8])
            sum.add(bytes[Self.frameHeaderSize...])
            guard sum.matches(bytes, at: 16) else { break }
            pending[bytes.word(0)] = frame
            frame += 1
            guard bytes.word(4) != 0 else { continue }
            log.pageCount = bytes.word(4)
            log.frameCount = frame
            log.frames.merge(pending) { $1 }
            pending.removeAll(keepingCapacity: true)
        }
        return log.frameCount == 0 ? nil : log
    }

    /// The frames that a reader sees whose transaction began with this index.
    ///
    /// - Returns: nil if the log is not the one of the index.
    static func live(_ file: borrowing FileHandle, _ index: WriteAheadIndex) throws(StoreError) -> WriteAheadLog? {
        guard var log = try WriteAheadLog(file), log.pageSize == index.pageSize else { return nil }
        var last: [UInt8] = []
        for frame in 0..<index.frameCount {
            last = try file.bytes(at: log.offset(ofFrame: frame), count: Self.frameHeaderSize)
            guard last.count == Self.frameHeaderSize, log.belongs(last) else { return nil }
            log.frames[last.word(0)] = frame
        }
        guard last.count == Self.frameHeaderSize, last.word(16) == index.checksum.0, last.word(20) == index.checksum.1
        else { return nil }
        log.pageCount = index.pageCount
        log.frameCount = index.frameCount
        return log
    }

    private func belongs(_ frame: [UInt8]) -> Bool { frame[8..<16].elementsEqual(header[16..<24]) }

    private func offset(ofFrame frame: UInt32) -> UInt64 {
        UInt64(Self.headerSize) + UInt64(frame) * UInt64(Self.frameHeaderSize + pageSize)
    }

    /// Where the newest state of a page is, counted from 1; nil if the database itself has it.
    func offset(ofPage page: UInt32) -> UInt64? {
        frames[page].map { offset(ofFrame: $0) + UInt64(Self.frameHeaderSize) }
    }

    /// The checksum of the log: two sums over pairs of words.
    private struct Checksum {
        let isBigEndian: Bool
        private var first: UInt32 = 0
        private var second: UInt32 = 0

        init(isBigEndian: Bool) { self.isBigEndian = isBigEndian }

        mutating func add(_ bytes: ArraySlice<UInt8>) {
            var (first, second) = (first, second)
            bytes.withUnsafeBytes { bytes in
                for position in stride(from: 0, to: bytes.count - 7, by: 8) {
                    let left = bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)
                    let right = bytes.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self)
                    first = first &+ (isBigEndian ? UInt32(bigEndian: left) : UInt32(littleEndian: left)) &+ second
                    second = second &+ (isBigEndian ? UInt32(bigEndian: right) : UInt32(littleEndian: right)) &+ first
                }
            }
            (self.first, self.second) = (first, second)
        }

        func matches(_ bytes: [UInt8], at offset: Int) -> Bool {
            bytes.word(offset) == first && bytes.word(offset + 4) == second
        }
    }
}

/// What the index of a log says in its header: how much of the log is valid, and how much of it the database has.
///
/// Layout: https://sqlite.org/walformat.html#the_wal_index_file_format. Numbers are of the machine's byte order.
struct WriteAheadIndex: Equatable {
    /// The two copies of the header are 48 bytes each.
    private static let headerSize = 48

    private let header: [UInt8]

    /// Reads the header; nil while it is being written.
    init?(_ file: borrowing FileHandle) throws(StoreError) {
        let bytes = try file.bytes(at: 0, count: 2 * Self.headerSize)
        guard bytes.count == 2 * Self.headerSize, bytes[..<Self.headerSize].elementsEqual(bytes[Self.headerSize...]),
            bytes[12] != 0
        else { return nil }
        header = Array(bytes[..<Self.headerSize])
    }

    /// How many frames of the log the database has.
    static func copiedCount(_ file: borrowing FileHandle) throws(StoreError) -> UInt32 {
        let bytes = try file.bytes(at: UInt64(2 * headerSize), count: 4)
        return bytes.count == 4 ? bytes.nativeWord(0) : 0
    }

    var pageSize: Int {
        let half = header.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 14, as: UInt16.self) }
        return half == 1 ? 65_536 : Int(half)
    }
    var frameCount: UInt32 { header.nativeWord(16) }
    var pageCount: UInt32 { header.nativeWord(20) }
    /// Of the last frame.
    var checksum: (UInt32, UInt32) { (header.nativeWord(24), header.nativeWord(28)) }
}

extension [UInt8] {
    fileprivate func word(_ offset: Int) -> UInt32 { UInt32(bigEndian: nativeWord(offset)) }

    fileprivate func nativeWord(_ offset: Int) -> UInt32 {
        withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
    }
}

extension FileHandle {
    /// Whether the log that was read from this file has not been begun anew since then.
    borrowing func begins(_ log: WriteAheadLog) throws(StoreError) -> Bool {
        try bytes(at: 0, count: WriteAheadLog.headerSize) == log.header
    }

    /// Bytes from an offset, fewer at the end of the file.
    borrowing func bytes(at offset: UInt64, count: Int) throws(StoreError) -> [UInt8] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        defer { buffer.deallocate() }
        return Array(buffer[..<(try fill(buffer, at: offset))])
    }

    /// Fills a buffer from an offset; fewer bytes at the end of the file.
    borrowing func fill(_ buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = try read(into: rest, at: offset + UInt64(done))
            if count == 0 { break }
            done += count
        }
        return done
    }
}
