import Varve
import VarveFormat

/// Which paths of a snapshot cannot be restored exactly, found by reading everything: the model that a verification is
/// held to. A directory stands for all below it.
struct LossModel {
    private let repository: Repository
    private let loader: BlobLoader
    private var good: [BlobID: Bool] = [:]

    init(_ repository: Repository) throws {
        self.repository = repository
        loader = repository.loader(try repository.openIndex(isUsable: nil))
    }

    mutating func lostPaths(_ manifest: Manifest) -> Set<String> {
        var lost: Set<String> = []
        guard let root = tree(manifest.treeRoot, isRoot: true) else { return ["/"] }
        var pending: [(path: String, entries: [TreeEntry])] = [("", root)]
        while let (path, entries) = pending.popLast() {
            for entry in entries {
                let name = String(decoding: entry.name, as: UTF8.self)
                let entryPath = name.isEmpty ? "" : path + "/" + name
                switch entry.content {
                case .file(let size, let blobs):
                    if length(blobs) != size { lost.insert(entryPath) }
                case .directory(let content):
                    if let entries = self.entries(content) {
                        pending.append((entryPath, entries))
                    } else {
                        lost.insert(entryPath.isEmpty ? "/" : entryPath)
                    }
                case .symlink, .device, .none: break
                }
            }
        }
        return lost
    }

    private func tree(_ id: BlobID, isRoot: Bool = false) -> [TreeEntry]? {
        guard let bytes = try? loader.load(.tree, id) else { return nil }
        return try? TreeCoding.parse(bytes, isRoot: isRoot)
    }

    private func entries(_ content: DirectoryContent) -> [TreeEntry]? {
        switch content {
        case .empty: return []
        case .tree(let id): return tree(id)
        case .treeList(let id):
            guard let pieces = leaves(.treeList, id) else { return nil }
            var entries: [TreeEntry] = []
            for piece in pieces {
                guard let part = tree(piece) else { return nil }
                entries += part
            }
            return entries
        }
    }

    private mutating func length(_ content: FileContent) -> UInt64? {
        let ids: [BlobID]
        switch content {
        case .empty: return 0
        case .blobs(let blobs): ids = blobs
        case .list(let id):
            guard let blobs = leaves(.list, id) else { return nil }
            ids = blobs
        }
        var length: UInt64 = 0
        for id in ids {
            guard let blob = try? loader.load(.data, id) else { return nil }
            length += UInt64(blob.count)
        }
        return length
    }

    private func leaves(_ type: BlobType, _ root: BlobID) -> [BlobID]? {
        guard let bytes = try? loader.load(type, root), let node = try? BlobListNode(parsing: bytes) else { return nil }
        if node.level == 0 { return node.ids }
        var leaves: [BlobID] = []
        for id in node.ids {
            guard let below = self.leaves(type, id) else { return nil }
            leaves += below
        }
        return leaves
    }
}
