import CSys
import Glibc

/// Where a sparse file has data, as the file system says. Only saves reading: a hole reads as zeros.
struct Extents {
    /// nil for a file that is read whole.
    private let descriptor: Int32?
    /// The data that was found last.
    private var data: Range<UInt64> = 0..<0

    /// A file that is read whole.
    init() { descriptor = nil }

    /// An open file, whose position is moved to the end of each hole that is found.
    init(of descriptor: Int32) { self.descriptor = descriptor }

    /// How long the hole at a position is, the file ending at `end`; nil if there is data.
    mutating func hole(at position: UInt64, end: UInt64) -> UInt64? {
        guard let descriptor, !data.contains(position) else { return nil }
        let found = sys_lseek(descriptor, Int64(clamping: position), SYS_SEEK_DATA)
        // No more data; any other failure means that the file system cannot tell.
        let start = found == -Int64(ENXIO) ? end : UInt64(clamping: found < 0 ? Int64(clamping: position) : found)
        if start >= end {
            data = end..<UInt64.max
        } else {
            let stop = sys_lseek(descriptor, Int64(clamping: start), SYS_SEEK_HOLE)
            data = start..<(stop > Int64(clamping: start) ? UInt64(clamping: stop) : UInt64.max)
        }
        let next = min(start, end)
        _ = sys_lseek(descriptor, Int64(clamping: next), SEEK_SET)
        return next > position ? next - position : nil
    }

    /// How many bytes of data follow a position before the next hole; nil if that is not known to end.
    func dataLength(at position: UInt64) -> UInt64? {
        data.contains(position) ? data.upperBound - position : nil
    }
}
