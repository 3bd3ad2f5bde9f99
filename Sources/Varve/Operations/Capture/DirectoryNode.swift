import Glibc
import Synchronization
import VarveFormat

/// An open directory, closed when the last task that needs it is done.
final class DirectoryHandle: Sendable {
    let descriptor: Int32

    init(owning descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }
}

/// What one source is captured under: its rules' root, its file system.
final class CaptureSource: Sendable {
    let path: [UInt8]
    /// The device of the source itself, for staying on one file system.
    let device: UInt64
    /// Which component it belongs to.
    let component: Int?
    let exclusions: Archiver.Exclusions
    let staysOnFileSystem: Bool

    init(path: [UInt8], device: UInt64, options: Archiver.Options, components: CaptureComponents) {
        self.path = path
        self.device = device
        component = components.owner(of: path)
        exclusions = component.map { components[$0].exclusions } ?? options.exclusions
        staysOnFileSystem = component.map { components[$0].staysOnFileSystem } ?? options.staysOnFileSystem
    }
}

/// What a file is to the databases of its directory, going by its name.
enum DatabasePart: Sendable, Hashable {
    case none
    /// Other names look as if they belonged to it.
    case base
    /// Looks as if it belonged to the file of another name.
    case companion(of: [UInt8])
}

/// One name of a directory while it is captured.
struct Slot: Sendable {
    enum Outcome: Sendable {
        /// Its content is still being read, or its directory walked.
        case pending
        /// It does not go into the tree.
        case omitted
        /// The encoded entry of a file that is unchanged or was read.
        case encoded([UInt8])
        case entry(TreeEntry)
        /// A file with several links: the key comes at the end of the walk.
        case linked(TreeEntry)
    }

    /// How the file compares with the last capture.
    enum History: Sendable {
        case new
        case changed
        case unmodified
    }

    let name: [UInt8]
    let stat: FileStat
    var outcome: Outcome
    var history = History.new
    /// Bytes that a regular file has in the snapshot, if that is known to be another number than the file's.
    var capturedSize: UInt64?
    /// Flags for the stat cache.
    var cacheFlags: UInt32 = 0
    /// A quick capture would not read the file.
    var isTrusted = false
    /// What the file is to the databases of its directory.
    var part = DatabasePart.none
    /// Stands for the state of the database's write-ahead log; 0 without one that holds anything.
    var log: UInt32 = 0
    /// The log was changed too shortly before it was looked at.
    var isLogFresh = false
    /// What the parent snapshot has of a file with the same size and modification time, where that is enough.
    var parentContent: FileContent?
}

/// A run of names of one directory that is in memory at once.
struct Slice: Sendable {
    var slots: [Slot] = []
    /// Directories at work or waiting, by slot.
    var children: [Int: DirectoryNode] = [:]
    /// Batches and directories that are still at work.
    var pending = 0
    /// Directories that were walked and wait for hard-link keys.
    var waiting = 0
    /// Some file of it waits for its hard-link key.
    var hasLinks = false
}

/// One directory while it is captured. Its names are taken in slices of at most `sliceCount`, one after the other, so
/// that a directory of a million names stays small.
final class DirectoryNode: Sendable {
    enum Kind: Sendable {
        /// Above the sources: only the names that lead to them.
        case implied
        case captured(CaptureSource, PathRules, PathRules.Decision)
    }

    struct State {
        var handle: DirectoryHandle?
        var names = NameList()
        var nextName = 0
        /// The rules for its names, once its ignore file was read.
        var rules: PathRules?
        var cursor: StatCache.Cursor?
        var resumeCursor: StatCache.Cursor?
        var parentCursor: ParentTree.Cursor?
        /// Names that other names seem to belong to, as `app.db-wal` to `app.db`.
        var databaseCandidates: Set<[UInt8]> = []
        /// Those of them that were captured as databases.
        var databases: Set<[UInt8]> = []
        /// Slices not encoded yet: the last one may be at work, those before it wait for hard-link keys.
        var slices: [Slice] = []
        /// Slices encoded so far: the number of the first in `slices`.
        var encodedSliceCount = 0
        var tree = DirectoryTree()
        /// Ids of the trees of a directory that is cut.
        var pieces: [BlobID] = []
        var entryCount = 0
        /// The directory's own attributes, once it was opened.
        var attributes: Attributes?
        var isDone = false
        /// All names were walked, and something in it waits for hard-link keys.
        var isWaiting = false

        /// The number of the slice that is appended next.
        var nextSliceNumber: Int { encodedSliceCount + slices.count }

        /// Lets go of what only the walk needs: descriptors are few.
        mutating func endWalk() {
            handle = nil
            names = NameList()
            rules = nil
            cursor = nil
            resumeCursor = nil
            parentCursor = nil
        }
    }

    static let sliceCount = 4096

    let parent: DirectoryNode?
    /// Where it stands among the parent's names.
    let position: Position
    let name: [UInt8]
    /// Absolute; empty for the root.
    let path: [UInt8]
    let kind: Kind
    /// Excluded itself, but something below may be included: it is kept only for what is found there.
    let isKeptForContent: Bool
    let state: Mutex<State>

    /// A name's place in its directory.
    struct Position: Sendable {
        var slice = 0
        var slot = 0
    }

    init(
        parent: DirectoryNode?, position: Position, name: [UInt8], kind: Kind, isKeptForContent: Bool = false
    ) {
        self.parent = parent
        self.position = position
        self.name = name
        self.kind = kind
        self.isKeptForContent = isKeptForContent
        path = parent.map { $0.path + [UInt8(ascii: "/")] + name } ?? []
        state = Mutex(State())
    }

    /// The path as a user writes it: the root is `/`.
    var displayPath: [UInt8] { path.isEmpty ? [UInt8(ascii: "/")] : path }

    /// The path of a name in this directory.
    func path(of name: some Collection<UInt8>) -> [UInt8] { path + [UInt8(ascii: "/")] + name }

    var isImplied: Bool {
        if case .implied = kind { return true }
        return false
    }

    /// What it is captured under, if it is not implied.
    var source: CaptureSource? {
        if case .captured(let source, _, _) = kind { return source }
        return nil
    }
}

/// What a worker of a capture takes from the stack.
enum ArchiveTask: Sendable {
    /// Open, list and look at a directory.
    case directory(DirectoryNode)
    /// Look at the next names of a directory whose slice is finished.
    case slice(DirectoryNode)
    /// Read some files of the slice at work, by slot.
    case files(DirectoryNode, [Int])
    /// Read a stream into a slot, and those that follow it.
    case streams(DirectoryNode, [(slot: Int, stream: Archiver.Stream)])
    /// Store blocks of a long file that another worker reads.
    case help(BlockExchange)
    /// The walk is over: encode what waited for hard-link keys.
    case linked(DirectoryNode)
}
