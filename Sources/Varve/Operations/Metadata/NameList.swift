import CSys
import Glibc

/// The names in a directory in byte order, in one run of memory: about 9 bytes a name more than the name itself, so
/// that 10^6 names stay small. Each name is followed by a NUL, ready for system calls.
package struct NameList: Sendable {
    /// Records: type (1 byte), length (2, little-endian), the name, a NUL.
    private var arena: [UInt8] = []
    /// Where each record starts, in the order of the names.
    private var starts: [UInt32] = []

    private static let headerSize = 3

    package init() {}

    package var count: Int { starts.count }

    /// The `d_type` of a name: one of the `SYS_DT_` constants, `SYS_DT_UNKNOWN` where the file system does not say.
    package func type(_ index: Int) -> UInt8 { arena[Int(starts[index])] }

    /// The bytes of a name.
    package func name(_ index: Int) -> ArraySlice<UInt8> {
        let start = Int(starts[index])
        let length = Int(arena[start + 1]) | Int(arena[start + 2]) << 8
        return arena[(start + Self.headerSize)..<(start + Self.headerSize + length)]
    }

    /// Calls `body` with a name as a C string and its length, without a copy.
    package func withName<Result, Failure: Error>(
        _ index: Int, _ body: (UnsafePointer<CChar>, Int) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let bytes = name(index)
        return try arena.withUnsafeBufferPointer { (arena: UnsafeBufferPointer<UInt8>) throws(Failure) -> Result in
            // The NUL after the name ends the C string; an arena that holds a name is not empty.
            guard let base = arena.baseAddress else { preconditionFailure("a name outside its arena") }
            let start = UnsafeRawPointer(base + bytes.startIndex).assumingMemoryBound(to: CChar.self)
            return try body(start, bytes.count)
        }
    }

    /// Where a name is; nil if it is not there. The list must be sorted.
    package func firstIndex(of wanted: [UInt8]) -> Int? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            let candidate = name(middle)
            if candidate.elementsEqual(wanted) { return middle }
            if candidate.lexicographicallyPrecedes(wanted) { low = middle + 1 } else { high = middle }
        }
        return nil
    }

    /// Appends a name; `sort` must follow the last.
    ///
    /// - Throws: `refused` once the names take 4 GiB.
    package mutating func append(_ name: UnsafeRawBufferPointer, type: UInt8) throws(StoreError) {
        guard let start = UInt32(exactly: arena.count), let length = UInt16(exactly: name.count) else {
            throw StoreError(.refused, "the directory has too many names to list")
        }
        starts.append(start)
        arena.append(type)
        arena.append(UInt8(truncatingIfNeeded: length))
        arena.append(UInt8(truncatingIfNeeded: length >> 8))
        arena.append(contentsOf: name)
        arena.append(0)
    }

    /// Puts the names into byte order and drops those that are there twice: a directory that changes while it is read
    /// can list a name again.
    package mutating func sort() {
        guard count > 1 else { return }
        let shared = sharedPrefix()
        var keys: [SortKey] = []
        keys.reserveCapacity(count)
        arena.withUnsafeBytes { arena in
            for start in starts { keys.append(SortKey(arena, start, skipping: shared)) }
            keys.sort { left, right in
                if left.prefix != right.prefix { return left.prefix < right.prefix }
                return Self.compare(arena, left.start, right.start) < 0
            }
            var kept = 0
            for key in keys {
                if kept > 0, Self.compare(arena, starts[kept - 1], key.start) == 0 { continue }
                starts[kept] = key.start
                kept += 1
            }
            starts.removeLast(count - kept)
        }
    }

    /// A record and 8 bytes of its name, big-endian, so that most comparisons touch no name.
    private struct SortKey {
        let prefix: UInt64
        let start: UInt32

        init(_ arena: UnsafeRawBufferPointer, _ start: UInt32, skipping shared: Int) {
            var prefix: UInt64 = 0
            var position = Int(start) + NameList.headerSize + shared
            var shift: UInt64 = 64
            while shift > 0, arena[position] != 0 {
                shift -= 8
                prefix |= UInt64(arena[position]) << shift
                position += 1
            }
            self.prefix = prefix
            self.start = start
        }
    }

    /// The number of bytes with which all names begin.
    private func sharedPrefix() -> Int {
        let first = name(0)
        var shared = first.count
        for index in 1..<count where shared > 0 {
            var same = 0
            let other = name(index)
            while same < shared, same < other.count,
                first[first.startIndex + same] == other[other.startIndex + same]
            { same += 1 }
            shared = same
        }
        return shared
    }

    private static func compare(_ arena: UnsafeRawBufferPointer, _ left: UInt32, _ right: UInt32) -> Int {
        var left = Int(left) + headerSize
        var right = Int(right) + headerSize
        while arena[left] == arena[right], arena[left] != 0 {
            left += 1
            right += 1
        }
        return Int(arena[left]) - Int(arena[right])
    }
}

/// Lists a directory, from the start, whatever was read from the descriptor before: all names but `.` and `..`.
///
/// - Throws: as the system says, without a path, which the caller knows.
package func listDirectory(_ descriptor: Int32) throws(StoreError) -> NameList {
    var list = NameList()
    let action = "list the directory"
    try Syscalls.check(sys_lseek(descriptor, 0, SEEK_SET), action, nil)
    let bufferSize = 128 << 10
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 16)
    defer { buffer.deallocate() }
    while true {
        let filled = try Syscalls.check(sys_getdents64(descriptor, buffer.baseAddress, bufferSize), action, nil)
        if filled == 0 { break }
        try appendRecords(UnsafeRawBufferPointer(rebasing: buffer[..<filled]), to: &list)
    }
    list.sort()
    return list
}

/// The records of getdents64(2): inode (8 bytes), offset (8), record length (2), type (1), the name with its NUL.
private func appendRecords(_ records: UnsafeRawBufferPointer, to list: inout NameList) throws(StoreError) {
    let dot = UInt8(ascii: ".")
    let nameOffset = 19
    var position = 0
    while position + nameOffset < records.count {
        let length = Int(records.loadUnaligned(fromByteOffset: position + 16, as: UInt16.self))
        guard length > nameOffset, position + length <= records.count else {
            throw StoreError(.failed, "the file system returned a malformed directory listing")
        }
        let field = UnsafeRawBufferPointer(rebasing: records[(position + nameOffset)..<(position + length)])
        let name = UnsafeRawBufferPointer(rebasing: field[..<(field.firstIndex(of: 0) ?? field.count)])
        let isDots = name.count <= 2 && name.allSatisfy { $0 == dot }
        if !isDots { try list.append(name, type: records[position + 18]) }
        position += length
    }
}
