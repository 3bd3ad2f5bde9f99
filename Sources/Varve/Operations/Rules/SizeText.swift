/// Sizes as people write them: `4096`, `10M`, `1.5GiB`.
package enum SizeText {
    /// The number of bytes that `text` names: digits with an optional fraction and an optional unit K, M, G, T or P,
    /// alone or followed by B or iB, in either case. Units are powers of 1024 in every spelling; a fraction of a byte
    /// is dropped.
    ///
    /// - Throws: `usage` for anything else, and for sizes of 2^64 bytes and more.
    package static func parse(_ text: String) throws(StoreError) -> UInt64 {
        let bytes = Array(text.utf8)
        var position = 0
        let whole = DecimalDigits(bytes, &position)
        var fraction = DecimalDigits()
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position += 1
            fraction = DecimalDigits(bytes, &position)
            guard fraction.count > 0 else { throw malformed(text) }
        }
        guard whole.count > 0, !whole.overflowed, fraction.count <= 9, let unit = unit(bytes[position...]) else {
            throw malformed(text)
        }
        let (product, overflow) = whole.value.multipliedReportingOverflow(by: unit)
        let part = fraction.scale.dividingFullWidth(fraction.value.multipliedFullWidth(by: unit)).quotient
        let (sum, carry) = product.addingReportingOverflow(part)
        guard !overflow, !carry else {
            throw StoreError(.usage, "the size \"\(text)\" is too large")
        }
        return sum
    }

    private static func unit(_ suffix: ArraySlice<UInt8>) -> UInt64? {
        switch String(decoding: suffix, as: UTF8.self).lowercased() {
        case "", "b": 1
        case "k", "kb", "kib": 1 << 10
        case "m", "mb", "mib": 1 << 20
        case "g", "gb", "gib": 1 << 30
        case "t", "tb", "tib": 1 << 40
        case "p", "pb", "pib": 1 << 50
        default: nil
        }
    }

    private static func malformed(_ text: String) -> StoreError {
        StoreError(.usage, "\"\(text)\" is not a size", remedy: "write a size like 4096, 10M or 1.5GiB")
    }
}

/// A run of decimal digits read from text.
struct DecimalDigits {
    private(set) var value: UInt64 = 0
    private(set) var count = 0
    /// 10 to the power of `count`; meaningful up to 18 digits.
    private(set) var scale: UInt64 = 1
    private(set) var overflowed = false

    init() {}

    /// Reads digits from `position` on and leaves it behind them.
    init(_ bytes: [UInt8], _ position: inout Int) {
        while position < bytes.count, case let digit = bytes[position] &- UInt8(ascii: "0"), digit < 10 {
            let (product, first) = value.multipliedReportingOverflow(by: 10)
            let (sum, second) = product.addingReportingOverflow(UInt64(digit))
            overflowed = overflowed || first || second
            value = sum
            scale = scale &* 10
            count += 1
            position += 1
        }
    }
}
