import VarveFormat

/// Seeded bytes and ids: the same in every run.
enum Material {
    /// SplitMix64 (Steele, Lea, Flood 2014).
    struct Generator {
        private var state: UInt64

        init(seed: UInt64) { state = seed }

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }

        mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    }

    /// Bytes that do not compress.
    static func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var generator = Generator(seed: seed)
        return [UInt8](unsafeUninitializedCapacity: count) { memory, filled in
            let raw = UnsafeMutableRawBufferPointer(memory)
            var at = 0
            while at + 8 <= count {
                raw.storeBytes(of: generator.next(), toByteOffset: at, as: UInt64.self)
                at += 8
            }
            while at < count {
                raw[at] = UInt8(truncatingIfNeeded: generator.next())
                at += 1
            }
            filled = count
        }
    }

    /// Lines of words, of which few are frequent and many are rare.
    static func text(_ count: Int, seed: UInt64 = 2) -> [UInt8] {
        var generator = Generator(seed: seed)
        let letters = Array("etaoinshrdlucmfwypvbgkjqxz_".utf8)
        let words = (0..<4096).map { _ in
            (0..<(2 + generator.below(9))).map { _ in letters[min(generator.below(27), generator.below(27))] }
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 16)
        while bytes.count < count {
            // The product of two draws: small numbers are frequent.
            bytes += words[generator.below(64) * generator.below(64)]
            bytes.append(generator.below(8) == 0 ? UInt8(ascii: "\n") : UInt8(ascii: " "))
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// The id of the blob of this number; `space` keeps apart the ids that are there and those that are not.
    static func blobID(_ number: Int, space: UInt64 = 0) -> BlobID {
        var generator = Generator(seed: UInt64(number) << 8 | space)
        return BlobID(generator.next(), generator.next(), generator.next(), generator.next())
    }

    static func packID(_ number: Int) -> PackID {
        var generator = Generator(seed: UInt64(number) << 8 | 0xff)
        return PackID(generator.next(), generator.next(), generator.next(), generator.next())
    }

    static let blobsInPack = 1000
    private static let blobsInFrame = 100
    private static let blobLength = 10_240

    /// The directory of a pack of a thousand small blobs, as a backup of many small files makes them.
    static func pack(_ number: Int) -> SegmentPack {
        let frames = (0..<blobsInPack / blobsInFrame).map { frame in
            let first = number * blobsInPack + frame * blobsInFrame
            let blobs = (first..<first + blobsInFrame).map {
                PackBlob(type: .data, id: blobID($0), length: blobLength)
            }
            return PackFrame(
                storedLength: 400_016, rawLength: blobsInFrame * blobLength, codec: .zstd, blobs: blobs)
        }
        return SegmentPack(
            id: packID(number), kind: .dataPack, length: 4_200_000, directory: PackDirectory(frames: frames))
    }
}
