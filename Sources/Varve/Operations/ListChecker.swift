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
        while let id = pending.popLast() {
            guard index.contains(id), let bytes = try? loader.load(.list, id),
                let node = try? BlobListNode(parsing: bytes)
            else { return false }
            if node.level > 0 {
                pending += node.ids
            } else if !node.ids.allSatisfy(index.contains) {
                return false
            }
        }
        return true
    }
}
