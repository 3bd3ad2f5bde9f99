import Synchronization
package import VarveFormat

/// Loads single blobs, above all trees and lists, from wherever they are whole. Used by any thread.
///
/// Every place of a blob is tried before it is given up; a blob that the index does not have is looked for in the packs
/// that no index file names.
package final class BlobLoader: Sendable {
    private let backend: any Backend
    private let reader: PackReader
    private let index: BlobIndex
    private let cache: Mutex<FrameCache>
    private let searchesUnindexedPacks: Bool
    /// Whether the packs without an index file have been read.
    private let hasScanned = Mutex(false)

    /// - Parameters:
    ///   - cacheBytes: of decoded frames to keep.
    ///   - searchesUnindexedPacks: false for writers, whose index must not learn of packs that no index file names:
    /// those
    ///     may not be durable yet, and a snapshot that relies on them could lose them (FORMAT.md section 11).
    package init(
        backend: any Backend, reader: PackReader, index: BlobIndex, cacheBytes: Int = 16 << 20,
        searchesUnindexedPacks: Bool = true
    ) {
        self.searchesUnindexedPacks = searchesUnindexedPacks
        self.backend = backend
        self.reader = reader
        self.index = index
        cache = Mutex(FrameCache(limit: cacheBytes))
    }

    /// The bytes of a blob, which hash to its id.
    ///
    /// - Throws: `missing` if no pack has it; `damaged` if none has it whole.
    package func load(_ type: BlobType, _ id: BlobID) throws(StoreError) -> [UInt8] {
        var failure: StoreError?
        if let blob = try load(type, id, index.locations(of: id), &failure) { return blob }
        if searchesUnindexedPacks {
            try scan()
            if let blob = try load(type, id, index.locations(of: id), &failure) { return blob }
        }
        throw failure ?? StoreError(.missing, "no pack has the blob \(id.hex)")
    }

    private func load(
        _ type: BlobType, _ id: BlobID, _ locations: [BlobLocation], _ failure: inout StoreError?
    ) throws(StoreError) -> [UInt8]? {
        for location in locations where location.type == type {
            do throws(StoreError) {
                let frame = try frame(location.frame)
                let blob = Array(frame[location.offset..<location.offset + location.length])
                if reader.keys.blobHasher.id(type, blob) == id { return blob }
                throw StoreError(
                    .damaged, "the bytes of the blob \(id.hex) do not hash to its id",
                    path: RepositoryPath.pack(location.frame.kind, location.frame.pack))
            } catch {
                guard [.damaged, .missing, .unsupported].contains(error.code) else { throw error }
                // Damage says more than an absent pack, of which the index is merely too old or too new.
                if failure == nil || failure?.code == .missing { failure = error }
            }
        }
        return nil
    }

    private func frame(_ location: FrameLocation) throws(StoreError) -> [UInt8] {
        let key = FrameCache.Key(pack: location.pack, number: location.number)
        if let frame = cache.withLock({ $0.frame(key) }), frame.count == location.rawLength { return frame }
        let handle = try reader.handle(location.pack, kind: location.kind)
        let frame = try FrameReader(reader, findBase: index.frameLocation).read(handle, location)
        if location.kind == .treePack { cache.withLock { $0.insert(frame, key) } }
        return frame
    }

    private func scan() throws(StoreError) {
        // Under the lock: whoever comes second waits for what the first one finds.
        let failure = hasScanned.withLock { hasScanned -> StoreError? in
            guard !hasScanned else { return nil }
            do throws(StoreError) {
                let scanner = PackScanner(backend: backend, reader: reader)
                try index.add(try scanner.unindexed(known: index.knownPacks()).packs)
                hasScanned = true
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }
}

/// Decoded frames, those used last.
struct FrameCache {
    struct Key: Hashable {
        let pack: PackID
        let number: Int
    }

    private let limit: Int
    private var frames: [Key: (frame: [UInt8], stamp: UInt64)] = [:]
    private var stamp: UInt64 = 0
    private(set) var byteCount = 0

    init(limit: Int) { self.limit = limit }

    mutating func frame(_ key: Key) -> [UInt8]? {
        guard let frame = frames[key]?.frame else { return nil }
        stamp += 1
        frames[key]?.stamp = stamp
        return frame
    }

    mutating func insert(_ frame: [UInt8], _ key: Key) {
        guard frame.count <= limit, frames[key] == nil else { return }
        while byteCount + frame.count > limit || frames.count >= 1_024 {
            guard let oldest = frames.min(by: { $0.value.stamp < $1.value.stamp }) else { break }
            byteCount -= oldest.value.frame.count
            frames[oldest.key] = nil
        }
        stamp += 1
        frames[key] = (frame, stamp)
        byteCount += frame.count
    }
}
