import VarveFormat

/// One run of a verification, step by step.
struct VerifierRun {
    /// A snapshot to verify.
    struct Subject {
        let id: SnapshotID
        let rootID: BlobID
        /// The first place of its root tree; nil if no pack has it.
        var root: Int?
        var hit: DamageMap.Hit = []
    }

    /// All that was read, before anything is reported.
    struct Evidence {
        var damage: DamageMap
        var findings: [Finding]
        var graph: TreeGraph
        var reach: TreeReach
        var roots: [Int?] = []
        var bytesRead: UInt64 = 0
        var blobsHashed = 0
        /// Whether a pack went away while it should be read.
        var sawRemoval = false
    }

    let repository: Repository
    let options: Verifier.Options
    let progress: Progress
    let reader: PackReader
    var report = VerifyReport()
    private var damagedPacks: Set<PackID> = []

    init(_ repository: Repository, _ options: Verifier.Options, _ progress: Progress) {
        self.repository = repository
        self.options = options
        self.progress = progress
        reader = PackReader(backend: repository.backend, keys: repository.keys, repository: repository.id)
    }

    mutating func run(_ onFinding: (Finding) -> Void) throws(StoreError) -> VerifyReport {
        let start = Timestamp.now()
        progress.update { $0.phase = "reading" }
        let list = try repository.snapshots()
        var subjects = try chooseSubjects(list)
        let session = Session.openReader(
            on: repository.backend, program: repository.options.program, snapshots: subjects.map(\.id))
        defer { session?.close() }
        let files = try checkFiles(list)
        var evidence = try gather(subjects)
        // A collector may have moved blobs into other packs meanwhile, or removed what was deleted since.
        let present = Set(try repository.backend.list(RepositoryPath.manifests).map(\.name))
        let gone = subjects.filter { !present.contains($0.id.hex) }.map(\.id)
        subjects.removeAll { gone.contains($0.id) }
        if evidence.sawRemoval || !gone.isEmpty { evidence = try gather(subjects) }
        for index in subjects.indices { subjects[index].root = evidence.roots[index] }
        count(evidence)
        for finding in files + evidence.findings.sorted(by: Self.precedes) { take(finding, onFinding) }
        try takeBlobs(evidence, onFinding)
        try takePaths(&subjects, evidence, onFinding)
        report.damagedPacks = damagedPacks.count
        report.durationSeconds = Timestamp.now().seconds(since: start)
        if options.recordResult { record(subjects, list, start) }
        return report
    }

    // MARK: Snapshots and single files

    private func chooseSubjects(_ list: SnapshotList) throws(StoreError) -> [Subject] {
        // What a later snapshot stands for is checked as well, as long as nobody deleted it.
        let standing = (list.snapshots + list.superseded).sorted {
            ($0.box.manifest.time, $0.id) > ($1.box.manifest.time, $1.id)
        }
        guard let wanted = options.snapshots else {
            return standing.map { Subject(id: $0.id, rootID: $0.manifest.treeRoot) }
        }
        let all = Dictionary(list.every.map { ($0.id, $0) }) { first, _ in first }
        var subjects: [Subject] = []
        for id in wanted {
            if let snapshot = all[id] {
                subjects.append(Subject(id: id, rootID: snapshot.manifest.treeRoot))
            } else if !list.unreadable.contains(where: { $0.id == id }) {
                throw StoreError(.notFound, "there is no snapshot \(id.hex)", remedy: "see varve list")
            }
        }
        return subjects
    }

    /// Checks config, key slots, manifests and records.
    private mutating func checkFiles(_ list: SnapshotList) throws(StoreError) -> [Finding] {
        report.snapshotsChecked = options.snapshots?.count ?? list.snapshots.count + list.superseded.count
        var findings = try KeyFileCheck(repository.backend, configBytes: repository.configBytes).findings()
        for file in list.unreadable {
            let path = "\(file.directory)/\(file.id.hex)"
            if file.directory == RepositoryPath.manifests {
                if options.snapshots == nil { report.snapshotsChecked += 1 }
                report.damagedSnapshots += 1
                findings.append(Finding(.damagedSnapshot, file.error.message, file: path, snapshot: file.id))
            } else {
                findings.append(Finding(.damagedFile, file.error.message, file: path))
            }
        }
        for id in options.snapshots == nil ? list.vanished : [] {
            let message = "DELETION DETECTED: snapshot \(id.hex) was here and is gone, and was not deleted by varve"
            findings.append(Finding(.missingSnapshot, message, file: RepositoryPath.file(.manifest, id), snapshot: id))
        }
        return findings
    }

    // MARK: Packs

    private func gather(_ subjects: [Subject]) throws(StoreError) -> Evidence {
        let inventory = try takeInventory()
        let builder = TreeGraphBuilder(data: inventory.data, tree: inventory.tree)
        let empty = TreeGraph(count: 0)
        var evidence = Evidence(
            damage: DamageMap(inventory), findings: inventory.findings, graph: empty,
            reach: TreeReach(empty, inventory), bytesRead: inventory.bytesRead)
        for id in inventory.missing {
            evidence.findings.append(
                Finding(.missingPack, "an index file names the pack and it is not there", pack: id))
        }
        try readPacks(.treePack, nil, &evidence) { place, blob in builder.add(place: place, blob) }
        evidence.graph = try builder.finish()
        evidence.reach = TreeReach(evidence.graph, inventory)
        for subject in subjects {
            let root = try inventory.tree.place(of: subject.rootID, .tree)
            evidence.roots.append(root)
            if let root { evidence.reach.add(root: root) }
        }
        if options.level == .data {
            evidence.blobsHashed = 0
            try readPacks(.dataPack, chosenPacks(evidence), &evidence) { _, _ in }
        }
        return evidence
    }

    /// What is stored; taken once more if a collector at work may have taken something away meanwhile.
    private func takeInventory() throws(StoreError) -> StoredInventory {
        func take() throws(StoreError) -> StoredInventory {
            try InventoryReader(
                repository, reader: reader, threads: repository.threadCount, progress: progress,
                spillLimit: options.spillLimit
            ).read()
        }
        var inventory = try take()
        if inventory.isDoubtful {
            // Two would take twice the memory.
            inventory = StoredInventory(SpillPlace(directory: nil))
            inventory = try take()
        }
        return inventory
    }

    /// The data packs to read; nil for all.
    private func chosenPacks(_ evidence: Evidence) -> Set<PackID>? {
        let table = evidence.damage.inventory.data
        var chosen: Set<PackID>?
        if options.snapshots != nil {
            var packs: Set<PackID> = []
            evidence.reach.data.forEach { first in
                for place in table.places(from: first) { packs.insert(table.pack(ofPlace: place).id) }
            }
            chosen = packs
        }
        guard let subset = options.subset else { return chosen }
        return subset.choose((chosen ?? Set(table.packs.map(\.id))).sorted())
    }

    /// Reads packs of a kind whole.
    private func readPacks(
        _ kind: FileKind, _ chosen: Set<PackID>?, _ evidence: inout Evidence,
        visit: @escaping @Sendable (Int, UnsafeRawBufferPointer) -> Void
    ) throws(StoreError) {
        let inventory = evidence.damage.inventory
        let table = inventory.table(kind)
        // The longest first, so that all threads end at about the same time.
        let packs = table.packs.filter {
            $0.isPresent && !inventory.dead.contains($0.id) && chosen?.contains($0.id) ?? true
        }.sorted { $0.length > $1.length }
        let crew = PackCrew(reader: reader, table: table, progress: progress, threads: repository.threadCount)
        for (pack, outcome) in try crew.check(packs, visit: visit) {
            for frame in outcome.damagedFrames { evidence.damage.add(frame: frame.frame, kind, frame.message) }
            for place in outcome.damagedPlaces { evidence.damage.add(place: place, kind) }
            evidence.bytesRead += outcome.bytesRead
            evidence.blobsHashed += pack.places.count
            evidence.sawRemoval = evidence.sawRemoval || outcome.isGone
            guard !outcome.matchesName, outcome.damagedFrames.isEmpty, outcome.damagedPlaces.isEmpty,
                !evidence.findings.contains(where: { $0.pack == pack.id })
            else { continue }
            let message = "the pack's bytes do not match its name, though every blob in it is whole"
            evidence.findings.append(.pack(kind, pack.id, message))
        }
    }

    // MARK: The report

    private mutating func count(_ evidence: Evidence) {
        let inventory = evidence.damage.inventory
        report.treesChecked = evidence.reach.trees.count
        report.blobsChecked =
            report.treesChecked + (options.level == .data ? evidence.blobsHashed : evidence.reach.data.count)
        report.packsChecked = inventory.listing.count
        report.bytesRead = evidence.bytesRead
        report.missingPacks = inventory.missing.count
        report.packsTotal = inventory.listing.count + inventory.missing.count
    }

    private mutating func take(_ finding: Finding, _ onFinding: (Finding) -> Void) {
        if let pack = finding.pack, finding.kind == .damagedPack || finding.kind == .damagedBlob {
            damagedPacks.insert(pack)
        }
        report.take(finding.kind)
        progress.update { $0.errors += 1 }
        onFinding(finding)
    }

    private static func precedes(_ left: Finding, _ right: Finding) -> Bool {
        (left.kind.rawValue, left.file ?? "", left.message) < (right.kind.rawValue, right.file ?? "", right.message)
    }

    /// Reports blobs that are no good and, of those that the snapshots need, those that are nowhere.
    private mutating func takeBlobs(
        _ evidence: Evidence, _ onFinding: (Finding) -> Void
    ) throws(StoreError) {
        try evidence.damage.forEachBlob { finding, isFirst in
            take(finding, onFinding)
            if isFirst { report.damagedBlobs += 1 }
        }
        var reported: Set<BlobID> = []
        evidence.reach.absent.forEach { number in
            let id = evidence.graph.absent[number]
            guard reported.insert(id).inserted else { return }
            take(Finding(.missingBlob, "no pack has the blob", blob: id), onFinding)
        }
    }

    /// Reports the paths of each snapshot that cannot be restored.
    private mutating func takePaths(
        _ subjects: inout [Subject], _ evidence: Evidence, _ onFinding: (Finding) -> Void
    ) throws(StoreError) {
        var hits = TreeHits(evidence.graph, evidence.damage)
        for index in subjects.indices {
            guard let root = subjects[index].root else {
                subjects[index].hit = evidence.damage.absentHit
                continue
            }
            subjects[index].hit = hits.judge(root)
            if subjects[index].hit.isEmpty, evidence.graph.nodes[root].kind != .rootTree {
                subjects[index].hit = .damaged
            }
        }
        let loader = try PlaceLoader(reader, table: evidence.damage.inventory.tree)
        let paths = HitPaths(hits, loader: loader)
        for subject in subjects where !subject.hit.isEmpty {
            report.damagedSnapshots += 1
            try paths.find(in: subject.id, rootID: subject.rootID, root: subject.root) {
                finding throws(StoreError) in
                try progress.check()
                take(finding, onFinding)
            }
            if subject.hit.contains(.damaged) { report.result = .failed }
        }
    }
}
