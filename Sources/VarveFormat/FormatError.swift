/// Why stored bytes were refused.
public struct FormatError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of refusal.
    public enum Code: String, Sendable {
        /// The bytes end before the structure does.
        case truncated
        /// The bytes break a rule of FORMAT.md.
        case malformed
        /// A length or count exceeds a limit of FORMAT.md section 14.
        case overLimit
        /// A checksum does not match.
        case checksum
        /// A version, feature, kind or type that this program does not know.
        case unsupported
        /// The bytes belong to another repository or another place.
        case mismatch
    }

    /// The kind of refusal.
    public let code: Code
    /// What was expected and what was found, without a full stop.
    public let message: String

    /// Makes an error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The code and the message.
    public var description: String { "\(code.rawValue): \(message)" }
}

/// SHA-256 of some bytes. VarveFormat computes no hashes of its own: callers hand the function in.
public typealias SHA256Function = ([UInt8]) -> FileID
