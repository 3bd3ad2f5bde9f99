import Glibc
import VarveFormat

/// Blobs by position, and a look-up of positions by id: positions sorted by a few bits of a hash, and eight more bits
/// of it for each, so that hardly any id is read in vain. The positions of one blob are linked in a ring. 10 bytes a
/// position, beside 4 for type and length and 32 for the id, which may lie in a file.
final class PlaceTable: Sendable {
    private static let free = UInt32.max
    /// Positions for which there is one bucket, about.
    private static let bucketLength = 8

    let count: Int
    /// Owns what `ids` and `kinds` point to.
    private let columns: PlaceColumns
    private nonisolated(unsafe) let ids: BlobIDColumn
    private nonisolated(unsafe) let kinds: UnsafeMutablePointer<UInt32>
    private let shift: UInt64
    /// Where each bucket ends in `order`.
    private nonisolated(unsafe) let ends: UnsafeMutablePointer<UInt32>
    /// In each bucket the first position of each of its blobs, ascending, then free places.
    private nonisolated(unsafe) let order: UnsafeMutablePointer<UInt32>
    private nonisolated(unsafe) let prints: UnsafeMutablePointer<UInt8>
    private nonisolated(unsafe) let ring: UnsafeMutablePointer<UInt32>
    /// Ids in an unencrypted repository can be chosen: nobody can choose them so that they collide here.
    private let seed = (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max))

    /// Takes what the columns hold now; when they grow, this must not be used any more.
    ///
    /// - Throws: `failed` if there is no memory, or if the temporary file cannot be read.
    init(_ columns: PlaceColumns) throws(StoreError) {
        self.columns = columns
        try columns.append(0) { _ in (BlobID(0, 0, 0, 0), 0) }
        count = columns.count
        ids = columns.ids
        guard let kinds = columns.kinds.memory else { throw StoreError(.failed, "no memory") }
        self.kinds = kinds
        var bits: UInt64 = 1
        while Self.bucketLength << bits < count { bits += 1 }
        shift = 64 - bits
        ends = try Self.allocate(1 << bits)
        order = try Self.allocate(count)
        prints = try Self.allocate(count)
        ring = try Self.allocate(count)
        ends.initialize(repeating: 0, count: 1 << bits)
        try sort()
        try link(bucketCount: 1 << bits)
    }

    deinit {
        Glibc.free(ends)
        Glibc.free(order)
        Glibc.free(prints)
        Glibc.free(ring)
    }

    private static func allocate<Element>(_ count: Int) throws(StoreError) -> UnsafeMutablePointer<Element> {
        var column = GrowingColumn<Element>()
        return try column.grow(by: count)
    }

    /// The id at a position.
    ///
    /// - Throws: `failed` if the temporary file cannot be read.
    func id(_ position: Int) throws(StoreError) -> BlobID { try ids.id(position) }

    /// The ids at some positions.
    ///
    /// - Throws: `failed` if the temporary file cannot be read.
    func ids(_ positions: Range<Int>) throws(StoreError) -> [BlobID] { try ids.ids(positions) }

    func type(_ position: Int) -> BlobType {
        BlobType(rawValue: UInt8(kinds[position] >> PlaceColumns.typeShift)) ?? .data
    }

    func length(_ position: Int) -> Int { Int(kinds[position] & (1 << PlaceColumns.typeShift - 1)) }

    /// What to call a blob in a message.
    func name(_ position: Int) -> String {
        "\(type(position)) blob " + ((try? id(position).hex) ?? "number \(position)")
    }

    /// The next position of the same blob, in a ring.
    func next(_ position: Int) -> Int { Int(ring[position]) }

    /// Every position of the blob at a position, that one first.
    func positions(sameAs position: Int) -> [Int] {
        var positions = [position]
        var next = next(position)
        while next != position {
            positions.append(next)
            next = self.next(next)
        }
        return positions
    }

    /// The first position of a blob; nil if it has none.
    ///
    /// - Throws: `failed` if the temporary file cannot be read.
    func position(of id: BlobID, _ type: BlobType) throws(StoreError) -> Int? {
        let hash = hash(id)
        let bucket = Int(hash >> shift)
        let print = UInt8(truncatingIfNeeded: hash)
        var slot = bucket == 0 ? 0 : Int(ends[bucket - 1])
        let end = Int(ends[bucket])
        while slot < end, order[slot] != Self.free {
            let position = Int(order[slot])
            if prints[slot] == print, self.type(position) == type, try ids.id(position) == id {
                return position
            }
            slot += 1
        }
        return nil
    }

    /// Sorts all positions into the buckets, by counting.
    private func sort() throws(StoreError) {
        try ids.forEach { _, id in ends[Int(hash(id) >> shift)] += 1 }
        var sum: UInt32 = 0
        for bucket in 0..<1 << (64 - shift) {
            let length = ends[bucket]
            ends[bucket] = sum
            sum += length
        }
        // Where a bucket begins moves on to where it ends.
        try ids.forEach { position, id in
            let hash = hash(id)
            let slot = Int(ends[Int(hash >> shift)])
            order[slot] = UInt32(truncatingIfNeeded: position)
            prints[slot] = UInt8(truncatingIfNeeded: hash)
            ends[Int(hash >> shift)] += 1
        }
    }

    /// Links the positions of each blob, and leaves only the first in its bucket.
    private func link(bucketCount: Int) throws(StoreError) {
        var start = 0
        for bucket in 0..<bucketCount {
            let end = Int(ends[bucket])
            var known = start
            for slot in start..<end {
                let (number, print) = (order[slot], prints[slot])
                let twin = try twin(of: Int(number), print, among: start..<known)
                if let twin {
                    ring[Int(number)] = ring[twin]
                    ring[twin] = number
                } else {
                    ring[Int(number)] = number
                    order[known] = number
                    prints[known] = print
                    known += 1
                }
            }
            for slot in known..<end { order[slot] = Self.free }
            start = end
        }
    }

    private func twin(of position: Int, _ print: UInt8, among slots: Range<Int>) throws(StoreError) -> Int? {
        var id: BlobID?
        for slot in slots where prints[slot] == print {
            let other = Int(order[slot])
            guard type(other) == type(position) else { continue }
            let own: BlobID
            if let id { own = id } else { own = try ids.id(position) }
            id = own
            if try ids.id(other) == own { return other }
        }
        return nil
    }

    private func hash(_ id: BlobID) -> UInt64 {
        let product = (id.word0 ^ seed.0).multipliedFullWidth(by: id.word1 ^ seed.1 | 1)
        return product.high ^ product.low
    }
}
