package import VarveFormat

extension Repository {
    /// The directory for caches of this repository at this place: a copy elsewhere has the same id, but may hold less.
    package var cacheDirectory: String? { indexCache?.directory }

    package var indexCache: IndexCache? {
        options.cacheDirectory.flatMap { IndexCache(root: $0, repository: id, location: location) }
    }

    /// Seals and opens index files, manifests and records.
    package var sealed: SealedFile { SealedFile(keys: keys, repository: id) }

    /// Opens the blob index.
    ///
    /// - Parameter isUsable: whether the blobs of a pack count; nil if all do.
    package func openIndex(isUsable: (@Sendable (PackID) -> Bool)?) throws(StoreError) -> BlobIndex {
        try BlobIndexOpener(
            backend: backend, keys: keys, repository: id, cache: indexCache, isUsable: isUsable
        ).open()
    }

    /// Whether the manifest of a snapshot is there; also true where that cannot be told.
    package func hasManifest(_ id: SnapshotID) -> Bool {
        do throws(StoreError) {
            _ = try backend.open(RepositoryPath.file(.manifest, id))
            return true
        } catch { return error.code != .missing }
    }

    /// Loads trees and lists by an index; a writer must not search packs that no index file names.
    ///
    /// - Parameter cacheBytes: of decoded frames to keep.
    package func loader(
        _ index: BlobIndex, cacheBytes: Int = 16 << 20, searchesUnindexedPacks: Bool = true
    ) -> BlobLoader {
        BlobLoader(
            backend: backend, reader: PackReader(backend: backend, keys: keys, repository: id), index: index,
            cacheBytes: cacheBytes, searchesUnindexedPacks: searchesUnindexedPacks)
    }
}
