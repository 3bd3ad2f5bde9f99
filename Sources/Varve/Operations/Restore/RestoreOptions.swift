public import VarveFormat

extension Restorer {
    /// What happens to files that are there already.
    public enum Overwrite: Sendable {
        /// They are replaced.
        case always
        /// They are replaced unless size, time and content are those of the snapshot.
        case ifChanged
        /// They are replaced if the snapshot's modification time is later.
        case ifNewer
        /// They stay, and their attributes too.
        case never
    }

    /// How a restore is made.
    public struct Options: Sendable {
        /// The directory to restore into, made if absent; nil to restore to the recorded paths.
        public var target: [UInt8]?
        /// A path in the snapshot, of which only what it holds is restored; nil for everything.
        public var subpath: [UInt8]?
        /// Which paths are restored, in ascending order of strength; anchored where the restore starts.
        package var rules: [PathRule] = []
        /// Restore only what a rule includes.
        package var includesOnly = false
        /// Restore only these files, and all directories; nil for all files.
        public var part: RestorePart?
        /// What happens to files that are there already.
        public var overwrite = Overwrite.ifChanged
        /// Remove what the snapshot does not have from the restored directories.
        public var deletes = false
        /// Leading components that are cut from every path below the start.
        public var stripComponents = 0
        /// Whose the restored files become.
        public var restoresOwner = true
        /// Take the recorded numbers of owner and group, whatever their names are here.
        public var numericIDs = false
        /// Make holes where the source had them.
        public var restoresHoles = true
        /// Read back and compare what was written.
        public var verifies = true
        /// Looks at restored files whether they mean what they did; what it finds is damage.
        package var checker: (any ContentChecker)?
        /// Look and count, write nothing.
        public var isDryRun = false
        /// Worker threads; 0 for those of the repository.
        public var threads = 0
        /// In place: capture what will be overwritten or removed first.
        public var makesSafetySnapshot = true
        /// In place: restore the rest where something cannot be restored; else nothing is changed then.
        public var allowsPartial = false
        /// The host that a safety snapshot is recorded with.
        public var host = ""
        /// In place: called when everything is in its place and can still be taken back; if it throws, that is done.
        package var beforeCommit: (@Sendable () throws(StoreError) -> Void)?
        /// In place: watches the steps.
        package var probe: RestoreProbe?
        /// How paths below the target are resolved.
        package var resolution = SafeRoot.Resolution.automatic

        /// Makes the defaults.
        public init() {}
    }
}

/// An entry that could not be restored as it was.
public struct RestoreError: Sendable, Hashable {
    /// The path in the snapshot, absolute, as bytes.
    public let path: [UInt8]
    /// What was tried: `read`, `create`, `write`, `verify`, `metadata`, `link`, `device`, `delete`, `list`, `check`.
    public let operation: String
    /// What happened, without the path.
    public let message: String
    /// Whether the repository is damaged, so that no restore can bring the entry back.
    public let isDamage: Bool
    /// The operating system's error number; 0 if there was none.
    public let errno: Int32
}

/// What a restore did.
public struct RestoreReport: Sendable {
    /// Files, links and special files that were written; of a dry run, that would be.
    public internal(set) var filesRestored = 0
    /// Those that were there and are left as they are, or got new attributes only.
    public internal(set) var filesUnchanged = 0
    /// Directories that were made.
    public internal(set) var directoriesMade = 0
    /// Bytes of content written, holes included.
    public internal(set) var bytesWritten: UInt64 = 0
    /// Files that were read back and compared.
    public internal(set) var filesVerified = 0
    /// Databases that were compared with what the snapshot says of them.
    public internal(set) var databasesChecked = 0
    /// Databases that are not what the snapshot says of them.
    public internal(set) var databasesFailed = 0
    /// Names removed because the snapshot does not have them.
    public internal(set) var deleted = 0
    /// What could not be restored, at most 1,000 of them.
    public internal(set) var errors: [RestoreError] = []
    /// How many errors there were.
    public internal(set) var errorsTotal = 0
    /// How many of them were damage of the repository.
    public internal(set) var damagedTotal = 0
    /// What else is worth saying, once each.
    public internal(set) var notices: [String] = []
    /// In place: what was overwritten or removed; nil if nothing was, or if that was not wanted.
    public internal(set) var safetySnapshotID: SnapshotID?
    /// In place: nothing was changed, because of the errors.
    public internal(set) var isAbandoned = false
    /// Seconds.
    public internal(set) var duration = 0.0

    /// A restore of nothing.
    package init() {}
}

/// What a restore would change.
public struct RestorePlanSummary: Sendable {
    /// What would happen to a path.
    public enum Action: String, Sendable {
        /// It is made.
        case create
        /// It takes the place of something else.
        case replace
        /// Only found out by reading it: size and time are those of the snapshot.
        case compare
        /// It is removed.
        case delete
        /// An entry that cannot be read or has something in its way.
        case fail
    }

    /// One change.
    public struct Change: Sendable {
        /// Below the target, absolute.
        public let path: [UInt8]
        /// What would happen.
        public let action: Action
    }

    /// Names of files and directories that would be made.
    public internal(set) var created = 0
    /// Files that would be replaced.
    public internal(set) var replaced = 0
    /// Files with the size and time of the snapshot, of which the content would be compared.
    public internal(set) var compared = 0
    /// Files that would stay as they are.
    public internal(set) var unchanged = 0
    /// Names that would be removed; what a directory holds is not counted.
    public internal(set) var deleted = 0
    /// Entries that would be reported as errors.
    public internal(set) var failing = 0
    /// Bytes that would be written.
    public internal(set) var bytes: UInt64 = 0
    /// The first changes, at most 1,000: not those that are compared.
    public internal(set) var changes: [Change] = []

    /// Bytes by which the file system would fill up.
    var space: UInt64 = 0

    /// Whether anything would be made, replaced or removed.
    public var hasChanges: Bool { created + replaced + deleted > 0 }
}
