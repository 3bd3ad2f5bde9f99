/// How the raw bytes of a frame are stored before sealing (FORMAT.md section 7).
package enum FrameCodec: UInt8, Sendable, CaseIterable {
    /// As they are; in suite 1 only.
    case stored = 0
    /// One zstd frame (RFC 8878) with its content size; in suite 0 also with a content checksum.
    case zstd = 1
}
