import Synchronization
import VarveFormat

/// Takes the inventory: lists index files and packs, in this order, reads the ends of all packs, then every index file.
final class InventoryReader: Sendable {
    private let repository: Repository
    private let reader: PackReader
    private let threads: Int
    private let progress: Progress
    private let inventory = Mutex(StoredInventory())

    init(_ repository: Repository, reader: PackReader, threads: Int, progress: Progress) {
        self.repository = repository
        self.reader = reader
        self.threads = threads
        self.progress = progress
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
            defer { inventory = StoredInventory() }
            return inventory
        }
        for name in indexFiles {
            try progress.check()
            try readIndex(name, &result)
        }
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

    private func readIndex(_ name: FileID, _ inventory: inout StoredInventory) throws(StoreError) {
        let path = RepositoryPath.file(.index, name)
        do throws(StoreError) {
            let sealed = SealedFile(keys: repository.keys, repository: repository.id)
            let segment = try sealed.read(.index, name, from: repository.backend)
            inventory.bytesRead += UInt64(segment.count)
            try segment.withBytes { bytes throws(StoreError) in
                do throws(FormatError) {
                    let view = try SegmentView(validating: bytes, repository: repository.id)
                    try view.checkBlobs()
                    try takeUnknown(view, &inventory)
                    if let pack = IndexComparison(view, inventory).firstDifference() {
                        throw FormatError(.mismatch, "it says otherwise of the pack \(pack.hex) than the pack itself")
                    }
                } catch { throw StoreError(error, path: path) }
            }
        } catch {
            if error.code == .missing {
                inventory.sawRemoval = true
            } else if error.isDamage {
                inventory.findings.append(Finding(.damagedFile, error.message, file: path))
            } else {
                throw error
            }
        }
    }

    /// Takes in the packs that an index file names and that could not tell their content themselves, or are not there.
    private func takeUnknown(_ view: SegmentView, _ inventory: inout StoredInventory) throws(FormatError) {
        var wanted = [Bool](repeating: false, count: view.packCount)
        for number in 0..<view.packCount { wanted[number] = !inventory.isKnown(view.packID(number)) }
        guard wanted.contains(true) else { return }
        for pack in try view.packs(where: { wanted[$0] }) {
            let isPresent = inventory.listing[pack.id] != nil
            if !isPresent { inventory.missing.insert(pack.id) }
            do throws(StoreError) {
                try inventory.add(pack, isPresent: isPresent)
            } catch { throw FormatError(.overLimit, error.message) }
        }
    }
}

/// Compares an index file with what is known of its packs, without building their directories again.
struct IndexComparison {
    private let view: SegmentView
    private let inventory: StoredInventory

    init(_ view: SegmentView, _ inventory: StoredInventory) {
        self.view = view
        self.inventory = inventory
    }

    /// A pack of which the index file says something else; nil if there is none.
    func firstDifference() -> PackID? {
        for number in 0..<view.packCount where !hasSameFrames(number) { return view.packID(number) }
        // With equal counts, entries that are all true and all different are all there are.
        var last: (id: BlobID, frame: FrameLocation, offset: Int)?
        for position in 0..<view.blobCount {
            guard let entry = view.location(at: position) else { return view.packCount > 0 ? view.packID(0) : nil }
            let id = view.id(at: position)
            if let last, last.id == id, last.offset == entry.offset, last.frame == entry.frame {
                return entry.frame.pack
            }
            guard isKnown(id, entry) else { return entry.frame.pack }
            last = (id, entry.frame, entry.offset)
        }
        return nil
    }

    private func hasSameFrames(_ number: Int) -> Bool {
        let table = inventory.table(view.packKind(number))
        guard let known = table.packNumbers[view.packID(number)] else { return false }
        let pack = table.packs[known]
        let frames = view.frames(ofPack: number)
        guard pack.length == view.packLength(number), pack.frames.count == frames.count else { return false }
        for (mine, theirs) in zip(pack.frames, frames) {
            guard table.location(ofFrame: mine) == view.frameLocation(theirs),
                Int(table.frames[mine].placeCount) == view.blobCount(ofFrame: theirs)
            else { return false }
        }
        return true
    }

    private func isKnown(_ id: BlobID, _ entry: BlobLocation) -> Bool {
        let table = inventory.table(entry.frame.kind)
        guard let first = table.place(of: id, entry.type), let pack = table.packNumbers[entry.frame.pack] else {
            return false
        }
        let frame = table.packs[pack].frames.lowerBound + entry.frame.number
        func isThis(_ place: Int) -> Bool {
            Int(table.frameNumbers[place]) == frame && Int(table.offsets[place]) == entry.offset
                && Int(table.lengths[place]) == entry.length
        }
        return isThis(first) || table.places(from: first).contains(where: isThis)
    }
}
