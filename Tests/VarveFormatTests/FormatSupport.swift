import Glibc
import Testing
import VarveFormat

/// The repository of every sample and vector.
let sampleRepository = RepositoryID(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f)

/// An id whose bytes are all `number`.
func sampleID(_ number: UInt8) -> BlobID {
    let word = UInt64(number) &* 0x0101_0101_0101_0101
    return BlobID(word, word, word, word)
}

/// SplitMix64 (Steele, Lea, Flood, 2014).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// The error that `body` throws; nil if it throws none.
func refusal<Value>(_ body: () throws(FormatError) -> Value) -> FormatError.Code? {
    do {
        _ = try body()
        return nil
    } catch {
        return error.code
    }
}

/// Feeds `parse` every beginning of `bytes` and every copy with one bit flipped. It may refuse; what it accepts must
/// be written by `encode` in a form that reads back as the same value.
func survivesDamage<Value: Equatable>(
    _ bytes: [UInt8], parse: ([UInt8]) throws(FormatError) -> Value, encode: (Value) -> [UInt8]
) {
    var inputs = (0..<bytes.count).map { Array(bytes[..<$0]) }
    for bit in 0..<bytes.count * 8 {
        var flipped = bytes
        flipped[bit / 8] ^= 1 << UInt8(bit % 8)
        inputs.append(flipped)
    }
    for input in inputs {
        guard let value = try? parse(input) else { continue }
        let encoded = encode(value)
        let again = try? parse(encoded)
        #expect(again == value)
        #expect(again.map(encode) == encoded)
    }
}

/// The bytes of a file of the package, by its path from the root.
func packageFile(_ path: String) throws -> [UInt8] {
    let path = packageRoot + path
    let file = try #require(fopen(path, "r"), "cannot open \(path)")
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = fread(&buffer, 1, buffer.count, file)
        guard count > 0 else { return bytes }
        bytes += buffer[..<count]
    }
}

/// The names in a directory of the package, sorted.
func packageFileNames(_ path: String) throws -> [String] {
    let directory = try #require(opendir(packageRoot + path))
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
        names.append(String(decoding: name, as: UTF8.self))
    }
    return names.sorted()
}

private let packageRoot: String = {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
    return parts.joined(separator: "/") + "/"
}()

/// The bytes of hexadecimal digits; nil for anything else.
func hexBytes(_ hex: some StringProtocol) -> [UInt8]? {
    let digits = hex.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
    guard digits.count == hex.utf8.count, digits.count % 2 == 0 else { return nil }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
