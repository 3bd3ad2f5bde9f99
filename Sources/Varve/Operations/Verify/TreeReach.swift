import VarveFormat

/// What snapshots reach: each tree, list and data blob once, however many name it.
struct TreeReach {
    private let graph: TreeGraph
    /// Trees and lists, by first place.
    private(set) var trees: BitSet
    /// Data blobs, by first place.
    private(set) var data: BitSet
    /// Blobs that no pack has, by their number in the graph.
    private(set) var absent: BitSet

    init(_ graph: TreeGraph, _ inventory: StoredInventory) {
        self.graph = graph
        trees = BitSet(limit: inventory.tree.count)
        data = BitSet(limit: inventory.data.count)
        absent = BitSet(limit: graph.absent.count)
    }

    /// Adds everything that a root tree reaches.
    mutating func add(root: Int) {
        guard trees.insert(root) else { return }
        var pending = [root]
        while let place = pending.popLast() {
            for reference in graph.references(of: graph.nodes[place]) {
                switch reference.target {
                case .data(let place): data.insert(place)
                case .absent(let number): absent.insert(number)
                case .tree(let place): if trees.insert(place) { pending.append(place) }
                }
            }
        }
    }
}
