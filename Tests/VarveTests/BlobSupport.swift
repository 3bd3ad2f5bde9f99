import Varve
import VarveFormat

/// Bytes that a seed decides (SplitMix64, Steele et al., OOPSLA 2014). Tests name the seed in what they expect.
struct SeededBytes {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](unsafeUninitializedCapacity: count) { memory, initialized in
            initialized = count
            memory.initialize(repeating: 0)
        }
        var index = 0
        while index < count {
            let word = next()
            for shift in 0..<min(8, count - index) {
                bytes[index + shift] = UInt8(truncatingIfNeeded: word >> UInt64(8 * shift))
            }
            index += 8
        }
        return bytes
    }
}

/// Lowercase hexadecimal digits of bytes.
func hexDigits(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
}

/// The bytes of an even number of hexadecimal digits.
func unhex(_ digits: String) -> [UInt8] {
    let values = digits.compactMap(\.hexDigitValue)
    return stride(from: 0, to: values.count - 1, by: 2).map { UInt8(values[$0] << 4 | values[$0 + 1]) }
}
