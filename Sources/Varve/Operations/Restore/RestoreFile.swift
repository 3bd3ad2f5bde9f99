import Synchronization
import VarveFormat

/// An entry other than a directory that a restore makes.
final class RestoreFile: Sendable {
    /// A file under its temporary name.
    struct Temporary: Sendable {
        let name: [UInt8]
        let device: UInt64
        let inode: UInt64
    }

    /// How far a file got that more than one frame holds.
    struct Parts: Sendable {
        /// Frames that still have to be written, and one for the planner until it has seen all blobs.
        var remaining = 1
        var temporary: Temporary?
        var failure: RestoreFailure?
    }

    /// Where a file that is staged will have its name.
    final class Place: Sendable {
        let directory: RestoreDirectory
        let name: [UInt8]
        /// What has the name before.
        let found: FileStat?
        let slot: RestoreTransaction.Slot

        init(directory: RestoreDirectory, name: [UInt8], found: FileStat?, slot: RestoreTransaction.Slot) {
            self.directory = directory
            self.name = name
            self.found = found
            self.slot = slot
        }
    }

    let directory: RestoreDirectory
    let name: [UInt8]
    /// Nil unless the directory is a stage.
    let place: Place?
    /// In the snapshot, absolute.
    let path: [UInt8]
    let entry: TreeEntry
    /// The hard-link set that it is the first of, or is to be linked to.
    let linkSet: RestoreLinkSet?
    let parts = Mutex(Parts())

    /// Makes a file; its directory is not finished before it is.
    init(
        directory: RestoreDirectory, name: [UInt8], path: [UInt8], entry: TreeEntry, linkSet: RestoreLinkSet?,
        place: Place? = nil
    ) {
        self.directory = directory
        self.name = name
        self.place = place
        self.path = path
        self.entry = entry
        self.linkSet = linkSet
        directory.retainWork()
    }

    /// The same file, to be made in a stage and then put in its place.
    convenience init(_ file: RestoreFile, over found: FileStat?, in slot: RestoreTransaction.Slot) {
        self.init(
            directory: slot.directory, name: slot.name, path: file.path, entry: file.entry, linkSet: file.linkSet,
            place: Place(directory: file.directory, name: file.name, found: found, slot: slot))
    }

    /// Bytes of content.
    var size: UInt64 {
        if case .file(let size, _) = entry.content { return size }
        return 0
    }

    /// Flags that nobody can rename or link a file with.
    var hasLockingFlags: Bool {
        !entry.attributes.inodeFlags.isDisjoint(with: [.immutable, .append])
    }
}

/// Why an entry could not be restored.
struct RestoreFailure: Error, Sendable {
    let operation: String
    let error: StoreError
    /// The repository is damaged, not the target.
    let isDamage: Bool

    /// A failure of the target.
    init(_ operation: String, _ error: StoreError) {
        self.operation = operation
        self.error = error
        isDamage = false
    }

    /// What was restored is not what the snapshot says of it.
    init(checking problem: String) {
        operation = "check"
        error = StoreError(.damaged, problem)
        isDamage = true
    }

    /// A failure to read the repository.
    init(reading error: StoreError) {
        operation = "read"
        self.error = error
        isDamage = [.damaged, .missing, .unsupported].contains(error.code)
    }
}

/// The entries of a snapshot that are one file. The first that is restored is a file of its own, the others become
/// links to it.
final class RestoreLinkSet: Sendable {
    /// What becomes of another member.
    enum Role: Sendable {
        /// It is restored with its content.
        case first
        /// It will be told when the first one is there.
        case waiting
        /// It is to be linked.
        case link(to: RestoreFile)
        /// The content cannot be restored.
        case lost(RestoreFailure)
    }

    private enum State: Sendable {
        case vacant
        case pending(waiting: [RestoreFile])
        case done(RestoreFile)
        case lost(RestoreFailure)
    }

    /// Of everything but the name, which is all that members may differ in.
    let fingerprint: Int
    private let state = Mutex(State.vacant)

    init(_ entry: TreeEntry) { fingerprint = Self.fingerprint(entry) }

    /// Hashes what the members of a set have in common. Swift's hash is keyed anew by each process.
    static func fingerprint(_ entry: TreeEntry) -> Int {
        var nameless = entry
        nameless.name = []
        return nameless.hashValue
    }

    /// Adds a member. The caller does what the role says.
    func join(_ file: RestoreFile) -> Role {
        state.withLock { state in
            switch state {
            case .vacant:
                state = .pending(waiting: [])
                return .first
            case .pending(let waiting):
                state = .pending(waiting: waiting + [file])
                return .waiting
            case .done(let first): return .link(to: first)
            case .lost(let failure): return .lost(failure)
            }
        }
    }

    /// The first member is there; returns those that wait to be linked to it.
    func succeed(_ first: RestoreFile) -> [RestoreFile] {
        state.withLock { state in
            defer { state = .done(first) }
            if case .pending(let waiting) = state { return waiting }
            return []
        }
    }

    /// The first member could not be restored, or was left as it is. If its content is damaged, all that wait are
    /// lost too; else one of them is the next first.
    func fail(_ failure: RestoreFailure?) -> (lost: [RestoreFile], next: RestoreFile?) {
        state.withLock { state in
            guard case .pending(var waiting) = state else { return ([], nil) }
            if let failure, failure.isDamage {
                state = .lost(failure)
                return (waiting, nil)
            }
            guard !waiting.isEmpty else {
                state = .vacant
                return ([], nil)
            }
            let next = waiting.removeFirst()
            state = .pending(waiting: waiting)
            return ([], next)
        }
    }

    /// The member that the others are linked to, if there is one.
    var first: RestoreFile? {
        state.withLock { state in
            if case .done(let first) = state { return first }
            return nil
        }
    }
}
