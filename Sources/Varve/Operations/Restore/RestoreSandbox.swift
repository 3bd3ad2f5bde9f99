import CSys
import Glibc

/// A directory for a restore that is looked at and thrown away. A crash may leave one behind: the next that is made
/// beside it removes it, which a lock of the living ones tells from them.
package final class RestoreSandbox: Sendable {
    private static let prefix = Array("varve-drill-".utf8)
    private static let lockName = Array("lock".utf8)
    private static let treeName = Array("tree".utf8)

    /// The directory to restore into; not made yet.
    package let tree: [UInt8]
    /// The directory that holds it, which belongs to nobody else.
    package let path: [UInt8]
    private let parent: OpenDirectory
    private let name: [UInt8]
    private let lock: Int32

    /// Makes a sandbox in a directory.
    ///
    /// - Throws: as the system says.
    package init(in directory: [UInt8]) throws(StoreError) {
        parent = try SafeRoot(directory).directory
        Self.removeAbandoned(in: parent)
        let digits = try Syscalls.randomBytes(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        name = Self.prefix + Array(digits.utf8)
        do throws(StoreError) {
            try parent.makeDirectory(name)
            lock = try parent.openDirectory(name).createFile(Self.lockName)
        } catch {
            throw error.at(directory)
        }
        // Nobody else knows the name yet.
        _ = sys_try_lock(lock)
        path = directory + [UInt8(ascii: "/")] + name
        tree = path + [UInt8(ascii: "/")] + Self.treeName
    }

    deinit { _ = sys_close(lock) }

    /// Removes the sandbox and all that it holds.
    package func remove() throws(StoreError) { try RestoreObstacles.remove(name, in: parent) }

    private static func removeAbandoned(in parent: OpenDirectory) {
        guard let names = try? parent.list() else { return }
        for index in 0..<names.count {
            let name = Array(names.name(index))
            guard name.starts(with: prefix), let stat = try? parent.status(name), stat.isDirectory,
                stat.uid == geteuid(), let directory = try? parent.openDirectory(name),
                let lock = try? directory.openForWriting(lockName)
            else { continue }
            if sys_try_lock(lock) >= 0 { try? RestoreObstacles.remove(name, in: parent) }
            _ = sys_close(lock)
        }
    }
}
