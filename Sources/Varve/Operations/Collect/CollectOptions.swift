package import VarveFormat

/// What a collection may leave, and how it moves what stays.
public struct CollectOptions: Sendable {
    /// The share of the plaintext bytes in packs that may stay unused, 0 to 1. If more is unused, packs are rewritten
    /// until it is a little less than that: a smaller share means more rewriting.
    public var maxUnused = 0.02
    /// Seconds that packs stay whose blobs lie elsewhere now: longer than other tools take to copy the repository.
    public var rewriteGrace = 86_400
    /// Seconds that packs stay that nothing references.
    public var grace = 0
    /// Only say what would be done.
    public var isDryRun = false
    /// Whether packs that are in use in part are rewritten; if not, only whole packs go.
    public var allowsRewriting = true
    /// zstd level of frames that are compressed anew.
    public var compressionLevel = 1
    /// Decode every new frame again before its pack is published.
    public var verifiesEncoding = true
    /// The clock.
    package var now: @Sendable () -> Timestamp = { Timestamp.now() }

    /// Makes the defaults.
    public init() {}
}
