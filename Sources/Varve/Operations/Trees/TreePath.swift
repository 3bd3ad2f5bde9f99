package import VarveFormat

/// Finds single entries of a snapshot's tree.
package enum TreePath {
    private static let slash = UInt8(ascii: "/")

    /// The names that a path leads through; empty ones and `.` are left out.
    package static func components(_ path: [UInt8]) -> [[UInt8]] {
        path.split(separator: slash).map(Array.init).filter { $0 != [UInt8(ascii: ".")] }
    }

    /// The absolute path of names.
    package static func joined(_ components: some Collection<[UInt8]>) -> [UInt8] {
        components.isEmpty ? [slash] : components.reduce(into: []) { $0 += [slash] + $1 }
    }

    /// The entry of the directory `/`.
    ///
    /// - Throws: `damaged` or `missing` if the root tree is.
    package static func rootEntry(_ loader: BlobLoader, _ root: BlobID) throws(StoreError) -> TreeEntry {
        let bytes = try loader.load(.tree, root)
        do throws(FormatError) {
            let entries = try TreeCoding.parse(bytes, isRoot: true)
            guard let entry = entries.first else { throw FormatError(.malformed, "an empty root tree") }
            return entry
        } catch { throw StoreError(error) }
    }

    /// The entries of a directory, or of a piece of a large one.
    package static func entries(_ loader: BlobLoader, _ id: BlobID) throws(StoreError) -> [TreeEntry] {
        let bytes = try loader.load(.tree, id)
        do throws(FormatError) { return try TreeCoding.parse(bytes) } catch { throw StoreError(error) }
    }

    /// The entry of a name in a directory; nil if it has none, or is no directory.
    package static func find(
        _ name: [UInt8], in entry: TreeEntry, _ loader: BlobLoader
    ) throws(StoreError) -> TreeEntry? {
        switch entry.content {
        case .directory(.tree(let id)):
            return find(name, in: try entries(loader, id))
        case .directory(.treeList(let id)):
            var pieces = BlobListCursor(.treeList, root: id)
            while let piece = try pieces.next(loader) {
                let entries = try entries(loader, piece)
                guard let last = entries.last, last.name.lexicographicallyPrecedes(name) else {
                    return find(name, in: entries)
                }
            }
            return nil
        default: return nil
        }
    }

    private static func find(_ name: [UInt8], in entries: [TreeEntry]) -> TreeEntry? {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].name == name { return entries[middle] }
            if entries[middle].name.lexicographicallyPrecedes(name) { low = middle + 1 } else { high = middle }
        }
        return nil
    }
}
