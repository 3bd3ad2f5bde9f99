import CSys
import Glibc
import VarveFormat

/// Writes the bytes of one open file, and reads them back. Each worker has its own.
final class RestoreWriter {
    private static let block = 4_096
    private static let bufferSize = 1 << 20
    private static let zeroCount = 64 << 10

    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 64)
    private let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: zeroCount, alignment: 64)

    init() { zeros.initializeMemory(as: UInt8.self, repeating: 0) }

    deinit {
        buffer.deallocate()
        zeros.deallocate()
    }

    /// Writes bytes at an offset of a file that was empty before; with `holes`, blocks of zeros are left out.
    func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: UInt64, holes: Bool
    ) throws(StoreError) {
        guard holes else { return try writeAll(bytes, to: descriptor, at: offset) }
        var position = 0
        var dataStart = 0
        while position < bytes.count {
            // Up to the end of a block of the file: the blob may begin or end within one.
            let rest = Self.block - Int((offset + UInt64(position)) % UInt64(Self.block))
            let end = min(position + rest, bytes.count)
            if isZero(UnsafeRawBufferPointer(rebasing: bytes[position..<end])) {
                let data = UnsafeRawBufferPointer(rebasing: bytes[dataStart..<position])
                try writeAll(data, to: descriptor, at: offset + UInt64(dataStart))
                dataStart = end
            }
            position = end
        }
        let data = UnsafeRawBufferPointer(rebasing: bytes[dataStart...])
        try writeAll(data, to: descriptor, at: offset + UInt64(dataStart))
    }

    /// Reads bytes back and compares them.
    ///
    /// - Throws: `failed` if others come back.
    func verify(_ bytes: UnsafeRawBufferPointer, in descriptor: Int32, at offset: UInt64) throws(StoreError) {
        var done = 0
        while done < bytes.count {
            let wanted = min(bytes.count - done, buffer.count)
            let result = sys_pread(
                descriptor, buffer.baseAddress, wanted, Int64(clamping: offset + UInt64(done)))
            let count = try Syscalls.check(result, "read back", nil)
            guard count > 0, let expected = bytes.baseAddress, let actual = buffer.baseAddress,
                memcmp(expected + done, actual, count) == 0
            else {
                throw StoreError(
                    .failed, "other bytes came back than were written",
                    remedy: "test the disk and the memory of this machine")
            }
            done += count
        }
    }

    /// Makes sure that a range of a file reads as zeros. Where the file system says that there is a hole it does; all
    /// else is read.
    func verifyZeros(_ range: Range<UInt64>, in descriptor: Int32) throws(StoreError) {
        var extents = Extents(of: descriptor)
        var position = range.lowerBound
        while position < range.upperBound {
            if let hole = extents.hole(at: position, end: range.upperBound) {
                position += hole
                continue
            }
            let length = min(
                range.upperBound - position, extents.dataLength(at: position) ?? .max, UInt64(zeros.count))
            try verify(
                UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(zeros)[..<Int(length)]), in: descriptor,
                at: position)
            position += length
        }
    }

    /// Whether all bytes are zero.
    func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress, let zeros = zeros.baseAddress else { return true }
        var done = 0
        while done < bytes.count {
            let count = min(bytes.count - done, Self.zeroCount)
            if memcmp(start + done, zeros, count) != 0 { return false }
            done += count
        }
        return true
    }

    private func writeAll(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: UInt64
    ) throws(StoreError) {
        var done = 0
        while done < bytes.count {
            let result = sys_pwrite(
                descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done,
                Int64(clamping: offset + UInt64(done)))
            let count = try Syscalls.check(result, "write", nil)
            guard count > 0 else { throw StoreError(.failed, "cannot write: the file takes no more bytes") }
            done += count
        }
    }
}
