import Synchronization
import VarveFormat

/// The blobs that this session has taken on to store and that no segment has yet. Many threads ask at once, so that the
/// set is cut into shards with a lock each.
final class InFlightBlobs: Sendable {
    private static let shardCount = 64

    private final class Shard: Sendable {
        let table = Mutex(BlobIDTable())
    }

    private let shards = (0..<shardCount).map { _ in Shard() }

    /// Adds a blob, unless it is there or `isKnown` says that it is stored already. True exactly if it was added.
    func insert(_ id: BlobID, unless isKnown: () -> Bool) -> Bool {
        shard(id).table.withLock { table in
            if table.contains(id) || isKnown() { return false }
            return table.insert(id)
        }
    }

    func contains(_ id: BlobID) -> Bool {
        shard(id).table.withLock { $0.contains(id) }
    }

    /// Removes the blobs for which `isKnown` holds from now on.
    func remove(where isKnown: (BlobID) -> Bool) {
        for shard in shards { shard.table.withLock { $0.remove(where: isKnown) } }
    }

    var count: Int { shards.reduce(0) { $0 + $1.table.withLock { $0.count } } }

    private func shard(_ id: BlobID) -> Shard { shards[Int(truncatingIfNeeded: id.word3 & 63)] }
}

/// A set of blob ids by open addressing, 32 bytes a slot. The id of all zeros stands for an empty slot; no hash gives
/// it, and should one do so, the blob is only stored more than once.
struct BlobIDTable: Sendable {
    private static let empty = BlobID(0, 0, 0, 0)
    private static let firstCapacity = 64

    private var slots: [BlobID] = []
    private(set) var count = 0

    func contains(_ id: BlobID) -> Bool {
        guard !slots.isEmpty else { return false }
        return slots[slot(id)] == id
    }

    /// Adds an id; false if it was there.
    mutating func insert(_ id: BlobID) -> Bool {
        // At most five slots of eight are taken, so that a search ends soon.
        if count * 8 >= slots.count * 5 { grow() }
        let slot = slot(id)
        if slots[slot] == id { return false }
        slots[slot] = id
        count += 1
        return true
    }

    mutating func remove(where isRemoved: (BlobID) -> Bool) {
        guard count > 0 else { return }
        let kept = slots.filter { $0 != Self.empty && !isRemoved($0) }
        guard kept.count < count else { return }
        slots = []
        count = 0
        for id in kept { _ = insert(id) }
    }

    private mutating func grow() {
        let old = slots
        slots = [BlobID](repeating: Self.empty, count: max(Self.firstCapacity, old.count * 2))
        for id in old where id != Self.empty { slots[slot(id)] = id }
    }

    /// Where the id is, or where it would go.
    private func slot(_ id: BlobID) -> Int {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: id.word1) & mask
        while slots[slot] != id && slots[slot] != Self.empty { slot = (slot + 1) & mask }
        return slot
    }
}
