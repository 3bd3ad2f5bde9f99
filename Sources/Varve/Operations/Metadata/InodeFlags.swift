import CSys
import Glibc
package import VarveFormat

extension InodeFlags {
    /// Every flag with the kernel's bit for it, in an order in which they can be set one after the other.
    static let kernelBits: [(flag: InodeFlags, bit: UInt32)] = [
        (.noDump, SYS_FS_NODUMP), (.noAccessTime, SYS_FS_NOATIME), (.noCopyOnWrite, SYS_FS_NOCOW),
        (.append, SYS_FS_APPEND), (.immutable, SYS_FS_IMMUTABLE),
    ]

    /// The kernel's bits of all flags that varve keeps.
    static let keptBits = InodeFlags.kernelBits.reduce(0) { $0 | $1.bit }

    /// Takes what varve keeps from the kernel's bits.
    init(kernel bits: UInt32) {
        self = Self.kernelBits.reduce(into: []) { if bits & $1.bit != 0 { $0.insert($1.flag) } }
    }

    /// The kernel's bits.
    var kernel: UInt32 { Self.kernelBits.reduce(0) { contains($1.flag) ? $0 | $1.bit : $0 } }

    /// The flags of an open regular file or directory; none where the file system has no such thing.
    ///
    /// - Throws: as the system says, without a path, which the caller knows.
    package static func read(_ descriptor: Int32) throws(StoreError) -> InodeFlags {
        var bits: UInt32 = 0
        let result = sys_get_inode_flags(descriptor, &bits)
        if [ENOTTY, ENOTSUP, EINVAL, ENOSYS].contains(-result) { return [] }
        try Syscalls.check(result, "read the inode flags", nil)
        return InodeFlags(kernel: bits)
    }
}
