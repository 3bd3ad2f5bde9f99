import VarveFormat

/// Writes the manifests of one capture: what it says of itself and where it stands among the others.
struct SnapshotStatement {
    let repository: Repository
    let options: Archiver.Options
    let start: Timestamp
    let snapshots: SnapshotList
    let parent: Snapshot?

    /// The manifest of what was captured so far.
    func manifest(
        _ run: ArchiveRun, root: BlobID, state: SnapshotState, tips: [FileID], sequence: Int, replaces: [SnapshotID],
        packs: (count: Int, bytes: UInt64)
    ) -> Manifest {
        let totals = run.totals
        let errors = run.errors
        let time = options.time ?? start
        var manifest = Manifest(
            repositoryID: repository.id, host: options.host, program: repository.options.program, kind: options.kind,
            origin: options.origin, state: state, time: time, paths: options.allPaths, treeRoot: root, tips: tips,
            sequence: sequence)
        if state == .complete && errors.count > 0 { manifest.state = .partial }
        manifest.alias = alias(time)
        manifest.appVersion = options.appVersion
        manifest.description = options.description
        manifest.name = state == .interrupted ? nil : options.name
        manifest.tags = options.tags
        manifest.user = options.user
        manifest.job = options.job
        manifest.type = options.type
        manifest.parent = parent?.id
        manifest.replaces = replaces
        manifest.trustMtime = options.trustsModificationTime
        manifest.databases = run.databases.withLock { databases in
            databases.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value)
        }
        let excludes = options.exclusions.rules + options.components.flatMap(\.exclusions.rules)
        manifest.excludes = excludes.map(\.description)
        manifest.components = run.components.records
        manifest.validation = options.validation
        manifest.durationSeconds = Timestamp.now().seconds(since: start)
        manifest.errorsTotal = Int(errors.count)
        manifest.errors = errors.list.map {
            SnapshotError(path: $0.path, operation: $0.operation, errno: Int($0.errno), message: $0.message)
        }
        manifest.bytes.total = Int(totals.bytesTotal)
        manifest.bytes.read = Int(totals.bytesRead)
        manifest.bytes.added = Int(totals.bytesAdded)
        manifest.bytes.stored = Int(packs.bytes)
        manifest.counts.packsAdded = packs.count
        totals.fill(&manifest.counts)
        return manifest
    }

    /// The time in UTC, with a number behind it if another snapshot has the same (FORMAT.md section 10).
    private func alias(_ time: Timestamp) -> String {
        let taken = Set(snapshots.every.compactMap(\.manifest.alias))
        guard taken.contains(time.alias) else { return time.alias }
        var number = 2
        while taken.contains("\(time.alias)_\(number)") { number += 1 }
        return "\(time.alias)_\(number)"
    }

    /// Interrupted snapshots of the same job that the next manifest stands for.
    var interrupted: [SnapshotID] {
        let paths = options.allPaths
        return (snapshots.snapshots + snapshots.superseded).filter { snapshot in
            let manifest = snapshot.manifest
            return manifest.state == .interrupted && manifest.host == options.host && manifest.job == options.job
                && manifest.paths == paths
        }.map(\.id).sorted()
    }
}

extension ArchiveRun.Counters {
    func fill(_ counts: inout SnapshotCounts) {
        counts.files = Int(files)
        counts.dirs = Int(directories)
        counts.symlinks = Int(symlinks)
        counts.specials = Int(specials)
        counts.filesNew = Int(filesNew)
        counts.filesChanged = Int(filesChanged)
        counts.filesUnmodified = Int(filesUnmodified)
        counts.excluded = Int(excluded)
        counts.skipped = Int(skipped)
        counts.blobsNew = Int(blobsNew)
        counts.blobsTotal = Int(blobsTotal)
    }
}

extension Archiver.Options {
    /// Every captured path, streams included, in byte order.
    var allPaths: [[UInt8]] {
        (paths + streams.map(\.path)).sorted { $0.lexicographicallyPrecedes($1) }
    }
}

extension SnapshotList {
    /// The newest finished snapshot of the same job, host and paths.
    func parent(for options: Archiver.Options) -> Snapshot? {
        let paths = options.allPaths
        return snapshots.first { snapshot in
            let manifest = snapshot.manifest
            return manifest.state != .interrupted && manifest.origin != .safety && manifest.host == options.host
                && manifest.job == options.job && manifest.paths == paths
        }
    }
}
