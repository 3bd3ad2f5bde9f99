import CSys

/// The ways that batches of blobs are hashed. All give the same digests; they differ in speed.
package enum VectorPath: Int32, CaseIterable, Sendable {
    /// One blob after the other by libb2, which has paths of its own and chooses among them itself.
    case libb2 = 0
    /// Four lanes of 64 bits.
    case avx2 = 1
    /// Eight lanes of 64 bits, or four with rotations of one instruction each.
    case avx512 = 2

    /// The fastest one that this processor has.
    package static var best: VectorPath { VectorPath(rawValue: varve_b2_level()) ?? .libb2 }

    /// Whether this processor has it.
    package var isPresent: Bool { rawValue <= Self.best.rawValue }
}
