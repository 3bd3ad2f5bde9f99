import Glibc
import VarveFormat

/// Memory of a column of plain values that grows at its end: by `realloc`, which moves large blocks without copying.
struct GrowingColumn<Element> {
    private(set) var memory: UnsafeMutablePointer<Element>?
    private(set) var count = 0
    private var capacity = 0

    /// Makes room for more elements, whose content is undefined, and returns the first.
    ///
    /// - Throws: `failed` if there is no memory.
    mutating func grow(by added: Int) throws(StoreError) -> UnsafeMutablePointer<Element> {
        if count + added > capacity || memory == nil {
            let wanted = max(count + added, capacity + capacity / 4, 1_024)
            guard let grown = realloc(memory, wanted * MemoryLayout<Element>.stride) else {
                throw StoreError(.failed, "no memory for the places of \(wanted) blobs")
            }
            memory = grown.assumingMemoryBound(to: Element.self)
            capacity = wanted
        }
        guard let memory else { throw StoreError(.failed, "no memory") }
        defer { count += added }
        return memory + count
    }

    func free() { Glibc.free(memory) }
}

/// Ids, types and lengths of blobs by position, and a look-up by id: an open-addressing hash table of positions, with
/// the positions of one blob linked in a ring. 36 bytes a position, 4 for the ring and 6 to 12 for the table.
final class CensusTable: Sendable {
    private static let freeSlot = UInt32.max
    private static let typeShift: UInt32 = 28

    let count: Int
    private nonisolated(unsafe) let ids: UnsafeMutablePointer<BlobID>
    /// Type and length in one word.
    private nonisolated(unsafe) let kinds: UnsafeMutablePointer<UInt32>
    private nonisolated(unsafe) let ring: UnsafeMutablePointer<UInt32>
    private nonisolated(unsafe) let slots: UnsafeMutablePointer<UInt32>
    private let slotMask: Int
    /// Ids in an unencrypted repository can be chosen: nobody can choose them so that they collide here.
    private let seed = (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max))

    /// Takes over the columns.
    ///
    /// - Throws: `failed` if there is no memory.
    init(taking ids: GrowingColumn<BlobID>, _ kinds: GrowingColumn<UInt32>) throws(StoreError) {
        var slotCount = 64
        while 2 * slotCount < 3 * ids.count { slotCount *= 2 }
        let ring = calloc(max(1, ids.count), MemoryLayout<UInt32>.stride)
        let slots = malloc(slotCount * MemoryLayout<UInt32>.stride)
        guard let ring, let slots, let first = ids.memory, let firstKind = kinds.memory else {
            Glibc.free(ring)
            Glibc.free(slots)
            ids.free()
            kinds.free()
            throw StoreError(.failed, "no memory for the places of \(ids.count) blobs")
        }
        count = ids.count
        self.ids = first
        self.kinds = firstKind
        self.ring = ring.bindMemory(to: UInt32.self, capacity: count)
        self.slots = slots.bindMemory(to: UInt32.self, capacity: slotCount)
        slotMask = slotCount - 1
        self.slots.initialize(repeating: Self.freeSlot, count: slotCount)
        for position in 0..<count { insert(position) }
    }

    deinit {
        Glibc.free(ids)
        Glibc.free(kinds)
        Glibc.free(ring)
        Glibc.free(slots)
    }

    /// Type and length of a blob in one word.
    static func kind(_ type: BlobType, length: Int) -> UInt32 {
        UInt32(type.rawValue) << typeShift | UInt32(truncatingIfNeeded: length)
    }

    func id(_ position: Int) -> BlobID { ids[position] }

    func type(_ position: Int) -> BlobType { BlobType(rawValue: UInt8(kinds[position] >> Self.typeShift)) ?? .data }

    func length(_ position: Int) -> Int { Int(kinds[position] & (1 << Self.typeShift - 1)) }

    /// The next position of the same blob, in a ring.
    func next(_ position: Int) -> Int { Int(ring[position]) }

    /// The first position of a blob; nil if it has none.
    func position(of id: BlobID, _ type: BlobType) -> Int? {
        var slot = hash(id) & slotMask
        while slots[slot] != Self.freeSlot {
            let position = Int(slots[slot])
            if ids[position] == id && self.type(position) == type { return position }
            slot = (slot + 1) & slotMask
        }
        return nil
    }

    private func insert(_ position: Int) {
        let number = UInt32(truncatingIfNeeded: position)
        let id = ids[position]
        let type = kinds[position] >> Self.typeShift
        ring[position] = number
        var slot = hash(id) & slotMask
        while slots[slot] != Self.freeSlot {
            let known = Int(slots[slot])
            if ids[known] == id && kinds[known] >> Self.typeShift == type {
                ring[position] = ring[known]
                ring[known] = number
                return
            }
            slot = (slot + 1) & slotMask
        }
        slots[slot] = number
    }

    private func hash(_ id: BlobID) -> Int {
        let product = (id.word0 ^ seed.0).multipliedFullWidth(by: id.word1 ^ seed.1 | 1)
        return Int(truncatingIfNeeded: (product.high ^ product.low) >> 1)
    }
}
