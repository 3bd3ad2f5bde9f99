package import VarveFormat

/// The packs that a listing found (FORMAT.md sections 2 and 12).
package struct PackListing: Sendable {
    /// What a listing says about a pack.
    package struct Entry: Hashable, Sendable {
        package let kind: FileKind
        /// Bytes of the whole pack.
        package let length: UInt64
    }

    package private(set) var packs: [PackID: Entry] = [:]

    /// Lists the packs of a repository; names that are not of the documented form, or lie in the wrong directory, are
    /// ignored.
    package init(_ backend: any Backend) throws(StoreError) {
        for kind in [FileKind.dataPack, .treePack] {
            let root = RepositoryPath.packs(kind)
            for directory in try backend.list(root) where directory.isDirectory {
                for file in try backend.list(root + "/" + directory.name) where !file.isDirectory {
                    guard let id = PackID(hex: file.name), file.name.hasPrefix(directory.name),
                        directory.name.utf8.count == 2
                    else { continue }
                    packs[id] = Entry(kind: kind, length: file.size)
                }
            }
        }
    }

    /// Whether the pack was found.
    package func contains(_ id: PackID) -> Bool { packs[id] != nil }
}

/// Reads the ends of packs that no index file names: an index may be older than the packs beside it, as in a copy that
/// was made while a backup ran, or lost.
package struct PackScanner {
    private let backend: any Backend
    private let reader: PackReader

    package init(backend: any Backend, reader: PackReader) {
        self.backend = backend
        self.reader = reader
    }

    /// Lists the packs, and reads the directories of those that are not `known`.
    ///
    /// - Returns: the directories, and why others could not be read.
    package func unindexed(known: Set<PackID>) throws(StoreError) -> (packs: [SegmentPack], problems: [StoreError]) {
        var packs: [SegmentPack] = []
        var problems: [StoreError] = []
        let listing = try PackListing(backend)
        for (id, entry) in listing.packs.sorted(by: { $0.key < $1.key }) where !known.contains(id) {
            do throws(StoreError) {
                packs.append(try reader.segmentPack(id, kind: entry.kind))
            } catch {
                guard [.damaged, .unsupported, .missing].contains(error.code) else { throw error }
                problems.append(error)
            }
        }
        return (packs, problems)
    }
}
