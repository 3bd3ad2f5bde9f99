public import VarveFormat

extension Archiver {
    /// A stream captured as one file: standard input or a command's output.
    public struct Stream: Sendable {
        /// Absolute path that the file gets in the snapshot, as bytes.
        public var path: [UInt8]
        /// Where the bytes come from; not closed by the archiver.
        public var descriptor: Int32
        /// Called when the stream's turn comes, instead of `descriptor`: starts what produces the bytes.
        public var start: (@Sendable () throws(StoreError) -> Int32)?
        /// If it fails, the snapshot is made without it, partial, instead of not at all.
        public var failsAlone = false
        /// It is read after the stream before it in the same directory, by name, and left out with that.
        package var isFollower = false
        /// If it fails, that is a notice and no error.
        package var isOptional = false
        /// Sees the bytes as they are read; what it throws counts as a failure to read.
        package var tap: (@Sendable (UnsafeRawBufferPointer) throws(StoreError) -> Void)?
        /// What is to be known about a stream that was captured, for the manifest's `databases`.
        package var describe: (@Sendable () -> ProvidedStatement?)?
        /// Called at the end of the bytes: throws if what produced them failed, and then no snapshot is made.
        public var finish: @Sendable () throws(StoreError) -> Void

        /// Makes a stream.
        public init(path: [UInt8], descriptor: Int32, finish: @escaping @Sendable () throws(StoreError) -> Void) {
            self.path = path
            self.descriptor = descriptor
            self.finish = finish
        }
    }

    /// How a capture is made.
    public struct Options: Sendable {
        /// Full reads every byte again; quick trusts unchanged files (stat cache).
        public var kind = SnapshotKind.full
        /// Absolute paths to capture, as bytes, without `.`, `..` or a slash at the end.
        public var paths: [[UInt8]] = []
        /// Streams to capture besides the paths.
        public var streams: [Stream] = []
        /// The parts of an application that the paths and streams are.
        public var components: [Component] = []
        /// What to leave out of paths that belong to no component.
        public var exclusions = Exclusions()
        /// Stay on the file system of each path.
        public var staysOnFileSystem = false
        /// Directories that are never captured: the repository and the caches.
        public var ownDirectories: [[UInt8]] = []

        /// Name, unique in the repository.
        public var name: String?
        /// Free text.
        public var description: String?
        /// Sorted, unique.
        public var tags: [String] = []
        /// Host to record.
        public var host = ""
        /// User to record.
        public var user: String?
        /// Job to record.
        public var job: String?
        /// What the snapshot holds: `full`, `data`, `database`, `config` or another word.
        public var type = "full"
        /// Version of the application that is captured.
        public var appVersion: String?
        /// Who asked for the capture.
        public var origin = SnapshotOrigin.user
        /// Results of checks that were made before, one object each.
        public var validation: [JSONValue] = []
        /// Time to record instead of now.
        public var time: Timestamp?

        /// zstd level; 0 stores without compression.
        public var compressionLevel = 1
        /// Decode every frame again before its pack is published.
        public var verifiesEncoding = true
        /// Store pages of databases, and lists of them, as what changed since the parent snapshot, where that saves a
        /// third.
        public var storesDeltas = true
        /// Make no snapshot if the tree equals the parent's.
        public var skipsIfUnchanged = false
        /// Make a snapshot even if nothing was found.
        public var allowsEmpty = false
        /// Quick without a stat cache: accept what has the size and mtime of the parent's tree.
        public var trustsModificationTime = false
        /// Look and count, store nothing.
        public var isDryRun = false
        /// Count files and bytes first, so that a display can tell the time left.
        public var countsFirst = false
        /// Seconds between checkpoints; 0 for none.
        public var checkpointInterval = 300
        /// Seconds by which a file's last change must lie before its reading, so that its times are trusted later: a
        /// later change might leave the same times.
        package var settlingSeconds: Int64 = 2
        /// New blobs that may wait for an index file before one is made while the capture goes on.
        package var indexedBlobCount = 98_304
        /// Supplies the content of databases; nil to copy them as any other file.
        package var contentProvider: (any ContentProvider)?
        /// Bytes a second to read from the source at most; nil for no limit.
        public var readLimit: UInt64?

        /// Makes the defaults.
        public init() {}
    }

    /// What a capture leaves out.
    public struct Exclusions: Sendable {
        /// Rules in ascending order of strength.
        package var rules: [PathRule] = []
        /// Markers in a directory that exclude what is in it.
        package var markers = ExcludeMarkers()
        /// Regular files larger than this many bytes are left out.
        public var largerThan: UInt64?

        /// Excludes nothing.
        public init() {}
    }
}

/// A source file or directory that could not be captured as it is.
public struct CaptureError: Sendable, Hashable {
    /// Absolute path, as bytes.
    public let path: [UInt8]
    /// What was tried: `open`, `read`, `list`, `stat`, `changed`.
    public let operation: String
    /// The operating system's error number; 0 if there was none.
    public let errno: Int32
    /// What happened, without the path.
    public let message: String
}

/// What a capture did.
public struct ArchiveReport: Sendable {
    /// The snapshot made; nil for a dry run, and where nothing changed and that was asked for.
    public let snapshotID: SnapshotID?
    /// Its manifest; of a dry run or a skipped snapshot, what it would have been.
    public let manifest: Manifest
    /// Errors, at most 1,000 of them.
    public let errors: [CaptureError]
    /// What else is worth saying, once each.
    public let notices: [String]
    /// True if no snapshot was made because nothing changed.
    public let isUnchanged: Bool
    /// Bytes that the files read in a full capture would not have needed under quick; nil if unknown.
    public let bytesUnchanged: UInt64
    /// Bytes read of files whose times, size and inode were as the last capture saw them.
    public let bytesUnmodified: UInt64
    /// Snapshots that had vanished when the capture began, see `SnapshotList.vanished`.
    public let vanished: [SnapshotID]
}
