import CB2
package import VarveFormat

/// Names blobs: keyed BLAKE2b-256 of the plaintext (RFC 7693), with a key for each blob type.
///
/// One blob goes through libb2. Batches go four or eight blobs at a time through the lanes of the vector unit where
/// there is one; the digests are the same. libb2's blake2bp is never called: it is another hash, and it starts threads.
package struct BlobHasher: Sendable {
    private static let keyLength = 32
    /// Blobs shorter than this gain nothing from a lane.
    private static let shortestInLanes = 128

    /// The four keys, in the order of the types' numbers.
    private let keys: [UInt8]
    /// Per type the eight words of the state after the key block, which comes first in every message.
    private let midstates: [UInt64]
    private let level: Int32

    /// Makes a hasher; nil unless each key has 32 bytes and this processor has the path.
    package init?(
        data: [UInt8], list: [UInt8], tree: [UInt8], treeList: [UInt8], path: VectorPath = .best
    ) {
        let all = [data, list, tree, treeList]
        guard all.allSatisfy({ $0.count == Self.keyLength }) else { return nil }
        self.init(keys: all.flatMap(\.self), path: path)
    }

    private init?(keys: [UInt8], path: VectorPath) {
        guard path.isPresent else { return nil }
        self.keys = keys
        level = path.rawValue
        midstates = level == 0 ? [] : BlobLanes.midstates(keys: keys, level: level)
    }

    /// The same hasher on another path; nil if this processor lacks it.
    package func on(_ path: VectorPath) -> BlobHasher? { BlobHasher(keys: keys, path: path) }

    /// The id of one blob.
    package func id(_ type: BlobType, _ blob: UnsafeRawBufferPointer) -> BlobID {
        keys.withUnsafeBytes { keys in
            let key = UnsafeRawBufferPointer(rebasing: keys[Self.offset(type)..<Self.offset(type) + Self.keyLength])
            return Self.id(key: key, blob)
        }
    }

    /// The id of one blob.
    package func id(_ type: BlobType, _ blob: [UInt8]) -> BlobID {
        blob.withUnsafeBytes { id(type, $0) }
    }

    /// The ids of many blobs of one type. Best with sixteen or more at once, of whatever lengths.
    ///
    /// - Parameter ids: gets the id of each blob, in order; it is emptied first.
    package func ids(_ type: BlobType, _ blobs: [UnsafeRawBufferPointer], into ids: inout [BlobID]) {
        ids.removeAll(keepingCapacity: true)
        ids.reserveCapacity(blobs.count)
        guard level > 0, blobs.count > 1 else {
            for blob in blobs { ids.append(id(type, blob)) }
            return
        }
        for _ in blobs { ids.append(BlobID(0, 0, 0, 0)) }
        // Long blobs first, so that the lanes end together.
        var order: [Int] = []
        order.reserveCapacity(blobs.count)
        for (index, blob) in blobs.enumerated() {
            if blob.count < Self.shortestInLanes { ids[index] = id(type, blob) } else { order.append(index) }
        }
        order.sort { blobs[$0].count > blobs[$1].count }
        let first = Int(type.rawValue - 1) * 8
        var lanes = BlobLanes(level: level, midstate: Array(midstates[first..<first + 8]))
        lanes.run(blobs, order: order) { ids[$0] = $1 }
    }

    /// BLAKE2b-256 by libb2, with a key of at most 64 bytes; an empty key is none.
    package static func id(key: UnsafeRawBufferPointer, _ message: UnsafeRawBufferPointer) -> BlobID {
        withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { digest in
            digest.initializeMemory(as: UInt8.self, repeating: 0)
            blake2b(
                digest.baseAddress?.assumingMemoryBound(to: UInt8.self), message.baseAddress, key.baseAddress, 32,
                message.count, key.count)
            return BlobID(
                UInt64(bigEndian: digest.load(fromByteOffset: 0, as: UInt64.self)),
                UInt64(bigEndian: digest.load(fromByteOffset: 8, as: UInt64.self)),
                UInt64(bigEndian: digest.load(fromByteOffset: 16, as: UInt64.self)),
                UInt64(bigEndian: digest.load(fromByteOffset: 24, as: UInt64.self)))
        }
    }

    private static func offset(_ type: BlobType) -> Int { Int(type.rawValue - 1) * keyLength }
}
