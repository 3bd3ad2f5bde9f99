import Synchronization
import VarveFormat

/// Takes the inventory: lists index files and packs, in this order, reads the ends of all packs, then every index file.
final class InventoryReader: Sendable {
    private let repository: Repository
    private let reader: PackReader
    private let threads: Int
    private let progress: Progress
    private let spill: SpillPlace
    private let inventory: Mutex<StoredInventory>

    init(
        _ repository: Repository, reader: PackReader, threads: Int, progress: Progress, spillLimit: Int
    ) {
        self.repository = repository
        self.reader = reader
        self.threads = threads
        self.progress = progress
        spill = SpillPlace(directory: repository.cacheDirectory, limit: spillLimit)
        inventory = Mutex(StoredInventory(spill))
    }

    /// Reads everything; to be called once.
    func read() throws(StoreError) -> StoredInventory {
        let indexFiles = try repository.backend.list(RepositoryPath.index).compactMap { FileID(hex: $0.name) }
        let listing = try PackListing(repository.backend).packs
        let packs = listing.sorted { $0.key < $1.key }
        inventory.withLock { $0.listing = listing }
        try WorkList.run(packs.count, threads: threads, makeWorker: {}) { [self] (_, number) throws(StoreError) in
            try progress.check()
            try readEnd(packs[number].key, packs[number].value.kind)
        }
        var result = inventory.withLock { inventory in
            defer { inventory = StoredInventory(spill) }
            return inventory
        }
        try readIndexes(indexFiles, &result)
        try result.finish()
        return result
    }

    /// Reads header, trailer and directory of a pack.
    private func readEnd(_ id: PackID, _ kind: FileKind) throws(StoreError) {
        let handle: PackHandle
        do throws(StoreError) {
            handle = try reader.openPack(id, kind: kind)
        } catch {
            guard error.code == .missing || error.isDamage else { throw error }
            inventory.withLock { inventory in
                if error.code == .missing {
                    inventory.sawRemoval = true
                    inventory.listing[id] = nil
                } else {
                    inventory.dead.insert(id)
                    inventory.findings.append(.pack(kind, id, error.message))
                }
            }
            return
        }
        var directory: PackDirectory?
        var damage: StoreError?
        do throws(StoreError) {
            directory = try reader.directory(handle)
        } catch {
            guard error.isDamage else { throw error }
            damage = error
        }
        let problems = [handle.headerDamage, damage].compactMap { $0 }
        let failure = inventory.withLock { inventory -> StoreError? in
            for problem in problems { inventory.findings.append(.pack(kind, id, problem.message)) }
            guard let directory else { return nil }
            inventory.bytesRead += handle.byteCount - directory.frames.reduce(0) { $0 + UInt64($1.storedLength) }
            let pack = SegmentPack(id: id, kind: kind, length: handle.byteCount, directory: directory)
            do throws(StoreError) {
                try inventory.add(pack, isPresent: true)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }

    // MARK: Index files

    private struct IndexOutcome {
        var bytesRead: UInt64 = 0
        var finding: Finding?
        var isGone = false
    }

    /// Index files of which all packs told their content themselves are compared side by side; then the others, one
    /// after the other, are taken in.
    private func readIndexes(_ names: [FileID], _ inventory: inout StoredInventory) throws(StoreError) {
        let known = inventory
        let outcomes = Mutex([IndexOutcome?](repeating: nil, count: names.count))
        try WorkList.run(names.count, threads: threads, makeWorker: {}) { [self] (_, number) throws(StoreError) in
            try progress.check()
            var isKnown = true
            let outcome = try readIndex(names[number]) { view throws(StoreError) in
                isKnown = (0..<view.packCount).allSatisfy { known.isKnown(view.packID($0)) }
                if isKnown { try compare(view, known) }
            }
            if isKnown { outcomes.withLock { $0[number] = outcome } }
        }
        for (name, outcome) in zip(names, outcomes.withLock { $0 }) {
            try progress.check()
            var outcome = outcome
            if outcome == nil {
                outcome = try readIndex(name) { view throws(StoreError) in
                    try takeUnknown(view, &inventory)
                    try compare(view, inventory)
                }
            }
            guard let outcome else { continue }
            inventory.bytesRead += outcome.bytesRead
            inventory.sawRemoval = inventory.sawRemoval || outcome.isGone
            if let finding = outcome.finding { inventory.findings.append(finding) }
        }
    }

    /// Reads an index file and hands it out; what is wrong with it is in the outcome.
    private func readIndex(
        _ name: FileID, _ body: (SegmentView) throws(StoreError) -> Void
    ) throws(StoreError) -> IndexOutcome {
        var outcome = IndexOutcome()
        do throws(StoreError) {
            let sealed = SealedFile(keys: repository.keys, repository: repository.id)
            let segment = try sealed.read(.index, name, from: repository.backend)
            outcome.bytesRead = UInt64(segment.count)
            try segment.withBytes { bytes throws(StoreError) in
                let view: SegmentView
                do throws(FormatError) {
                    view = try SegmentView(validating: bytes, repository: repository.id)
                    try view.checkBlobs()
                } catch { throw StoreError(error) }
                try body(view)
            }
        } catch {
            if error.code == .missing {
                outcome.isGone = true
            } else if error.isDamage {
                outcome.finding = Finding(.damagedFile, error.message, file: RepositoryPath.file(.index, name))
            } else {
                throw error
            }
        }
        return outcome
    }

    /// Takes in the packs that an index file names and that could not tell their content themselves, or are not there.
    private func takeUnknown(_ view: SegmentView, _ inventory: inout StoredInventory) throws(StoreError) {
        let wanted = (0..<view.packCount).map { !inventory.isKnown(view.packID($0)) }
        guard wanted.contains(true) else { return }
        let segment = try SegmentEntries(view) { wanted[$0] }
        for pack in segment.packs {
            let isPresent = inventory.listing[pack.id] != nil
            if !isPresent { inventory.missing.insert(pack.id) }
            if pack.kind == .treePack {
                try inventory.tree.add(pack, of: segment, isPresent: isPresent)
            } else {
                try inventory.data.add(pack, of: segment, isPresent: isPresent)
            }
        }
    }

    /// Compares what an index file says with what is known of its packs.
    private func compare(_ view: SegmentView, _ inventory: StoredInventory) throws(StoreError) {
        let segment = try SegmentEntries(view) { _ in true }
        for pack in segment.packs where try !inventory.table(pack.kind).agrees(pack, of: segment) {
            throw StoreError(.damaged, "it says otherwise of the pack \(pack.id.hex) than the pack itself")
        }
    }
}
