package import VarveFormat

/// Opens the index of a repository: takes segments from the cache, fetches index files that the cache lacks, and merges
/// small segments into larger ones, like a log-structured merge tree (O'Neil et al., 1996).
package struct BlobIndexOpener {
    /// Small segments are merged up to this length, which bounds the memory that merging takes.
    private static let mergeLimit = 32 << 20
    /// So many segments are left alone before some are merged.
    private static let fewSegments = 6

    private let backend: any Backend
    private let sealed: SealedFile
    private let repository: RepositoryID
    private let cache: IndexCache?
    private let memoryLimit: Int
    private let isUsable: (@Sendable (PackID) -> Bool)?

    /// A segment on its way into the index.
    private struct Part {
        let memory: SegmentMemory
        let sources: [FileID]
        /// In the cache.
        let name: String?
        var byteCount: Int { memory.bytes.count }
    }

    /// - Parameters:
    ///   - cache: nil to keep segments in memory.
    ///   - memoryLimit: bytes of segments that may be kept in memory.
    ///   - isUsable: whether the entries of a pack count; nil if all do. A writer passes the packs that it found in its
    ///     listing and that no condemned record names.
    package init(
        backend: any Backend, keys: KeyChain, repository: RepositoryID, cache: IndexCache?,
        memoryLimit: Int = 1 << 30, isUsable: (@Sendable (PackID) -> Bool)? = nil
    ) {
        self.backend = backend
        sealed = SealedFile(keys: keys, repository: repository)
        self.repository = repository
        self.cache = cache
        self.memoryLimit = memoryLimit
        self.isUsable = isUsable
    }

    /// Opens the index.
    ///
    /// - Throws: `refused` if there is no cache and the index does not fit in memory; what the storage throws. Damaged
    ///   index files are reported as `problems` of the index instead.
    package func open() throws(StoreError) -> BlobIndex {
        let names = try backend.list(RepositoryPath.index).compactMap { FileID(hex: $0.name) }
        var parts = cached(Set(names))
        let known = Set(parts.flatMap(\.sources))
        var problems: [StoreError] = []
        var fetched: [Part] = []
        for name in names where !known.contains(name) {
            guard let part = try fetch(name, &problems) else { continue }
            if fetched.reduce(part.byteCount, { $0 + $1.byteCount }) > Self.mergeLimit {
                try keep(&fetched, in: &parts)
            }
            fetched.append(part)
        }
        try keep(&fetched, in: &parts)
        try merge(&parts)
        var segments: [IndexSegment] = []
        for part in parts.sorted(by: { $0.byteCount > $1.byteCount }) {
            do throws(FormatError) {
                segments.append(
                    try IndexSegment(part.memory, repository: repository, sources: part.sources, isUsable: isUsable))
            } catch { problems.append(StoreError(error, path: part.name)) }
        }
        return BlobIndex(
            repository: repository, segments: segments, cache: cache, isUsable: isUsable, problems: problems)
    }

    /// Cached segments of index files that are all there, each index file in one segment only.
    private func cached(_ names: Set<FileID>) -> [Part] {
        guard let cache else { return [] }
        var parts: [Part] = []
        var taken: Set<FileID> = []
        // Those of many index files first: another run may have left the segments that it merged.
        for stored in cache.load().sorted(by: { $0.sources.count > $1.sources.count }) {
            let isWhole =
                !stored.sources.isEmpty && stored.sources.allSatisfy { names.contains($0) && !taken.contains($0) }
                && (try? SegmentView(validating: stored.memory.bytes, repository: repository)) != nil
            if isWhole {
                taken.formUnion(stored.sources)
                parts.append(Part(memory: stored.memory, sources: stored.sources, name: stored.name))
            } else {
                cache.remove(stored.name)
            }
        }
        return parts
    }

    private func fetch(_ name: FileID, _ problems: inout [StoreError]) throws(StoreError) -> Part? {
        do throws(StoreError) {
            let memory = SegmentMemory(copying: try sealed.read(.index, name, from: backend))
            do throws(FormatError) {
                try SegmentView(validating: memory.bytes, repository: repository).checkBlobs()
            } catch { throw StoreError(error, path: RepositoryPath.file(.index, name)) }
            return Part(memory: memory, sources: [name], name: nil)
        } catch {
            switch error.code {
            // A collector removed it after the listing: what it named stands in another one.
            case .missing: return nil
            case .damaged, .unsupported:
                problems.append(error)
                return nil
            default: throw error
            }
        }
    }

    /// Moves fetched segments, merged into one, into the cache, or keeps them in memory.
    private func keep(_ fetched: inout [Part], in parts: inout [Part]) throws(StoreError) {
        guard !fetched.isEmpty else { return }
        let merged = try mergedPart(fetched)
        fetched.removeAll()
        parts.append(merged)
        guard merged.memory.isCopied else { return }
        let held = parts.reduce(0) { $0 + ($1.memory.isCopied ? $1.byteCount : 0) }
        guard held <= memoryLimit else {
            throw StoreError(
                .refused, "the index of this repository does not fit in \(memoryLimit >> 20) MiB of memory",
                remedy: "use a cache directory")
        }
    }

    /// Merges the small segments if there are many: as many of them as are not much longer than all before together,
    /// so that each entry is written again only about as often as the index doubles.
    private func merge(_ parts: inout [Part]) throws(StoreError) {
        guard parts.count > Self.fewSegments else { return }
        parts.sort { $0.byteCount < $1.byteCount }
        var count = 1
        var length = parts[0].byteCount
        while count < parts.count, parts[count].byteCount <= 2 * length,
            length + parts[count].byteCount <= Self.mergeLimit
        {
            length += parts[count].byteCount
            count += 1
        }
        guard count > 1 else { return }
        let small = Array(parts.prefix(count))
        parts.removeFirst(count)
        parts.append(try mergedPart(small))
        for name in small.compactMap(\.name) { cache?.remove(name) }
    }

    private func mergedPart(_ parts: [Part]) throws(StoreError) -> Part {
        let sources = parts.flatMap(\.sources)
        if parts.count == 1, let only = parts.first, cache == nil { return only }
        let bytes: [UInt8]
        do throws(FormatError) {
            var views: [SegmentView] = []
            for part in parts { views.append(try SegmentView(validating: part.memory.bytes, repository: repository)) }
            bytes = try SegmentBuilder.build(repository: repository, packs: [], merging: views)
        } catch { throw StoreError(error) }
        if let stored = cache?.store(bytes, sources: sources) {
            return Part(memory: stored.memory, sources: sources, name: stored.name)
        }
        return Part(memory: SegmentMemory(copying: bytes), sources: sources, name: nil)
    }
}
