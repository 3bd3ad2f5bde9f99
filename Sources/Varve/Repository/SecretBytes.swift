import Glibc

/// Bytes that are overwritten when nobody holds them any more: a password, a master key, what it is wrapped with.
public final class SecretBytes: Sendable {
    // Written in init and deinit only.
    private nonisolated(unsafe) let storage: UnsafeMutableRawBufferPointer

    /// Takes a copy of bytes, which are the caller's to wipe.
    public convenience init(copying bytes: UnsafeRawBufferPointer) {
        self.init(uninitialized: bytes.count)
        storage.copyMemory(from: bytes)
    }

    /// Takes the bytes of an array and overwrites the array, which is wiped in place if nobody else holds it.
    public convenience init(taking bytes: inout [UInt8]) {
        self.init(uninitialized: bytes.count)
        bytes.withUnsafeBytes { storage.copyMemory(from: $0) }
        Self.wipe(&bytes)
    }

    private init(uninitialized count: Int) {
        storage = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
    }

    deinit {
        if let base = storage.baseAddress { explicit_bzero(base, storage.count) }
        storage.deallocate()
    }

    /// The number of bytes.
    public var count: Int { storage.count }

    /// Hands out the bytes, valid within `body` only.
    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(storage))
    }

    /// Overwrites the bytes of an array with zeros and empties it.
    public static func wipe(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { bytes in
            if let base = bytes.baseAddress { explicit_bzero(base, bytes.count) }
        }
        bytes.removeAll()
    }
}
