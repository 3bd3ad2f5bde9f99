package import VarveFormat

/// Publishes the index files of new packs (FORMAT.md sections 8 and 11).
package struct IndexWriter: Sendable {
    /// An index file that is durable under its name, and its segment.
    package struct Written: Sendable {
        package let id: FileID
        package let segment: [UInt8]
        /// Bytes of the file as stored.
        package let byteCount: Int
    }

    /// Blobs in one index file, about: memory holds a few copies of one while it is made or read.
    package static let blobLimit = 262_144

    private let backend: any Backend
    private let session: SessionID
    private let sealed: SealedFile
    private let repository: RepositoryID

    /// Makes a writer for a session.
    package init(backend: any Backend, session: SessionID, keys: KeyChain, repository: RepositoryID) {
        self.backend = backend
        self.session = session
        self.repository = repository
        sealed = SealedFile(keys: keys, repository: repository)
    }

    /// Publishes index files that name these packs, which must be durable under their names.
    package func publish(_ packs: [SegmentPack]) throws(StoreError) -> [Written] {
        var written: [Written] = []
        var group: [SegmentPack] = []
        var blobCount = 0
        for pack in packs {
            let count = pack.directory.frames.reduce(0) { $0 + $1.blobs.count }
            if !group.isEmpty, blobCount + count > Self.blobLimit {
                written.append(try publish(group: group))
                group.removeAll()
                blobCount = 0
            }
            group.append(pack)
            blobCount += count
        }
        if !group.isEmpty { written.append(try publish(group: group)) }
        if !written.isEmpty { try backend.syncDirectories([RepositoryPath.index]) }
        return written
    }

    private func publish(group: [SegmentPack]) throws(StoreError) -> Written {
        let segment: [UInt8]
        do throws(FormatError) {
            segment = try SegmentBuilder.build(repository: repository, packs: group)
        } catch { throw StoreError(.failed, "an index file could not be made: \(error.message)") }
        let hasDeltas = group.contains { pack in pack.directory.frames.contains { $0.base != nil } }
        let bytes = try sealed.seal(.index, segment, features: hasDeltas ? .deltas : [])
        let id = SHA256Digest.of(bytes)
        let upload = try backend.beginUpload(session: session)
        do throws(StoreError) {
            try bytes.withBytes { bytes throws(StoreError) in try upload.append(bytes) }
            try upload.sync(expected: id)
            try upload.publish(as: RepositoryPath.file(.index, id))
        } catch {
            upload.abandon()
            throw error
        }
        return Written(id: id, segment: segment, byteCount: bytes.count)
    }
}
