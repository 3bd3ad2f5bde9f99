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
        }
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
        let isThere = table.places(from: first).contains { table.pack(ofPlace: $0).isPresent }
        return isThere ? .damaged : .missing
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
                guard pack.isPresent else { return }
                let frame = table.frame(ofPlace: place)
                let location = table.location(ofFrame: frame)
                let first = table.places(from: try table.firstPlace(place)).first { other in
                    isBad(other, kind) && table.pack(ofPlace: other).isPresent
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
