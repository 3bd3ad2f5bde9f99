import CSys
import Glibc
package import VarveFormat

/// A file whose attributes are to be written.
package enum MetadataTarget: Sendable {
    /// A regular file or directory, open for reading or writing.
    case open(Int32)
    /// A file of any type, a symbolic link included, opened by `OpenDirectory.openHandle`.
    case handle(Int32)

    var descriptor: Int32 {
        switch self {
        case .open(let descriptor), .handle(let descriptor): descriptor
        }
    }

    var xattrs: ExtendedAttributeTarget {
        switch self {
        case .open(let descriptor): .descriptor(descriptor)
        case .handle(let descriptor): .pathDescriptor(descriptor)
        }
    }
}

/// Writes the attributes of restored files, always through a descriptor of the very file.
///
/// The order matters: the owner first, for a change of owner takes setuid and capabilities away; then extended
/// attributes, of which an ACL changes the mode; then the mode; then the times; last the inode flags, for nothing of an
/// immutable file can change. What other attributes or flags a file has, by inheritance or from before, is removed.
/// Attributes of a directory are written after all that it holds. One writer serves all threads.
package final class MetadataWriter: Sendable {
    /// Whose a restored file becomes.
    package enum Ownership: Sendable {
        /// The user and group of the recorded names; of the recorded numbers where no such name exists here.
        case names
        case numbers
        /// Whoever restores.
        case unchanged
    }

    private let ownership: Ownership
    private let names: OwnerNames
    private let lost = MetadataLosses()

    package init(ownership: Ownership = .names, names: OwnerNames = OwnerNames()) {
        self.ownership = ownership
        self.names = names
    }

    /// What could not be kept so far, and for how many files.
    package var losses: [MetadataLoss: Int] { lost.all }

    /// Sets what must be set while a new regular file is empty: that its blocks are not copied on write.
    package func prepare(_ descriptor: Int32, _ attributes: Attributes) {
        var flags: UInt32 = 0
        guard attributes.inodeFlags.contains(.noCopyOnWrite), sys_get_inode_flags(descriptor, &flags) >= 0 else {
            return
        }
        // Whether this worked shows in the end, when all flags are compared.
        _ = sys_set_inode_flags(descriptor, flags | SYS_FS_NOCOW)
    }

    /// Writes all attributes. What fails keeps nothing else from being written; the first failure that is not a
    /// `MetadataLoss` is thrown in the end, without a path, which the caller knows.
    package func apply(_ attributes: Attributes, to target: MetadataTarget) throws(StoreError) {
        let before = try FileStat.of(target.descriptor)
        var failures = Failures()
        let flags = clearedFlags(target, before)
        let owner = setOwner(attributes, target, before, &failures)
        let xattrs = XattrWriter(target: target, lost: lost)
        failures.run { () throws(StoreError) in try xattrs.replace(with: attributes.xattrs, mode: before.mode) }
        if !before.isSymbolicLink {
            failures.run { () throws(StoreError) in try setMode(attributes, target, before, owner) }
        }
        failures.run { () throws(StoreError) in try setTime(attributes, target) }
        if let flags { setFlags(attributes.inodeFlags, target.descriptor, from: flags) }
        if let first = failures.first { throw first }
    }

    /// Writes all attributes of a name that cannot be opened otherwise: a symbolic link, FIFO, socket or device.
    ///
    /// - Parameter type: the type that it was made with, one of `S_IF...`.
    /// - Throws: `refused` if something else has the name meanwhile.
    package func apply(
        _ attributes: Attributes, toName name: [UInt8], in directory: OpenDirectory, type: UInt32
    ) throws(StoreError) {
        let descriptor = try directory.openHandle(name)
        defer { _ = sys_close(descriptor) }
        do throws(StoreError) {
            guard try FileStat.of(descriptor).mode & S_IFMT == type else {
                throw StoreError(.refused, "another program replaced the file while it was restored")
            }
            try apply(attributes, to: .handle(descriptor))
        } catch {
            throw error.at(name)
        }
    }

    // MARK: owner and mode

    private struct Owner {
        let uid: UInt32
        let gid: UInt32
    }

    /// Whose the file should be on this machine.
    private func wantedOwner(_ attributes: Attributes) -> Owner {
        guard ownership != .numbers else { return Owner(uid: attributes.uid, gid: attributes.gid) }
        return Owner(
            uid: names.uid(attributes.owner) ?? attributes.uid, gid: names.gid(attributes.group) ?? attributes.gid)
    }

    /// Sets the owner and returns whose the file is now.
    private func setOwner(
        _ attributes: Attributes, _ target: MetadataTarget, _ before: FileStat, _ failures: inout Failures
    ) -> Owner {
        let wanted = wantedOwner(attributes)
        let actual = Owner(uid: before.uid, gid: before.gid)
        if ownership == .unchanged || wanted.uid == actual.uid && wanted.gid == actual.gid { return actual }
        let descriptor = target.descriptor
        let result = sys_fchownat(descriptor, "", wanted.uid, wanted.gid, SYS_AT_EMPTY_PATH)
        if result >= 0 { return wanted }
        // EINVAL: a number that does not exist in this user namespace.
        guard [EPERM, EACCES, EINVAL, ENOTSUP, EROFS].contains(-result) else {
            failures.add(.system(-result, "set the owner"))
            return actual
        }
        lost.add(.owner)
        // An ordinary user may still give a file to another group of theirs.
        let group = sys_fchownat(descriptor, "", UInt32.max, wanted.gid, SYS_AT_EMPTY_PATH)
        return Owner(uid: actual.uid, gid: group >= 0 ? wanted.gid : actual.gid)
    }

    /// Sets the mode; setuid and setgid only where they give the rights of the owner that they were recorded with.
    private func setMode(
        _ attributes: Attributes, _ target: MetadataTarget, _ before: FileStat, _ owner: Owner
    ) throws(StoreError) {
        let wanted = wantedOwner(attributes)
        let recorded = attributes.mode & 0o7777
        var mode = recorded
        if !before.isDirectory {
            if owner.uid != wanted.uid { mode &= ~S_ISUID }
            if owner.gid != wanted.gid { mode &= ~S_ISGID }
        }
        let result: Int32 =
            switch target {
            case .open(let descriptor): sys_fchmod(descriptor, mode)
            case .handle(let descriptor): sys_chmod_of(descriptor, mode)
            }
        try Syscalls.check(result, "set the mode", nil)
        guard recorded & (S_ISUID | S_ISGID) != 0 else { return }
        // The kernel drops setgid in silence for those who are not of the group.
        if try FileStat.of(target.descriptor).permissions != recorded { lost.add(.specialBits) }
    }

    // MARK: times

    private func setTime(_ attributes: Attributes, _ target: MetadataTarget) throws(StoreError) {
        guard attributes.mtimeNanoseconds < 1_000_000_000 else {
            throw StoreError(.damaged, "the recorded time has more than 999,999,999 nanoseconds")
        }
        let seconds = attributes.mtimeSeconds
        let nanoseconds = Int64(attributes.mtimeNanoseconds)
        let result: Int32 =
            switch target {
            case .open(let descriptor):
                sys_futimens(descriptor, 0, SYS_UTIME_OMIT, seconds, nanoseconds)
            case .handle(let descriptor):
                sys_utimensat(descriptor, "", 0, SYS_UTIME_OMIT, seconds, nanoseconds, SYS_AT_EMPTY_PATH)
            }
        try Syscalls.check(result, "set the modification time", nil)
        // Beyond 32 bits a file system may put its own first or last moment in place, and says nothing.
        if Int32(exactly: seconds) == nil || seconds < 0, try FileStat.of(target.descriptor).mtimeSeconds != seconds {
            lost.add(.time)
        }
    }

    // MARK: inode flags

    /// The flags of a file, nil where it has none, after those were cleared that keep it from being changed.
    private func clearedFlags(_ target: MetadataTarget, _ before: FileStat) -> UInt32? {
        var flags: UInt32 = 0
        guard case .open(let descriptor) = target, before.isRegular || before.isDirectory,
            sys_get_inode_flags(descriptor, &flags) >= 0
        else { return nil }
        let blocking = SYS_FS_IMMUTABLE | SYS_FS_APPEND
        if flags & blocking != 0, sys_set_inode_flags(descriptor, flags & ~blocking) >= 0 { flags &= ~blocking }
        return flags
    }

    /// Brings the kept flags to `wanted`, all at once or, where the file system lacks one of them, one at a time.
    private func setFlags(_ wanted: InodeFlags, _ descriptor: Int32, from bits: UInt32) {
        let goal = bits & ~InodeFlags.keptBits | wanted.kernel
        if goal == bits || sys_set_inode_flags(descriptor, goal) >= 0 { return }
        lost.add(.inodeFlags)
        var current = bits
        for (_, bit) in InodeFlags.kernelBits {
            let next = current & ~bit | goal & bit
            if next != current, sys_set_inode_flags(descriptor, next) >= 0 { current = next }
        }
    }
}

/// Keeps the first failure of several steps that are all tried.
private struct Failures {
    private(set) var first: StoreError?

    mutating func add(_ error: StoreError) { first = first ?? error }

    mutating func run(_ step: () throws(StoreError) -> Void) {
        do throws(StoreError) { try step() } catch { add(error) }
    }
}
