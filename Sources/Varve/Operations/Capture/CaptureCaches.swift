import Glibc
import VarveFormat

/// The stat caches of one source in one repository at one place.
struct CaptureCaches: Sendable {
    /// Of the last finished capture.
    private(set) var complete: StatCache?
    /// Of an interrupted capture since then.
    private(set) var interrupted: StatCache?
    /// Of the capture that runs.
    private(set) var writer: StatCacheWriter?
    private(set) var completePath = ""
    private(set) var interruptedPath = ""

    /// No file can be found in any of them.
    var areEmpty: Bool { complete == nil && interrupted == nil }

    /// Opens what there is. A cache counts only while its snapshot does; no cache directory means no caches.
    static func open(_ repository: Repository, _ options: Archiver.Options, snapshots: SnapshotList) -> CaptureCaches {
        var caches = CaptureCaches()
        // What a restore overwrites is never captured a second time.
        guard options.origin != .safety, let directory = repository.cacheDirectory else { return caches }
        var source = ByteWriter()
        source.byteString(Array(options.host.utf8))
        source.byteString(Array((options.job ?? "").utf8))
        for path in options.allPaths { source.byteString(path) }
        let name = SHA256Digest.of(source.bytes).hex.prefix(16)
        caches.completePath = "\(directory)/stat-\(name)"
        caches.interruptedPath = "\(directory)/stat-\(name)-interrupted"
        caches.complete = StatCache(path: caches.completePath)
        caches.interrupted = StatCache(path: caches.interruptedPath)
        if let cache = caches.complete, !snapshots.contains(cache.snapshot) { caches.complete = nil }
        if let cache = caches.interrupted, !snapshots.contains(cache.snapshot) { caches.interrupted = nil }
        if !options.isDryRun {
            caches.writer = StatCacheWriter(directory: directory, isFull: options.kind == .full)
        }
        return caches
    }

    /// The interrupted capture has been finished.
    func removeInterrupted() { unlink(interruptedPath) }
}
