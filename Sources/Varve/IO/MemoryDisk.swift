/// A file system as a value: numbered nodes, so that files keep their bytes through renames. Node 0 is the root.
package struct MemoryDisk: Sendable {
    /// The names in each directory.
    package var directories: [Int: [String: Int]] = [0: [:]]
    package var files: [Int: [UInt8]] = [:]
    private var lastNode = 0

    package init() {}

    package mutating func newNode() -> Int {
        lastNode += 1
        return lastNode
    }

    /// The node of a path; nil if there is none.
    package func node(_ path: String) -> Int? {
        var node = 0
        for name in path.split(separator: "/") {
            guard let next = directories[node]?[String(name)] else { return nil }
            node = next
        }
        return node
    }

    /// The directory that holds or would hold a path, and the name in it.
    package func place(_ path: String) -> (directory: Int, name: String)? {
        guard let directory = node(LayerPath.parent(path)), directories[directory] != nil else { return nil }
        return (directory, LayerPath.name(path))
    }

    /// Every path, each directory before what it holds, with the bytes of files.
    package var contents: [(path: String, bytes: [UInt8]?)] {
        var result: [(path: String, bytes: [UInt8]?)] = []
        var pending = [("", 0)]
        while let (directory, node) = pending.popLast() {
            for (name, child) in (directories[node] ?? [:]).sorted(by: { $0.key < $1.key }) {
                let path = LayerPath.join(directory, name)
                if directories[child] != nil { pending.append((path, child)) }
                result.append((path, directories[child] == nil ? files[child] ?? [] : nil))
            }
        }
        return result
    }

    /// Writes everything into a directory that is there and empty.
    package func materialize(into layer: any FileLayer) throws(StoreError) {
        for (path, bytes) in contents {
            guard let bytes else {
                try layer.makeDirectory(path)
                continue
            }
            let file = try layer.create(path)
            var failure: StoreError?
            bytes.withUnsafeBytes { buffer in
                do throws(StoreError) { try file.writeAll(buffer, at: 0) } catch { failure = error }
            }
            if let failure { throw failure }
        }
    }
}
