import Varve
import VarveFormat

/// Which paths of a snapshot cannot be restored exactly, found by reading everything: the model that a verification is
/// held to. A directory stands for all below it.
struct LossModel {
    private let repository: Repository
    private let index: BlobIndex
    private let loader: BlobLoader
    private let reader: PackReader
    private var frames: [FrameLocation: [UInt8]] = [:]
    private var lengths: [BlobID: UInt64] = [:]

    init(_ repository: Repository) throws {
        self.repository = repository
        index = try repository.openIndex(isUsable: nil)
        loader = repository.loader(index)
        reader = PackReader(backend: repository.backend, keys: repository.keys, repository: repository.id)
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
            guard let blob = lengths[id] ?? self.length(ofBlob: id) else { return nil }
            lengths[id] = blob
            length += blob
        }
        return length
    }

    /// Each frame is decoded once, unless it is damaged.
    private mutating func length(ofBlob id: BlobID) -> UInt64? {
        for place in index.locations(of: id) where place.type == .data {
            if frames[place.frame] == nil, let handle = try? reader.handle(place.frame.pack, kind: place.frame.kind) {
                frames[place.frame] = try? FrameReader(reader).read(handle, place.frame)
            }
            guard let frame = frames[place.frame] else { continue }
            let blob = Array(frame[place.offset..<place.offset + place.length])
            if repository.keys.blobHasher.id(.data, blob) == id { return UInt64(blob.count) }
        }
        return (try? loader.load(.data, id)).map { UInt64($0.count) }
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
