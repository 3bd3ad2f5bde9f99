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

    /// What was captured of a file, through one of its links.
    struct Capture: Sendable {
        let entry: TreeEntry
        /// Of the file when it was captured.
        let stat: FileStat
        /// Flags for the stat cache.
        let cacheFlags: UInt32
    }

    private struct LinkSet {
        var smallestPath: [UInt8]
        var memberCount: Int
        var capture: Capture
    }

    private let sets = Mutex<[FileIdentity: LinkSet]>([:])

    /// What another link to the same file gave earlier, if the file has not changed since: it need not be read again.
    func capture(of stat: FileStat) -> Capture? {
        guard let capture = sets.withLock({ $0[FileIdentity(stat)]?.capture }), capture.stat.isSameContent(as: stat)
        else { return nil }
        return capture
    }

    /// Adds a captured link. The latest capture stands for all links.
    func add(_ path: [UInt8], _ capture: Capture) {
        sets.withLock { sets in
            let identity = FileIdentity(capture.stat)
            guard var set = sets[identity] else {
                sets[identity] = LinkSet(smallestPath: path, memberCount: 1, capture: capture)
                return
            }
            set.memberCount += 1
            set.capture = capture
            if path.lexicographicallyPrecedes(set.smallestPath) { set.smallestPath = path }
            sets[identity] = set
        }
    }

    /// The entry of one link as it goes into the tree: that of the set with the set's key, or its own if no other link
    /// was captured.
    func resolved(_ entry: TreeEntry, _ identity: FileIdentity, nameHash: ([UInt8]) -> UInt64) -> TreeEntry {
        let set = sets.withLock { $0[identity] }
        guard let set, set.memberCount > 1 else { return entry }
        var result = set.capture.entry
        result.name = entry.name
        result.hardLinkKey = nameHash(set.smallestPath)
        return result
    }
}
