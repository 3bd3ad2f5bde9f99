import Synchronization
import VarveFormat

/// What one blob of a tree or list says about another.
struct BlobReference: Sendable {
    enum Target {
        /// A place in the table of data blobs.
        case data(Int)
        /// A place in the table of trees and lists.
        case tree(Int)
        /// A number in the list of blobs that no pack has.
        case absent(Int)
    }

    private let raw: UInt32

    init(_ target: Target) {
        switch target {
        case .data(let place): raw = UInt32(place)
        case .tree(let place): raw = UInt32(place) | 1 << 30
        case .absent(let number): raw = UInt32(number) | 2 << 30
        }
    }

    var target: Target {
        let number = Int(raw & (1 << 30 - 1))
        switch raw >> 30 {
        case 0: return .data(number)
        case 1: return .tree(number)
        default: return .absent(number)
        }
    }
}

/// Which trees, lists and data blobs every tree and list names: four bytes a reference, and no names.
struct TreeGraph: Sendable {
    enum Kind: UInt8, Sendable {
        /// Not read: no place of it is whole.
        case unread
        case tree
        /// A tree that only a manifest may name.
        case rootTree
        case list
        case treeList
        /// Whole, but not of the documented form.
        case malformed
    }

    struct Node: Sendable {
        var kind = Kind.unread
        var level: UInt8 = 0
        /// Whether it holds a file whose blobs do not add up to its size.
        var hasFault = false
        var referenceCount: UInt32 = 0
        var firstReference = 0
    }

    /// A file whose blobs stand in a list.
    struct ListedFile: Sendable {
        let list: Int
        let size: UInt64
    }

    /// By the first place of the blob.
    var nodes: [Node]
    var references: [BlobReference] = []
    /// Blobs that are named and that no pack has.
    var absent: [BlobID] = []
    /// By the tree.
    var listedFiles: [Int: [ListedFile]] = [:]

    init(count: Int) { nodes = [Node](repeating: Node(), count: count) }

    func references(of node: Node) -> ArraySlice<BlobReference> {
        references[node.firstReference..<node.firstReference + Int(node.referenceCount)]
    }
}

/// Fills a graph from any number of threads.
final class TreeGraphBuilder: Sendable {
    /// What one blob says, before the graph takes it in.
    private struct Parsed {
        var node = TreeGraph.Node()
        var targets: [BlobReference] = []
        var absent: [(position: Int, id: BlobID)] = []
        var listedFiles: [TreeGraph.ListedFile] = []
        var failure: StoreError?
    }

    private let data: BlobTable
    private let tree: BlobTable
    private let graph: Mutex<TreeGraph>
    private let failure = Mutex<StoreError?>(nil)

    init(data: BlobTable, tree: BlobTable) {
        self.data = data
        self.tree = tree
        graph = Mutex(TreeGraph(count: tree.count))
    }

    /// The graph of everything that was added; leaves none here.
    ///
    /// - Throws: `failed` if a temporary file could not be read.
    func finish() throws(StoreError) -> TreeGraph {
        if let failure = failure.withLock({ $0 }) { throw failure }
        return graph.withLock { graph in
            defer { graph = TreeGraph(count: 0) }
            return graph
        }
    }

    /// Adds a tree or list whose bytes hash to its id.
    func add(place: Int, _ bytes: UnsafeRawBufferPointer) {
        let parsed = parse(tree.type(place), Array(bytes))
        let first: Int
        do throws(StoreError) {
            if let failure = parsed.failure { throw failure }
            first = try tree.firstPlace(place)
        } catch {
            failure.withLock { $0 = error }
            return
        }
        graph.withLock { graph in
            guard graph.nodes[first].kind == .unread else { return }
            var node = parsed.node
            node.firstReference = graph.references.count
            node.referenceCount = UInt32(parsed.targets.count)
            graph.references += parsed.targets
            for (position, id) in parsed.absent {
                graph.references[node.firstReference + position] = BlobReference(.absent(graph.absent.count))
                graph.absent.append(id)
            }
            if !parsed.listedFiles.isEmpty { graph.listedFiles[first] = parsed.listedFiles }
            graph.nodes[first] = node
        }
    }

    private func parse(_ type: BlobType, _ bytes: [UInt8]) -> Parsed {
        do throws(FormatError) {
            if type == .tree { return try parseTree(bytes) }
            return try parseList(type, bytes)
        } catch {
            var parsed = Parsed()
            parsed.node.kind = .malformed
            return parsed
        }
    }

    private func parseTree(_ bytes: [UInt8]) throws(FormatError) -> Parsed {
        var parsed = Parsed()
        var entries: [TreeEntry] = []
        parsed.node.kind = .tree
        do throws(FormatError) {
            entries = try TreeCoding.parse(bytes)
        } catch {
            entries = try TreeCoding.parse(bytes, isRoot: true)
            parsed.node.kind = .rootTree
        }
        for entry in entries {
            switch entry.content {
            case .file(let size, .blobs(let ids)):
                var length: UInt64 = 0
                for id in ids { length += addData(id, to: &parsed) }
                // Of absent blobs the length is not known; they are found wanting anyway.
                if parsed.absent.isEmpty, length != size { parsed.node.hasFault = true }
            case .file(let size, .list(let id)):
                if let place = addTree(.list, id, to: &parsed) {
                    parsed.listedFiles.append(TreeGraph.ListedFile(list: place, size: size))
                }
            case .directory(.tree(let id)): _ = addTree(.tree, id, to: &parsed)
            case .directory(.treeList(let id)): _ = addTree(.treeList, id, to: &parsed)
            case .file(_, .empty), .directory(.empty), .symlink, .device, .none: break
            }
        }
        return parsed
    }

    private func parseList(_ type: BlobType, _ bytes: [UInt8]) throws(FormatError) -> Parsed {
        var parsed = Parsed()
        let list = try BlobListNode(parsing: bytes)
        parsed.node.kind = type == .list ? .list : .treeList
        parsed.node.level = UInt8(list.level)
        for id in list.ids {
            if list.level > 0 {
                _ = addTree(type, id, to: &parsed)
            } else if type == .list {
                _ = addData(id, to: &parsed)
            } else {
                _ = addTree(.tree, id, to: &parsed)
            }
        }
        return parsed
    }

    /// Returns the length of the blob.
    private func addData(_ id: BlobID, to parsed: inout Parsed) -> UInt64 {
        guard let place = place(of: id, .data, in: data, &parsed) else {
            addAbsent(id, to: &parsed)
            return 0
        }
        parsed.targets.append(BlobReference(.data(place)))
        return UInt64(data.length(place))
    }

    private func addTree(_ type: BlobType, _ id: BlobID, to parsed: inout Parsed) -> Int? {
        guard let place = place(of: id, type, in: tree, &parsed) else {
            addAbsent(id, to: &parsed)
            return nil
        }
        parsed.targets.append(BlobReference(.tree(place)))
        return place
    }

    private func place(of id: BlobID, _ type: BlobType, in table: BlobTable, _ parsed: inout Parsed) -> Int? {
        do throws(StoreError) { return try table.place(of: id, type) } catch {
            parsed.failure = error
            return nil
        }
    }

    private func addAbsent(_ id: BlobID, to parsed: inout Parsed) {
        parsed.absent.append((parsed.targets.count, id))
        parsed.targets.append(BlobReference(.absent(0)))
    }
}
