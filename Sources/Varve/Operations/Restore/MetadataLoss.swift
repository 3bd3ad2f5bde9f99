import Synchronization

/// Something that could not be kept for lack of rights or because the file system has no such thing: worth one line
/// with a count in the end, not one a file.
package enum MetadataLoss: Hashable, Sendable, CustomStringConvertible {
    /// Owner or group.
    case owner
    /// Setuid or setgid, left off because the file could not be given to its owner.
    case specialBits
    /// Extended attributes of a namespace, as in `security`.
    case xattrs(namespace: String)
    case inodeFlags
    /// A time that the file system cannot hold.
    case time

    package var description: String {
        switch self {
        case .owner: "owner or group could not be set"
        case .specialBits: "setuid or setgid was left off, because the file has another owner here"
        case .xattrs("system"): "access control lists could not be set"
        case .xattrs(let namespace): "extended attributes \(namespace).* could not be set"
        case .inodeFlags: "inode flags (chattr) could not be set"
        case .time: "the modification time is beyond what this file system can hold"
        }
    }
}

/// Counts losses, from any thread.
final class MetadataLosses: Sendable {
    private let counts = Mutex<[MetadataLoss: Int]>([:])

    func add(_ loss: MetadataLoss) { counts.withLock { $0[loss, default: 0] += 1 } }

    var all: [MetadataLoss: Int] { counts.withLock { $0 } }
}
