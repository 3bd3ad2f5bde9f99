package import VarveFormat

/// What reading the content of snapshots takes: the index, the packs and a loader of trees and lists. Shared by
/// threads.
package struct SnapshotContent: Sendable {
    package let repository: Repository
    package let index: BlobIndex
    package let packs: PackReader
    package let loader: BlobLoader

    /// Opens the index.
    package init(_ repository: Repository) throws(StoreError) {
        self.repository = repository
        index = try repository.openIndex(isUsable: nil)
        packs = PackReader(backend: repository.backend, keys: repository.keys, repository: repository.id)
        loader = BlobLoader(backend: repository.backend, reader: packs, index: index)
    }

    package var hasher: BlobHasher { repository.keys.blobHasher }

    /// Where a data blob is to be read: in the frame `preferred` if it is there too.
    ///
    /// - Throws: `missing` if no pack has it, `damaged` if none has it whole and none is in the index.
    package func location(of id: BlobID, preferred: FrameLocation? = nil) throws(StoreError) -> BlobLocation {
        if let location = Self.choose(index.locations(of: id), preferred) { return location }
        // Also looks into packs that no index file names, which the index then knows.
        _ = try loader.load(.data, id)
        if let location = Self.choose(index.locations(of: id), preferred) { return location }
        throw StoreError(.missing, "no pack has the blob \(id.hex)")
    }

    private static func choose(_ locations: [BlobLocation], _ preferred: FrameLocation?) -> BlobLocation? {
        var chosen: BlobLocation?
        for location in locations where location.type == .data {
            if let preferred, location.frame.number == preferred.number, location.frame.pack == preferred.pack {
                return location
            }
            // A delta frame costs its base too, and may have lost it where there is another place.
            if chosen == nil || chosen?.frame.base != nil && location.frame.base == nil { chosen = location }
        }
        return chosen
    }
}

/// Reads the content of files from beginning to end, each blob checked against its id, in memory for a few frames:
/// pages that changed lie elsewhere than those around them. One for each thread.
package final class ContentReader {
    /// Blobs that are hashed together.
    private static let batchCount = 64
    private static let cacheBytes = 16 << 20

    private let content: SnapshotContent
    private let frames: FrameReader
    private var frame: [UInt8] = []
    private var cache = FrameCache(limit: ContentReader.cacheBytes)
    private var current: FrameLocation?
    private var batch: [(run: BlobRun, location: BlobLocation)] = []

    package init(_ content: SnapshotContent) throws(StoreError) {
        self.content = content
        frames = try FrameReader(content.packs, findBase: content.index.frameLocation)
    }

    /// Hands out all bytes of a file in order; each piece is valid during the call only.
    ///
    /// - Throws: `damaged` or `missing` if a blob is, or if the blobs are not `size` bytes; what `write` throws.
    package func read(
        _ file: FileContent, size: UInt64, _ write: (UnsafeRawBufferPointer) throws(StoreError) -> Void
    ) throws(StoreError) {
        var sequence = BlobSequence(file)
        var length: UInt64 = 0
        batch.removeAll()
        while let run = try sequence.nextRun(content.loader) {
            let location = try content.location(of: run.id, preferred: batch.last?.location.frame ?? current)
            if let last = batch.last, last.location.frame != location.frame || batch.count >= Self.batchCount {
                try flush(write)
            }
            let (added, isLong) = UInt64(location.length).multipliedReportingOverflow(by: run.count)
            guard !isLong, added <= size - length else {
                length = .max
                break
            }
            length += added
            batch.append((run, location))
        }
        try flush(write)
        guard length == size else {
            throw StoreError(.damaged, "the blobs of a file have another length than the file")
        }
    }

    /// Hands out the blobs of the batch, which lie in one frame.
    private func flush(_ write: (UnsafeRawBufferPointer) throws(StoreError) -> Void) throws(StoreError) {
        defer { batch.removeAll(keepingCapacity: true) }
        guard let location = batch.first?.location.frame else { return }
        let isRead = load(location)
        var ids: [BlobID] = []
        if isRead {
            frame.withUnsafeBytes { frame in
                let blobs = batch.map {
                    UnsafeRawBufferPointer(rebasing: frame[$0.location.bytes])
                }
                content.hasher.ids(.data, blobs, into: &ids)
            }
        }
        for (number, (run, location)) in batch.enumerated() {
            if isRead, ids[number] == run.id {
                try frame.withBytes { frame throws(StoreError) in
                    let blob = UnsafeRawBufferPointer(rebasing: frame[location.bytes])
                    for _ in 0..<run.count { try write(blob) }
                }
            } else {
                // Perhaps it is whole elsewhere.
                let bytes = try content.loader.load(.data, run.id)
                for _ in 0..<run.count { try bytes.withBytes(write) }
            }
        }
    }

    /// Decodes a frame unless it is the current one; false if it cannot be read.
    private func load(_ location: FrameLocation) -> Bool {
        if current == location { return true }
        current = nil
        let key = FrameCache.Key(pack: location.pack, number: location.number)
        if let known = cache.frame(key) {
            frame = known
            current = location
            return true
        }
        do throws(StoreError) {
            let handle = try content.packs.handle(location.pack, kind: location.kind)
            frame = try frames.read(handle, location)
            cache.insert(frame, key)
            current = location
            return true
        } catch { return false }
    }
}

extension BlobLocation {
    /// Where the blob lies in its frame's plaintext.
    fileprivate var bytes: Range<Int> { offset..<offset + length }
}
