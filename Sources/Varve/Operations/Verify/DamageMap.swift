import VarveFormat

/// What of the stored blobs is no good, place by place, and what that costs.
struct DamageMap {
    /// Why something cannot be restored.
    struct Hit: OptionSet, Sendable {
        let rawValue: UInt8

        static let damaged = Hit(rawValue: 1)
        static let missing = Hit(rawValue: 2)
    }

    let inventory: StoredInventory
    /// Places of data blobs that cannot be read, those in missing packs included.
    private(set) var badData: BitSet
    /// Places of trees and lists that cannot be read.
    private(set) var badTree: BitSet
    /// Why frames cannot be decoded, by kind of pack and number.
    private(set) var messages: [FileKind: [Int: String]] = [:]

    /// Begins with what is bad before anything was read: missing and unreadable packs, frames behind a pack's end.
    init(_ inventory: StoredInventory) {
        self.inventory = inventory
        badData = BitSet(limit: inventory.data.count)
        badTree = BitSet(limit: inventory.tree.count)
        for kind in [FileKind.dataPack, .treePack] {
            let table = inventory.table(kind)
            for pack in table.packs {
                if !pack.isPresent {
                    for place in pack.places { insert(place, kind) }
                } else if inventory.dead.contains(pack.id) {
                    for frame in pack.frames { add(frame: frame, kind, "neither end of the pack can be read") }
                } else if let entry = inventory.listing[pack.id] {
                    for number in pack.frames {
                        let frame = table.frames[number]
                        guard UInt64(frame.offset) + UInt64(frame.storedLength) > entry.length else { continue }
                        add(frame: number, kind, "the pack is cut short")
                    }
                }
            }
            checkBases(kind)
        }
    }

    /// Delta frames whose base cannot be read.
    private mutating func checkBases(_ kind: FileKind) {
        let table = inventory.table(kind)
        for (number, frame) in table.frames.enumerated() {
            guard let base = frame.base else { continue }
            if inventory.listing[base.pack] == nil {
                for place in table.places(inFrame: number) { insert(place, kind) }
            } else if inventory.dead.contains(base.pack) || !inventory.isKnown(base.pack) {
                add(frame: number, kind, "the pack of its base cannot be read")
            } else if table.frameLocation(base, kind)?.codec ?? .zstdDelta == .zstdDelta
                || table.packs[Int(frame.pack)].id == base.pack
            {
                add(frame: number, kind, "its base is no frame that can be one")
            }
        }
    }

    /// Whether the pack that a place lies in is there, and so is that of its frame's base.
    private func isThere(_ place: Int, _ table: BlobTable) -> Bool {
        guard table.pack(ofPlace: place).isPresent else { return false }
        let base = table.frames[table.frame(ofPlace: place)].base
        return base.map { inventory.listing[$0.pack] != nil } ?? true
    }

    /// Whether every place is good.
    var isEmpty: Bool { badData.isEmpty && badTree.isEmpty }

    mutating func add(frame: Int, _ kind: FileKind, _ message: String) {
        messages[kind, default: [:]][frame] = message
        for place in inventory.table(kind).places(inFrame: frame) { insert(place, kind) }
    }

    mutating func add(place: Int, _ kind: FileKind) { insert(place, kind) }

    private mutating func insert(_ place: Int, _ kind: FileKind) {
        if kind == .treePack { badTree.insert(place) } else { badData.insert(place) }
    }

    func isBad(_ place: Int, _ kind: FileKind) -> Bool {
        kind == .treePack ? badTree.contains(place) : badData.contains(place)
    }

    /// A place of a blob that can be read; nil if there is none.
    func goodPlace(_ first: Int, _ kind: FileKind) -> Int? {
        if !isBad(first, kind) { return first }
        return inventory.table(kind).places(from: first).first { !isBad($0, kind) }
    }

    /// What the loss of a blob comes from; nothing if some place of it is good.
    func hit(_ first: Int, _ kind: FileKind) -> Hit {
        guard goodPlace(first, kind) == nil else { return [] }
        let table = inventory.table(kind)
        return table.places(from: first).contains { isThere($0, table) } ? .damaged : .missing
    }

    /// What the loss of a blob comes from that no directory names.
    var absentHit: Hit { inventory.hasOpaquePacks ? .damaged : .missing }

    /// Visits every bad place in a pack that is there, and says whether the blob was not met before.
    ///
    /// - Throws: `failed` if a temporary file cannot be read.
    func forEachBlob(_ visit: (Finding, _ isFirst: Bool) -> Void) throws(StoreError) {
        for kind in [FileKind.dataPack, .treePack] {
            let table = inventory.table(kind)
            let known = messages[kind] ?? [:]
            try (kind == .treePack ? badTree : badData).forEach { (place) throws(StoreError) in
                let pack = table.pack(ofPlace: place)
                guard isThere(place, table) else { return }
                let frame = table.frame(ofPlace: place)
                let location = table.location(ofFrame: frame)
                let first = table.places(from: try table.firstPlace(place)).first { other in
                    isBad(other, kind) && isThere(other, table)
                }
                let finding = Finding(
                    .damagedBlob, known[frame] ?? "the bytes of the blob do not hash to its id",
                    file: RepositoryPath.pack(kind, pack.id), pack: pack.id, blob: table.id(place),
                    offset: UInt64(location.offset), length: UInt64(location.storedLength))
                visit(finding, first == place)
            }
        }
    }
}
