import Testing
import Varve

/// A reading of the rule in FORMAT.md section 13 that hashes the 64 bytes anew at each candidate.
private func lengthsByTheRule(_ data: [UInt8], _ gear: [UInt64], _ sizes: ChunkParameters) -> [Int] {
    let bits = sizes.average.trailingZeroBitCount
    var lengths: [Int] = []
    var start = 0
    while start < data.count {
        var length = min(sizes.maximum, data.count - start)
        for candidate in stride(from: sizes.minimum, to: length, by: 1) {
            var hash: UInt64 = 0
            for byte in data[(start + candidate - 64)..<(start + candidate)] { hash = hash &* 2 &+ gear[Int(byte)] }
            if hash >> UInt64(64 - (candidate < sizes.average ? bits + 2 : bits - 2)) == 0 {
                length = candidate
                break
            }
        }
        lengths.append(length)
        start += length
    }
    return lengths
}

/// The lengths of the chunks of `data` when it arrives in portions of the lengths that `portion` gives.
private func lengths(
    _ data: [UInt8], _ chunker: Chunker, _ sizes: ChunkParameters, portion: () -> Int
) -> [Int] {
    var lengths: [Int] = []
    var start = 0
    var end = 0
    while start < data.count {
        end = min(data.count, end + portion())
        data.withUnsafeBytes { bytes in
            while let length = chunker.nextCut(
                in: UnsafeRawBufferPointer(rebasing: bytes[start..<end]), parameters: sizes,
                isFinal: end == data.count)
            {
                lengths.append(length)
                start += length
            }
        }
    }
    return lengths
}

@Suite("Chunker")
struct ChunkerTests {
    private let gear: [UInt64]
    private let chunker: Chunker

    init() throws {
        var random = SeededBytes(seed: 7)
        gear = (0..<256).map { _ in random.next() }
        chunker = try #require(Chunker(gearTable: gear))
    }

    private func whole(_ data: [UInt8], _ sizes: ChunkParameters) -> [Int] {
        lengths(data, chunker, sizes) { data.count }
    }

    @Test("Cuts are those of the written rule", arguments: 0..<24 as Range<UInt64>)
    func rule(seed: UInt64) throws {
        var random = SeededBytes(seed: seed)
        let sizes = try #require(
            [
                ChunkParameters(minimum: 64, average: 256, maximum: 1024),
                ChunkParameters(minimum: 64, average: 1024, maximum: 65_536),
                ChunkParameters(minimum: 300, average: 4096, maximum: 20_000),
                ChunkParameters(minimum: 8192, average: 8192, maximum: 30_000),
            ][Int(seed % 4)])
        let data = random.bytes(random.below(150_000))
        #expect(whole(data, sizes) == lengthsByTheRule(data, gear, sizes), "seed \(seed)")
    }

    @Test("Cuts do not depend on the buffers that content comes in", arguments: 0..<6 as Range<UInt64>)
    func portions(seed: UInt64) throws {
        var random = SeededBytes(seed: seed)
        let sizes = try #require(ChunkParameters(minimum: 1024, average: 4096, maximum: 16_384))
        let data = random.bytes(300_000)
        let expected = whole(data, sizes)
        #expect(lengths(data, chunker, sizes) { 1 + random.below(9000) } == expected, "seed \(seed)")
    }

    @Test("Chunks keep to the minimum and maximum, but for the last")
    func bounds() throws {
        var random = SeededBytes(seed: 3)
        let sizes = try #require(ChunkParameters(minimum: 4096, average: 16_384, maximum: 65_536))
        for data in [random.bytes(4 << 20), [UInt8](repeating: 0, count: 1 << 20)] {
            let lengths = whole(data, sizes)
            #expect(lengths.reduce(0, +) == data.count)
            #expect(lengths.dropLast().allSatisfy { (4096...65_536).contains($0) })
            #expect(lengths.last.map { (1...65_536).contains($0) } == true)
        }
    }

    @Test("The mean length is near the average")
    func mean() throws {
        var random = SeededBytes(seed: 11)
        let data = random.bytes(16 << 20)
        for (minimum, average) in [(4096, 16_384), (16_384, 65_536)] {
            let sizes = try #require(ChunkParameters(minimum: minimum, average: average, maximum: 4 * average))
            let mean = data.count / whole(data, sizes).count
            #expect((average * 8 / 10...average * 13 / 10).contains(mean), "\(mean) for \(average)")
        }
    }

    @Test("Cuts find back to the old ones behind an insertion", arguments: 0..<8 as Range<UInt64>)
    func insertion(seed: UInt64) throws {
        var random = SeededBytes(seed: seed)
        let sizes = try #require(ChunkParameters(minimum: 4096, average: 16_384, maximum: 65_536))
        let data = random.bytes(4 << 20)
        let place = random.below(data.count)
        let longer = data[..<place] + random.bytes(1 + random.below(100)) + data[place...]
        func ends(_ lengths: [Int], of count: Int) -> Set<Int> {
            var end = -count
            return Set(
                lengths.map { length in
                    end += length
                    return end
                })
        }
        // Counted from the end of the content, where the two agree.
        let before = ends(whole(data, sizes), of: data.count)
        let after = ends(whole(Array(longer), sizes), of: longer.count)
        let tail = before.filter { $0 > place - data.count }
        #expect(tail.subtracting(after).count <= 16, "seed \(seed)")
    }

    @Test("Content up to the minimum is one chunk, and no content is none")
    func short() throws {
        let sizes = try #require(ChunkParameters(minimum: 1024, average: 4096, maximum: 16_384))
        for count in [1, 63, 64, 1023, 1024] {
            #expect(whole([UInt8](repeating: 1, count: count), sizes) == [count])
        }
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        #expect(chunker.nextCut(in: nothing, parameters: sizes, isFinal: true) == nil)
    }

    @Test(
        "Sizes that make no sense are refused",
        arguments: [
            (63, 256, 1024), (64, 128, 1024), (64, 300, 1024), (512, 256, 1024), (64, 1024, 512),
            (64, 1 << 24, 1 << 24), (64, 256, 16 << 20 + 1), (-1, 256, 1024), (64, 0, 1024),
        ])
    func refused(minimum: Int, average: Int, maximum: Int) {
        #expect(ChunkParameters(minimum: minimum, average: average, maximum: maximum) == nil)
    }

    @Test("A gear table has 256 words")
    func table() { #expect(Chunker(gearTable: [1, 2, 3]) == nil) }
}
