import VarveFormat

/// The pages of a database as the parent snapshot has them, walked beside a capture of the same database: a page that
/// is new is stored as what changed since, and so are the lists of pages (FORMAT.md section 7).
///
/// Whatever cannot be read ends the walk: it only saves space.
final class ParentPages {
    private struct Node {
        let level: Int
        let ids: [BlobID]
        var next = 0
    }

    private let loader: BlobLoader
    private var ids: [BlobID] = []
    private var root: BlobID?
    private var nodes: [Node] = []
    /// Lists of level 0 that were met and not asked for yet, from `firstLeaf` on.
    private var leaves: [BlobID] = []
    private var firstLeaf = 0

    init(_ content: FileContent, loader: BlobLoader) {
        self.loader = loader
        switch content {
        case .empty: break
        case .blobs(let ids): self.ids = ids
        case .list(let root): self.root = root
        }
        if !ids.isEmpty { nodes = [Node(level: 0, ids: ids)] }
    }

    /// The parent's page where the next page of the capture stands; nil behind its end.
    func next() -> BlobID? {
        guard descend(), let last = nodes.indices.last else { return nil }
        nodes[last].next += 1
        return nodes[last].ids[nodes[last].next - 1]
    }

    /// Passes over pages.
    func skip(_ count: UInt64) {
        var left = count
        while left > 0, descend(), let last = nodes.indices.last {
            let step = min(left, UInt64(nodes[last].ids.count - nodes[last].next))
            nodes[last].next += Int(step)
            left -= step
        }
    }

    /// The parent's list where the next list of the capture stands, level 0 only; nil behind its end. To be asked for
    /// after the pages that it names.
    func nextLeaf() -> BlobID? {
        guard firstLeaf < leaves.count else { return nil }
        firstLeaf += 1
        let leaf = leaves[firstLeaf - 1]
        if firstLeaf >= 1_024 {
            leaves.removeFirst(firstLeaf)
            firstLeaf = 0
        }
        return leaf
    }

    /// Goes to the next list of level 0 that has pages left; false at the end.
    private func descend() -> Bool {
        if let root {
            self.root = nil
            guard push(root, level: nil) else { return false }
        }
        while let last = nodes.indices.last {
            guard nodes[last].next < nodes[last].ids.count else {
                nodes.removeLast()
                continue
            }
            if nodes[last].level == 0 { return true }
            let child = nodes[last].ids[nodes[last].next]
            nodes[last].next += 1
            guard push(child, level: nodes[last].level - 1) else { return false }
        }
        return false
    }

    private func push(_ id: BlobID, level: Int?) -> Bool {
        guard let bytes = try? loader.load(.list, id), let node = try? BlobListNode(parsing: bytes),
            level == nil || node.level == level
        else {
            nodes.removeAll()
            return false
        }
        if node.level == 0 { leaves.append(id) }
        nodes.append(Node(level: node.level, ids: node.ids))
        return true
    }
}

/// Finds what the parent snapshot has of a file.
final class ParentContents: Sendable {
    private let root: BlobID
    private let loader: BlobLoader

    init(root: BlobID, loader: BlobLoader) {
        self.root = root
        self.loader = loader
    }

    /// The pages of the file at an absolute path; nil if the parent has no such file or it cannot be read.
    func pages(at path: [UInt8]) -> ParentPages? {
        do throws(StoreError) {
            var entry = try TreePath.rootEntry(loader, root)
            for name in TreePath.components(path) {
                guard let found = try TreePath.find(name, in: entry, loader) else { return nil }
                entry = found
            }
            guard case .file(_, let content) = entry.content else { return nil }
            return ParentPages(content, loader: loader)
        } catch { return nil }
    }
}
