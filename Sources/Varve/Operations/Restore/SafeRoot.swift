import CSys
import Glibc
import Synchronization

/// The directory that a restore writes into, from which nothing can lead out: no `..`, no absolute path, no symbolic
/// link planted by an earlier entry or by another program meanwhile, no magic link of /proc.
///
/// Paths are resolved by openat2(2), or on kernels before Linux 5.6, and for paths longer than it takes, component by
/// component from descriptor to descriptor.
package final class SafeRoot: Sendable {
    /// How paths below the root are resolved.
    package enum Resolution: Sendable {
        /// By openat2 where there is one.
        case automatic
        case componentwise
    }

    package let directory: OpenDirectory
    private let usesKernel: Atomic<Bool>

    private static let pathLimit = 4096

    /// Opens the target directory. Links in its own path are followed: it is the user's word.
    ///
    /// - Throws: `missing`, `denied` or `failed` as the system says.
    package init(_ path: [UInt8], resolution: Resolution = .automatic) throws(StoreError) {
        guard !path.isEmpty, !path.contains(0) else {
            throw StoreError(.usage, "this cannot be the path of a directory", path: path)
        }
        directory = OpenDirectory(owning: try Syscalls.open(path, flags: SYS_O_RDONLY | SYS_O_DIRECTORY))
        usesKernel = Atomic(resolution == .automatic)
    }

    /// Opens a directory below the root, every component of which must be a directory already.
    ///
    /// - Throws: `refused` for a component that is no name or is a symbolic link; else as the system says.
    package func openDirectory(_ components: [[UInt8]]) throws(StoreError) -> OpenDirectory {
        for component in components { try OpenDirectory.check(name: component) }
        if components.isEmpty { return directory }
        if usesKernel.load(ordering: .relaxed), let opened = try openByKernel(components) { return opened }
        var current = directory
        for component in components { current = try current.openDirectory(component) }
        return current
    }

    /// Nil where the kernel cannot help and the components have to be walked.
    private func openByKernel(_ components: [[UInt8]]) throws(StoreError) -> OpenDirectory? {
        let path = Array(components.joined(separator: [UInt8(ascii: "/")]))
        guard path.count < Self.pathLimit else { return nil }
        do throws(StoreError) {
            let flags = SYS_O_RDONLY | SYS_O_DIRECTORY
            return OpenDirectory(
                owning: try Syscalls.openBeneath(path, at: directory.descriptor, flags: flags))
        } catch {
            switch error.errno {
            case ELOOP, EXDEV:
                throw StoreError(
                    .refused, "a symbolic link stands where a directory should", path: path, errno: error.errno)
            case ENOSYS, EPERM:
                // EPERM: a sandbox that does not know the call. The walk meets it again if it is the file system's.
                usesKernel.store(false, ordering: .relaxed)
                return nil
            case EACCES, EAGAIN, ENAMETOOLONG:
                return nil
            default:
                throw error
            }
        }
    }
}
