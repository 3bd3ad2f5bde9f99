import Varve
import VarveFormat

/// Reads a snapshot back through the index and the packs, every byte of it, without what restores it.
final class SnapshotContents {
    private struct FrameKey: Hashable {
        let pack: PackID
        let number: Int
    }

    private let repository: Repository
    private let index: BlobIndex
    private let loader: BlobLoader
    private let packs: PackReader
    private let frameReader: FrameReader
    private var frames: [FrameKey: [UInt8]] = [:]

    init(_ repository: Repository) throws(StoreError) {
        self.repository = repository
        index = try repository.openIndex(isUsable: nil)
        loader = repository.loader(index)
        packs = PackReader(backend: repository.backend, keys: repository.keys, repository: repository.id)
        frameReader = try FrameReader(packs)
    }

    /// Index files that could not be used.
    var problems: [StoreError] { index.problems }

    /// Whether an index file names the packs of the snapshot's trees.
    func isIndexed(_ manifest: Manifest) -> Bool { index.contains(manifest.treeRoot) }

    /// Everything below `source`, and the source itself.
    func read(_ manifest: Manifest, below source: [UInt8]) throws -> [[UInt8]: SourceTree.Item] {
        var items: [[UInt8]: SourceTree.Item] = [:]
        let root = try TreeCoding.parse(try loader.load(.tree, manifest.treeRoot), isRoot: true)
        var pending = root.map { (path: $0.name, entry: $0) }
        while let (path, entry) = pending.popLast() {
            let item = try item(entry)
            if path.starts(with: source) { items[path] = item }
            guard case .directory(let content) = entry.content else { continue }
            for child in try children(content) { pending.append((path + [UInt8(ascii: "/")] + child.name, child)) }
        }
        return items
    }

    private func item(_ entry: TreeEntry) throws -> SourceTree.Item {
        switch entry.content {
        case .none, .device: return .special(entry.type)
        case .directory: return .directory
        case .symlink(let target): return .symlink(target)
        case .file(let size, let content):
            var bytes: [UInt8] = []
            switch content {
            case .empty: break
            case .blobs(let ids): for id in ids { bytes += try data(id) }
            case .list(let id): for id in try leaves(id, .list) { bytes += try data(id) }
            }
            guard bytes.count == Int(size) else {
                throw StoreError(.damaged, "a file of \(size) bytes reads as \(bytes.count)", path: entry.name)
            }
            return .file(bytes)
        }
    }

    /// A frame holds many blobs, and is kept once it was read; the loader reads it for each.
    private func data(_ id: BlobID) throws -> ArraySlice<UInt8> {
        guard let location = index.locations(of: id).first else { return try loader.load(.data, id)[...] }
        let key = FrameKey(pack: location.frame.pack, number: location.frame.number)
        if frames[key] == nil {
            let handle = try packs.handle(location.frame.pack, kind: location.frame.kind)
            frames[key] = try frameReader.read(handle, location.frame)
        }
        let blob = (frames[key] ?? [])[location.offset..<location.offset + location.length]
        guard blob.withUnsafeBytes({ repository.keys.blobHasher.id(.data, $0) }) == id else {
            throw StoreError(.damaged, "a blob does not hash to its id")
        }
        return blob
    }

    private func children(_ content: DirectoryContent) throws -> [TreeEntry] {
        switch content {
        case .empty: return []
        case .tree(let id): return try TreeCoding.parse(try loader.load(.tree, id))
        case .treeList(let id):
            return try leaves(id, .treeList).flatMap { try TreeCoding.parse(try loader.load(.tree, $0)) }
        }
    }

    /// The ids at the bottom of a list, in order.
    private func leaves(_ root: BlobID, _ type: BlobType) throws -> [BlobID] {
        var leaves: [BlobID] = []
        var pending = [root]
        while let id = pending.popLast() {
            let node = try BlobListNode(parsing: try loader.load(type, id))
            if node.level == 0 { leaves += node.ids } else { pending += node.ids.reversed() }
        }
        return leaves
    }
}
