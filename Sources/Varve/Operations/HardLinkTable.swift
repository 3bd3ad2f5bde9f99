import Synchronization
import VarveFormat

/// The files with more than one link that a capture met, so that all links of a set get the same entry and key.
///
/// The key of a set is known only when its last member was captured (FORMAT.md section 9.1), so directories with such
/// files are encoded at the end of the walk.
final class HardLinkTable: Sendable {
    /// What tells one file from another while the capture runs.
    struct FileIdentity: Hashable, Sendable {
        let device: UInt64
        let inode: UInt64

        init(_ stat: FileStat) {
            device = stat.device
            inode = stat.inode
        }
    }

    private struct LinkSet {
        var smallestPath: [UInt8]
        var memberCount: Int
        var entry: TreeEntry
    }

    private let sets = Mutex<[FileIdentity: LinkSet]>([:])

    /// The entry of another link to the same file, captured earlier: its content need not be read again.
    func entry(of identity: FileIdentity) -> TreeEntry? {
        sets.withLock { $0[identity]?.entry }
    }

    /// Adds a captured link.
    func add(_ identity: FileIdentity, path: [UInt8], entry: TreeEntry) {
        sets.withLock { sets in
            guard var set = sets[identity] else {
                sets[identity] = LinkSet(smallestPath: path, memberCount: 1, entry: entry)
                return
            }
            set.memberCount += 1
            if path.lexicographicallyPrecedes(set.smallestPath) { set.smallestPath = path }
            sets[identity] = set
        }
    }

    /// The entry of one link as it goes into the tree: that of the set with the set's key, or its own if no other link
    /// was captured.
    func resolved(_ entry: TreeEntry, _ identity: FileIdentity, nameHash: ([UInt8]) -> UInt64) -> TreeEntry {
        let set = sets.withLock { $0[identity] }
        guard let set, set.memberCount > 1 else { return entry }
        var result = set.entry
        result.name = entry.name
        result.hardLinkKey = nameHash(set.smallestPath)
        return result
    }
}
