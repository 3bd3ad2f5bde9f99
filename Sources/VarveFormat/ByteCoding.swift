/// Appends integers and byte strings as FORMAT.md section 1 writes them.
public struct ByteWriter: Sendable {
    /// What was written so far.
    public var bytes: [UInt8] = []

    /// Makes an empty writer.
    public init() {}

    /// Appends one byte.
    public mutating func u8(_ value: UInt8) { bytes.append(value) }

    /// Appends two bytes, little-endian.
    public mutating func u16(_ value: UInt16) { append(value.littleEndian) }

    /// Appends four bytes, little-endian.
    public mutating func u32(_ value: UInt32) { append(value.littleEndian) }

    /// Appends eight bytes, little-endian.
    public mutating func u64(_ value: UInt64) { append(value.littleEndian) }

    /// Appends an unsigned LEB128 integer in its shortest form.
    public mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// Appends a signed integer as the varint of its zigzag form.
    public mutating func svarint(_ value: Int64) {
        varint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
    }

    /// Appends a varint length and the bytes.
    public mutating func byteString(_ value: [UInt8]) {
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    /// Appends the bytes alone.
    public mutating func raw(_ value: [UInt8]) { bytes.append(contentsOf: value) }

    /// Appends zero bytes.
    public mutating func zeros(_ count: Int) { bytes.append(contentsOf: repeatElement(0, count: count)) }

    /// Appends the bytes of an identifier.
    public mutating func id(_ value: some FixedIdentifier) {
        for word in value.words { append(word.bigEndian) }
    }

    /// Appends the bytes of a blob id without the detour over an array of words: trees and lists hold millions.
    public mutating func blobID(_ value: BlobID) {
        append((value.word0.bigEndian, value.word1.bigEndian, value.word2.bigEndian, value.word3.bigEndian))
    }

    /// Appends integers as they lie in memory.
    private mutating func append<Integers: BitwiseCopyable>(_ integers: Integers) {
        withUnsafeBytes(of: integers) { bytes.append(contentsOf: $0) }
    }
}

/// Reads integers and byte strings as FORMAT.md section 1 writes them; never past the end.
public struct ByteReader: Sendable {
    /// The bytes being read.
    public let bytes: [UInt8]
    /// Where the next read begins.
    public private(set) var offset: Int
    /// Where reading must stop.
    public let end: Int

    /// Reads all of `bytes`.
    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
        offset = 0
        end = bytes.count
    }

    /// Bytes not read yet.
    public var remaining: Int { end - offset }

    /// Reads one byte.
    public mutating func u8() throws(FormatError) -> UInt8 {
        guard offset < end else { throw truncated(1) }
        defer { offset += 1 }
        return bytes[offset]
    }

    /// Reads two bytes, little-endian.
    public mutating func u16() throws(FormatError) -> UInt16 { UInt16(try littleEndian(2)) }

    /// Reads four bytes, little-endian.
    public mutating func u32() throws(FormatError) -> UInt32 { UInt32(try littleEndian(4)) }

    /// Reads eight bytes, little-endian.
    public mutating func u64() throws(FormatError) -> UInt64 { try littleEndian(8) }

    /// Reads an unsigned LEB128 integer; refuses a form longer than the shortest and more than 64 bits.
    public mutating func varint() throws(FormatError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try u8()
            if shift == 63 && byte > 1 { throw FormatError(.malformed, "a varint of more than 64 bits") }
            value |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 { throw FormatError(.malformed, "a varint not in its shortest form") }
                return value
            }
            shift += 7
        }
    }

    /// Reads a varint that must not exceed `limit`; `what` names it in the error.
    public mutating func varint(limit: Int, _ what: String) throws(FormatError) -> Int {
        let value = try varint()
        guard value <= UInt64(limit) else {
            throw FormatError(.overLimit, "\(what) is \(value), the limit is \(limit)")
        }
        return Int(value)
    }

    /// Reads a signed integer in zigzag form.
    public mutating func svarint() throws(FormatError) -> Int64 {
        let value = try varint()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    /// Reads a varint length, at most `limit`, and that many bytes.
    public mutating func byteString(limit: Int, _ what: String) throws(FormatError) -> [UInt8] {
        try raw(try varint(limit: limit, what))
    }

    /// Reads a varint length, at most `limit`, and that many bytes into `value`, which keeps its memory if it holds
    /// them already.
    mutating func byteString(limit: Int, _ what: String, into value: inout [UInt8]) throws(FormatError) {
        let count = try varint(limit: limit, what)
        if count == value.count, count <= remaining, bytes[offset..<offset + count].elementsEqual(value) {
            offset += count
        } else {
            value = try raw(count)
        }
    }

    /// Reads exactly `count` bytes.
    public mutating func raw(_ count: Int) throws(FormatError) -> [UInt8] {
        guard count >= 0, count <= remaining else { throw truncated(count) }
        defer { offset += count }
        return Array(bytes[offset..<offset + count])
    }

    /// Reads an identifier.
    public mutating func id<ID: FixedIdentifier>(_ type: ID.Type = ID.self) throws(FormatError) -> ID {
        var words: [UInt64] = []
        for _ in 0..<ID.byteCount / 8 { words.append(try littleEndian(8).byteSwapped) }
        return ID(words: words)
    }

    /// Reads a blob id without the detour over an array of words: trees and lists hold millions.
    public mutating func blobID() throws(FormatError) -> BlobID {
        guard remaining >= BlobID.byteCount else { throw truncated(BlobID.byteCount) }
        let start = offset
        offset += BlobID.byteCount
        return bytes.withUnsafeBytes { memory in
            func word(_ index: Int) -> UInt64 {
                UInt64(bigEndian: memory.loadUnaligned(fromByteOffset: start + 8 * index, as: UInt64.self))
            }
            return BlobID(word(0), word(1), word(2), word(3))
        }
    }

    /// Reads `count` bytes that must be zero.
    public mutating func zeros(_ count: Int) throws(FormatError) {
        for byte in try raw(count) where byte != 0 {
            throw FormatError(.malformed, "a reserved byte is not zero")
        }
    }

    /// Refuses bytes behind the structure.
    public func finish() throws(FormatError) {
        guard remaining == 0 else { throw FormatError(.malformed, "\(remaining) trailing bytes") }
    }

    private mutating func littleEndian(_ count: Int) throws(FormatError) -> UInt64 {
        guard count <= remaining else { throw truncated(count) }
        var value: UInt64 = 0
        for index in 0..<count { value |= UInt64(bytes[offset + index]) << UInt64(8 * index) }
        offset += count
        return value
    }

    private func truncated(_ wanted: Int) -> FormatError {
        FormatError(.truncated, "\(wanted) bytes wanted at offset \(offset), \(remaining) left")
    }
}
