import Synchronization
import VarveFormat

/// Tells whether every blob of a long file is in the repository, so that its old entry may be used again.
final class ListChecker: Sendable {
    private let index: BlobIndex
    private let loader: BlobLoader

    init(index: BlobIndex, loader: BlobLoader) {
        self.index = index
        self.loader = loader
    }

    /// Whether the list, the lists below it and all data blobs are there.
    func isComplete(_ root: BlobID) -> Bool {
        var pending = [root]
        // The lists of a file with a huge hole are the same many times over.
        var seen: Set<BlobID> = [root]
        while let id = pending.popLast() {
            guard index.contains(id), let bytes = try? loader.load(.list, id),
                let node = try? BlobListNode(parsing: bytes)
            else { return false }
            if node.level > 0 {
                for child in node.ids where seen.insert(child).inserted { pending.append(child) }
            } else {
                var last: BlobID?
                for child in node.ids where child != last {
                    guard index.contains(child) else { return false }
                    last = child
                }
            }
        }
        return true
    }
}

extension ArchiveRun {
    /// Whether the repository holds every blob of a file.
    func isStored(_ content: FileContent) -> Bool {
        switch content {
        case .empty: true
        case .blobs(let ids): ids.allSatisfy(index.contains)
        case .list(let id): lists.isComplete(id)
        }
    }
}
