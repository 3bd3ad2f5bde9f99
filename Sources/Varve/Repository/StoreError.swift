/// What went wrong, on which path, why, and what to do about it.
///
/// Every failure of the engine is one of these. Damage that `Verifier` finds is data, not an error.
public struct StoreError: Error, Sendable, CustomStringConvertible {
    /// The kind of a failure. An open set: new codes do not break callers.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's stable name, as in `"no_repository"`.
        public let description: String

        init(_ description: String) { self.description = description }

        /// An operation failed for a reason that has no code of its own.
        public static let failed = Code("failed")
        /// An option, pattern or reference that makes no sense.
        public static let usage = Code("usage")
        /// Stored bytes are not what was written, or are missing.
        public static let damaged = Code("damaged")
        /// A policy or guard refused.
        public static let refused = Code("refused")
        /// There is no repository at the place.
        public static let noRepository = Code("no_repository")
        /// Somebody else is at work there.
        public static let busy = Code("busy")
        /// The password or key opens nothing.
        public static let wrongKey = Code("wrong_key")
        /// No such snapshot, or no such path in it.
        public static let notFound = Code("not_found")
        /// A name is held by more than one snapshot, or a prefix by more than one id.
        public static let ambiguous = Code("ambiguous")
        /// Not enough space, inodes or quota.
        public static let noSpace = Code("no_space")
        /// The caller asked to stop.
        public static let interrupted = Code("interrupted")
        /// The file or repository is there already.
        public static let exists = Code("exists")
        /// A file that should be there is not.
        public static let missing = Code("missing")
        /// This session was judged dead and ended by another program.
        public static let sessionLost = Code("session_lost")
        /// A format version or feature that this program does not know.
        public static let unsupported = Code("unsupported")
        /// The operating system denied access.
        public static let denied = Code("denied")
    }

    /// The kind of failure.
    public let code: Code
    /// What failed, in one sentence without a full stop.
    public let message: String
    /// The path concerned, as bytes.
    public let path: [UInt8]?
    /// What to do about it, in one sentence.
    public let remedy: String?
    /// The operating system's error number, if one was the cause.
    public let errno: Int32?

    /// Makes an error.
    public init(
        _ code: Code, _ message: String, path: [UInt8]? = nil, remedy: String? = nil, errno: Int32? = nil
    ) {
        self.code = code
        self.message = message
        self.path = path
        self.remedy = remedy
        self.errno = errno
    }

    /// Makes an error about a path in the repository.
    public init(_ code: Code, _ message: String, path: String, remedy: String? = nil, errno: Int32? = nil) {
        self.init(code, message, path: Array(path.utf8), remedy: remedy, errno: errno)
    }

    /// The message, the path and the remedy on one line; bytes of the path that are not UTF-8 are replaced.
    public var description: String {
        var text = message
        if let path { text += ": " + String(decoding: path, as: UTF8.self) }
        if let remedy { text += " (" + remedy + ")" }
        return text
    }
}
