import Synchronization

/// What a running verb has done so far. Workers add, a display reads; a caller may cancel.
public final class Progress: Sendable {
    /// One reading.
    public struct Values: Sendable {
        /// What the verb is doing: `scanning`, `saving`, `reading`, `writing`.
        public var phase = ""
        /// Files (or, for verify, packs) finished.
        public var filesDone = 0
        /// Files expected; nil while unknown.
        public var filesTotal: Int?
        /// Bytes of finished work.
        public var bytesDone: UInt64 = 0
        /// Bytes expected; nil while unknown.
        public var bytesTotal: UInt64?
        /// Bytes read from the source.
        public var bytesRead: UInt64 = 0
        /// Bytes added to the repository.
        public var bytesStored: UInt64 = 0
        /// Errors met so far.
        public var errors = 0
        /// What is worked on, as bytes.
        public var currentPath: [UInt8] = []
    }

    private let values = Mutex(Values())
    private let cancelled = Atomic(false)

    /// Makes an idle progress.
    public init() {}

    /// A consistent reading.
    public func read() -> Values { values.withLock { $0 } }

    /// Changes the values; called by the verb, in small numbers of times a second per worker.
    public func update(_ change: (inout Values) -> Void) { values.withLock { change(&$0) } }

    /// Asks the verb to stop cleanly as soon as it can.
    public func cancel() { cancelled.store(true, ordering: .relaxed) }

    /// Whether a stop was asked for.
    public var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    /// Throws `interrupted` if a stop was asked for.
    package func check() throws(StoreError) {
        if isCancelled { throw StoreError(.interrupted, "interrupted") }
    }
}
