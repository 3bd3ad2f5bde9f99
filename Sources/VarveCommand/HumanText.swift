/// Numbers and names as people like to read them.
enum HumanText {
    /// `999 B`, `1.2 KiB`, `34 MiB`.
    static func size(_ bytes: UInt64) -> String {
        if bytes < 1024 { return "\(bytes) B" }
        var value = Double(bytes) / 1024
        var unit = 0
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        while value >= 1023.5, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return (value < 99.95 ? tenths(value) : String(Int(value.rounded()))) + " " + units[unit]
    }

    static func size(_ bytes: Int64) -> String { size(UInt64(max(0, bytes))) }
    static func size(_ bytes: Int) -> String { size(UInt64(max(0, bytes))) }

    /// `0.4 s`, `12 s`, `3m 05s`, `2h 10m`, `5d 4h`.
    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0 else { return "-" }
        if seconds < 9.95 { return tenths(seconds) + " s" }
        let whole = Int(min(seconds.rounded(), 1e15))
        switch whole {
        case ..<60: return "\(whole) s"
        case ..<3600: return "\(whole / 60)m \(twoDigits(whole % 60))s"
        case ..<86_400: return "\(whole / 3600)h \(twoDigits(whole / 60 % 60))m"
        default: return "\(whole / 86_400)d \(whole / 3600 % 24)h"
        }
    }

    /// `1 file`, `2 files`.
    static func count(_ number: some BinaryInteger, _ singular: String, _ plural: String? = nil) -> String {
        number == 1 ? "1 \(singular)" : "\(number) \(plural ?? singular + "s")"
    }

    static func percent(_ part: Double, of whole: Double) -> String {
        whole > 0 ? tenths(part * 100 / whole) + " %" : "-"
    }

    /// With one digit behind the point.
    static func tenths(_ value: Double) -> String {
        let scaled = Int64((value * 10).rounded())
        return "\(scaled < 0 ? "-" : "")\(scaled.magnitude / 10).\(scaled.magnitude % 10)"
    }

    private static func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : String(value) }

    // MARK: names of files

    /// A path that is safe to show: what is not UTF-8, control characters and what changes the direction of writing
    /// become `\x1b`; without Unicode everything beyond ASCII too.
    static func path(_ bytes: [UInt8], unicode: Bool) -> String {
        let isPlain = bytes.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
        if isPlain { return String(decoding: bytes, as: UTF8.self) }
        var result = ""
        var decoder = Unicode.UTF8.ForwardParser()
        var iterator = bytes.makeIterator()
        var offset = 0
        while true {
            switch decoder.parseScalar(from: &iterator) {
            case .valid(let encoded):
                let scalar = Unicode.UTF8.decode(encoded)
                if isSafe(scalar), unicode || scalar.isASCII {
                    result.unicodeScalars.append(scalar)
                } else {
                    result += escaped(bytes[offset..<offset + encoded.count])
                }
                offset += encoded.count
            case .error(let length):
                result += escaped(bytes[offset..<offset + length])
                offset += length
            case .emptyInput: return result
            }
        }
    }

    /// Text of others (names, descriptions, error texts) made safe to show.
    static func text(_ text: String, unicode: Bool) -> String { path(Array(text.utf8), unicode: unicode) }

    private static func isSafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB: false
        case 0x10_FF80...: false
        default: true
        }
    }

    private static func escaped(_ bytes: ArraySlice<UInt8>) -> String {
        let digits = Array("0123456789abcdef")
        return bytes.reduce(into: "") { text, byte in
            text += "\\x"
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
    }
}
