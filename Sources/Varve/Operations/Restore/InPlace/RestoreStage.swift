import CSys
import Glibc
import VarveFormat

/// A hidden directory on the file system of what is restored: it holds new files until they get their names, and old
/// ones until the restore is over. Backups leave it out.
final class RestoreStage: Sendable {
    static let journalName = Array("journal".utf8)
    /// Tells whoever finds a stage where the first one of its restore lies.
    static let noteName = Array("note".utf8)

    /// Of the file system.
    let device: UInt64
    let number: Int
    /// As the workers of a restore reach it.
    let directory: RestoreDirectory
    /// Locked as long as it is open, so that no other program takes it for a dead one's.
    let opened: OpenDirectory

    init(device: UInt64, number: Int, directory: RestoreDirectory, opened: OpenDirectory) {
        self.device = device
        self.number = number
        self.directory = directory
        self.opened = opened
    }

    deinit { sys_unlock(opened.descriptor) }

    /// `.varve-`, 16 random hex digits, `.restore`.
    static func newName() -> [UInt8] {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return Array((".varve-" + String(repeating: "0", count: 16 - digits.count) + digits + ".restore").utf8)
    }

    /// Whether a directory of this name is a stage.
    static func isName(_ name: some Collection<UInt8>) -> Bool {
        guard name.count == 31, name.starts(with: ".varve-".utf8) else { return false }
        let rest = name.dropFirst(7)
        return rest.prefix(16).allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
            && rest.dropFirst(16).elementsEqual(".restore".utf8)
    }

    /// Locks a stage.
    ///
    /// - Throws: `busy` if another program has it.
    static func lock(_ stage: OpenDirectory) throws(StoreError) {
        let result = sys_lock(stage.descriptor)
        if result == -EWOULDBLOCK {
            throw StoreError(.busy, "another restore to the same place is running", remedy: "wait until it is over")
        }
        // Where there are no locks, the one in the state directory has to do.
    }

    /// Removes a stage with all that is left in it, and sets the time of the directory that it lay in.
    static func remove(
        _ stage: RestoreJournal.Stage, root: SafeRoot, time: Timestamp
    ) throws(StoreError) {
        let directory: OpenDirectory
        do throws(StoreError) {
            directory = try root.openDirectory(stage.directory)
        } catch {
            if error.errno == ENOENT { return }
            throw error
        }
        guard isName(stage.name) else { throw StoreError(.damaged, "this is no stage", path: stage.name) }
        // Whatever happens, the journal must not outlive what it speaks of.
        if let opened = try? directory.openDirectory(stage.name) {
            for name in [journalName] where try opened.status(name) != nil { try opened.removeFile(name) }
        }
        let locks = Self.locks(directory.descriptor)
        if !locks.isEmpty { RestoreObstacles.unprotect(directory.descriptor) }
        try RestoreObstacles.remove(stage.name, in: directory)
        directory.setModificationTime(time)
        lock(directory.descriptor, locks)
    }

    /// The flags of an open file or directory that keep it from being changed.
    static func locks(_ descriptor: Int32) -> InodeFlags {
        guard let flags = try? InodeFlags.read(descriptor) else { return [] }
        return flags.intersection([.immutable, .append])
    }

    /// Sets flags that keep an open file or directory from being changed.
    static func lock(_ descriptor: Int32, _ locks: InodeFlags) {
        var bits: UInt32 = 0
        guard !locks.isEmpty, sys_get_inode_flags(descriptor, &bits) >= 0 else { return }
        _ = sys_set_inode_flags(descriptor, bits | locks.kernel)
    }
}
