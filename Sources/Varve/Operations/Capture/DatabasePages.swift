import Glibc
import VarveFormat

/// Which files are cut into pages (FORMAT.md section 13).
package enum DatabasePages {
    /// The least length of a chunk.
    private static let leastUnit = 4_096
    private static let magic = Array("SQLite format 3\0".utf8)

    /// How an open file is cut; nil unless it begins like a SQLite database.
    ///
    /// The header is described in "Database File Format", section 1.3, of the SQLite documentation.
    package static func parameters(_ descriptor: Int32) -> ChunkParameters? {
        var head = [UInt8](repeating: 0, count: 18)
        let count = head.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        guard count == head.count else { return nil }
        return parameters(head: head)
    }

    /// How a file with these first 18 bytes is cut.
    package static func parameters(head: [UInt8]) -> ChunkParameters? {
        guard head.count >= 18, head.starts(with: magic) else { return nil }
        let stored = Int(head[16]) << 8 | Int(head[17])
        let size = stored == 1 ? 65_536 : stored
        guard size >= 512, size <= 65_536, size.nonzeroBitCount == 1 else { return nil }
        let unit = max(size, leastUnit)
        return ChunkParameters(minimum: unit, average: unit, maximum: unit)
    }
}
