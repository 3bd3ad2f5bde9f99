import VarveFormat

/// Command-line arguments are bytes, but the parser wants strings. Bytes that are not UTF-8 travel as scalars of the
/// private plane 16 (U+10FF80 to U+10FFFF, one a byte) and come out again; the UTF-8 form of those scalars is taken for
/// odd bytes itself, so that nothing is ambiguous.
enum ArgumentBytes {
    private static let base: UInt32 = 0x10_FF00

    /// The arguments of this process without the program's name.
    static func commandLine() -> [String] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            CommandLine.unsafeArgv[index].map { pointer in
                var bytes: [UInt8] = []
                var next = pointer
                while next.pointee != 0 {
                    bytes.append(UInt8(bitPattern: next.pointee))
                    next += 1
                }
                return text(bytes)
            }
        }
    }

    /// A string that stands for any bytes.
    static func text(_ bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self), !text.unicodeScalars.contains(where: isStandIn) {
            return text
        }
        var scalars = String.UnicodeScalarView()
        var decoder = Unicode.UTF8.ForwardParser()
        var iterator = bytes.makeIterator()
        var offset = 0
        while true {
            switch decoder.parseScalar(from: &iterator) {
            case .valid(let encoded):
                let scalar = Unicode.UTF8.decode(encoded)
                let part = bytes[offset..<offset + encoded.count]
                if isStandIn(scalar) { part.forEach { scalars.append(standIn($0)) } } else { scalars.append(scalar) }
                offset += encoded.count
            case .error(let length):
                bytes[offset..<offset + length].forEach { scalars.append(standIn($0)) }
                offset += length
            case .emptyInput:
                return String(scalars)
            }
        }
    }

    /// The bytes that a string from `text` stands for.
    static func bytes(_ text: String) -> [UInt8] {
        guard text.unicodeScalars.contains(where: isStandIn) else { return Array(text.utf8) }
        var bytes: [UInt8] = []
        for scalar in text.unicodeScalars {
            if isStandIn(scalar) {
                bytes.append(UInt8(truncatingIfNeeded: scalar.value - base))
            } else {
                bytes.append(contentsOf: String(scalar).utf8)
            }
        }
        return bytes
    }

    private static func isStandIn(_ scalar: Unicode.Scalar) -> Bool { scalar.value >= base + 0x80 }

    private static func standIn(_ byte: UInt8) -> Unicode.Scalar {
        Unicode.Scalar(base + UInt32(byte)) ?? "\u{FFFD}"
    }
}
