import Varve
import VarveFormat

/// A backup as `Archiver` and `CaptureCommit` make it, of files whose contents are given, without a file system.
struct SimulatedBackup {
    var contents: [Int]
    /// Whether an interrupted snapshot comes first.
    var checkpoints = false
    var deduplicates = true

    /// Makes the snapshot; begins once anew if its session was ended.
    func run(on repository: Repository, _ ledger: SimulationLedger) throws(StoreError) {
        var attempt = 1
        while true {
            let session = try Session.openWriter(on: repository.backend, program: "simulation")
            defer { session.close() }
            do throws(StoreError) {
                return try capture(repository, session, ledger)
            } catch {
                guard error.code == .sessionLost, attempt < 3 else { throw error }
                attempt += 1
            }
        }
    }

    private func capture(
        _ repository: Repository, _ session: Session, _ ledger: SimulationLedger
    ) throws(StoreError) {
        let listing = try PackListing(repository.backend)
        let condemned = session.condemnedPacks
        let usesPacks = deduplicates
        let index = try repository.openIndex { usesPacks && listing.contains($0) && !condemned.contains($0) }
        let list = try repository.snapshots()
        let publisher = try PackPublisher(backend: repository.backend)
        defer { publisher.close() }
        var replaces: [SnapshotID] = []
        var tips = list.tips
        var sequence = list.nextSequence
        if checkpoints {
            let half = Array(contents.prefix(max(1, contents.count / 2)))
            let id = try commit(half, .interrupted, tips, sequence, [], repository, session, index, publisher)
            ledger.committed(id, isInterrupted: true)
            replaces = [id]
            tips = [id]
            sequence += 1
        }
        let id = try commit(contents, .complete, tips, sequence, replaces, repository, session, index, publisher)
        ledger.committed(id, isInterrupted: false)
    }

    private func commit(
        _ contents: [Int], _ state: SnapshotState, _ tips: [FileID], _ sequence: Int, _ replaces: [SnapshotID],
        _ repository: Repository, _ session: Session, _ index: BlobIndex, _ publisher: PackPublisher
    ) throws(StoreError) -> SnapshotID {
        let blobs = SimulatedTree(contents, repository.keys.blobHasher)
        var packs: [SegmentPack] = []
        for (kind, blobs) in [(FileKind.dataPack, blobs.data), (.treePack, blobs.trees)] {
            let new = blobs.filter { index.claim($0.id) }
            guard !new.isEmpty else { continue }
            let context = PackWriterContext(
                backend: repository.backend, session: session.id, keys: repository.keys, repository: repository.id,
                dataPackBytes: 1 << 20, treePackBytes: 1 << 20, compressionLevel: 1, verifiesFrames: false)
            let writer = try PackWriter(context: context, kind: kind) { pack throws(StoreError) in
                try publisher.take(pack)
            }
            // Every other content is stored as what changed since its neighbour, where that is stored.
            let deltas = DeltaWriter(
                context: context, kind: kind, index: index, packs: repository.packs, writer: writer)
            for blob in new {
                try blob.bytes.withBytes { bytes throws(StoreError) in
                    if let neighbour = blob.neighbour {
                        try deltas.add(.data, blob.id, bytes, after: neighbour)
                    } else {
                        try writer.add(kind == .dataPack ? .data : .tree, blob.id, bytes)
                    }
                }
            }
            try deltas.flush()
            try writer.flush()
            // Waits for the publisher's thread, so that the order of operations is the same each time.
            packs += try publisher.commitPoint()
        }
        let written = try IndexWriter(
            backend: repository.backend, session: session.id, keys: repository.keys, repository: repository.id
        ).publish(packs)
        for file in written { try index.absorb(file) }
        var manifest = Manifest(
            repositoryID: repository.id, host: "host", program: "simulation", kind: .full, origin: .user, state: state,
            time: Timestamp(seconds: SimulationClock.start + Int64(sequence), nanoseconds: 0),
            paths: [Array("/s".utf8)], treeRoot: blobs.root, tips: tips, sequence: sequence)
        manifest.replaces = replaces
        // No two are equal to the nanosecond.
        manifest.description = session.id.hex
        let sealed = try repository.sealed.seal(.manifest, manifest.encode())
        let id = SHA256Digest.of(sealed)
        try repository.backend.commit(session: session.id, sealed, as: RepositoryPath.file(.manifest, id))
        return id
    }
}

extension Repository {
    fileprivate var packs: PackReader { PackReader(backend: backend, keys: keys, repository: id) }
}

/// The blobs of a directory with a file for each content.
struct SimulatedTree {
    typealias Blob = (id: BlobID, bytes: [UInt8], neighbour: BlobID?)

    var data: [Blob] = []
    var trees: [Blob] = []

    init(_ contents: [Int], _ hasher: BlobHasher) {
        let attributes = Attributes(mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0)
        var files: [TreeEntry] = []
        for number in contents {
            let bytes = SimulationWorld.content(number)
            let id = hasher.id(.data, bytes)
            let neighbour = hasher.id(.data, SimulationWorld.content(number ^ 1))
            data.append((id, bytes, neighbour))
            files.append(
                TreeEntry(
                    name: Array("\(number)".utf8), type: .file, attributes: attributes,
                    content: .file(size: UInt64(bytes.count), blobs: .blobs([id]))))
        }
        let directory = TreeCoding.encode(entries: files)
        let directoryID = hasher.id(.tree, directory)
        let root = TreeEntry(
            name: [], type: .directory, attributes: attributes, content: .directory(.tree(directoryID)))
        let rootBytes = TreeCoding.encode(entries: [root])
        trees = [(directoryID, directory, nil), (hasher.id(.tree, rootBytes), rootBytes, nil)]
    }

    var root: BlobID { trees.last?.id ?? BlobID(0, 0, 0, 0) }
}
