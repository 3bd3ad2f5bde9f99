import Testing
import VarveFormat

private struct Line {
    let entry: [UInt8]
    let hash: UInt64
}

/// What section 9.2 says, computed with all entries at hand.
private func pieces(_ lines: [Line]) -> [[UInt8]] {
    var pieces: [(bytes: [UInt8], count: Int)] = []
    var open: (bytes: [UInt8], count: Int) = ([], 0)
    for line in lines {
        if open.count == 4_096 || (open.count > 0 && open.bytes.count + line.entry.count > 1_048_576) {
            pieces.append(open)
            open = ([], 0)
        }
        open.bytes += line.entry
        open.count += 1
        if line.hash % 1_024 == 0 {
            pieces.append(open)
            open = ([], 0)
        }
    }
    if open.count > 0 { pieces.append(open) }
    return pieces.map { TreeCoding.encode(encodedEntries: $0.bytes, count: $0.count) }
}

/// What the cutter hands out: the trees of the directory, and whether it is cut.
private func cut(_ lines: [Line]) -> (trees: [[UInt8]], isCut: Bool) {
    var cutter = DirectoryCutter()
    var trees: [[UInt8]] = []
    for line in lines { trees += cutter.append(encodedEntry: line.entry, nameHash: line.hash) }
    switch cutter.finish() {
    case .empty: return (trees, false)
    case .tree(let tree): return (trees + [tree], false)
    case .lastPiece(let piece): return (trees + (piece.map { [$0] } ?? []), true)
    }
}

/// Files with names of `length` bytes; every `interval`-th name cuts.
private func lines(_ count: Int, length: Int = 20, cutEvery interval: Int) -> [Line] {
    (0..<count).map { number in
        let digits = String(number)
        let name = String(repeating: "0", count: length - digits.utf8.count) + digits
        return Line(entry: TreeEntry.sample(name).encoded, hash: (number + 1) % interval == 0 ? 2_048 : 1)
    }
}

@Suite struct DirectoryCutterTests {
    @Test("A directory without entries has no tree")
    func empty() {
        #expect(cut([]).trees.isEmpty)
        #expect(DirectoryCutter().finish() == .empty)
    }

    @Test("Up to the threshold a directory is one tree, whatever its name hashes", arguments: [1, 2, 7, 1_000_000])
    func small(interval: Int) {
        let size = TreeEntry.sample(String(repeating: "0", count: 20)).encoded.count
        let all = lines(262_144 / size, cutEvery: interval)
        let result = cut(all)
        #expect(!result.isCut)
        #expect(result.trees == [TreeCoding.encode(encodedEntries: all.flatMap(\.entry), count: all.count)])
    }

    @Test("Exactly the threshold is not cut, one byte more is")
    func threshold() {
        func exact(_ total: Int) -> [Line] { [Line(entry: [UInt8](repeating: 7, count: total), hash: 0)] }
        #expect(!cut(exact(262_144)).isCut)
        #expect(cut(exact(262_145)).isCut)
        #expect(cut(exact(262_145)).trees.count == 1)
    }

    @Test("Pieces end where section 9.2 says", arguments: [1, 3, 100, 1_000, 5_000, 1_000_000])
    func pieceEnds(interval: Int) {
        for count in [7_000, 20_000] {
            let all = lines(count, cutEvery: interval)
            let result = cut(all)
            #expect(result.isCut)
            #expect(result.trees == pieces(all))
        }
    }

    @Test("A piece ends before the entry that would take it above 1 MiB, and a larger entry is a piece of its own")
    func large() {
        var random = SplitMix(state: 4)
        let all = (0..<300).map { _ in
            Line(entry: [UInt8](repeating: 1, count: .random(in: 1...60_000, using: &random)), hash: 1)
        }
        #expect(cut(all).trees == pieces(all))
        let huge = [10, 1_500_000, 10, 1_048_576, 1].map { Line(entry: [UInt8](repeating: 1, count: $0), hash: 1) }
        #expect(cut(huge).trees == pieces(huge))
        #expect(cut(huge).trees.count == 5)
    }

    @Test("Pieces are handed out as soon as the directory is known to be cut")
    func promptness() {
        var cutter = DirectoryCutter()
        var total = 0
        var handedOut = 0
        for line in lines(100_000, cutEvery: 50) {
            total += line.entry.count
            for piece in cutter.append(encodedEntry: line.entry, nameHash: line.hash) { handedOut += piece.count }
            let held = total - handedOut
            #expect(held <= 262_144 + line.entry.count)
            if total > 262_144 { #expect(held < 50 * line.entry.count) }
        }
    }

    @Test("One entry more changes one piece, and the rest stay as they are")
    func stability() {
        var random = SplitMix(state: 5)
        var all = lines(30_000, cutEvery: .max).map { Line(entry: $0.entry, hash: random.next()) }
        let before = Set(cut(all).trees)
        all.insert(Line(entry: TreeEntry.sample("00000000000000014999x").encoded, hash: 1), at: 15_000)
        let after = Set(cut(all).trees)
        #expect(before.count > 10)
        #expect(after.subtracting(before).count <= 2)
    }
}
