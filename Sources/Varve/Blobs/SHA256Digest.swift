import Crypto
package import VarveFormat

/// SHA-256, which names the files of a repository.
package enum SHA256Digest {
    /// The digest of a run of bytes.
    package static func of(_ bytes: [UInt8]) -> FileID {
        bytes.withUnsafeBytes { of($0) }
    }

    /// The digest of a run of bytes.
    package static func of(_ bytes: UnsafeRawBufferPointer) -> FileID {
        var digest = Incremental()
        digest.update(bytes)
        return digest.finish()
    }

    /// The digest of runs of bytes joined.
    package static func of(_ runs: [[UInt8]]) -> FileID {
        var digest = Incremental()
        for run in runs { digest.update(run) }
        return digest.finish()
    }

    /// A digest over bytes that come bit by bit.
    package struct Incremental: Sendable {
        private var state = SHA256()

        /// Starts with no bytes.
        package init() {}

        /// Adds bytes.
        package mutating func update(_ bytes: [UInt8]) {
            bytes.withUnsafeBytes { state.update(bufferPointer: $0) }
        }

        /// Adds bytes.
        package mutating func update(_ bytes: UnsafeRawBufferPointer) {
            state.update(bufferPointer: bytes)
        }

        /// The digest of all bytes so far; more may be added afterwards.
        package func finish() -> FileID {
            state.finalize().withUnsafeBytes { digest in
                FileID(
                    UInt64(bigEndian: digest.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                    UInt64(bigEndian: digest.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                    UInt64(bigEndian: digest.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
                    UInt64(bigEndian: digest.loadUnaligned(fromByteOffset: 24, as: UInt64.self)))
            }
        }
    }
}
