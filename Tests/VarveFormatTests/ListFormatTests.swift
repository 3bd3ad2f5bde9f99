import Testing
import VarveFormat

/// Stores nodes under numbers, and reads them back as a reader would.
private struct NodeStore {
    var nodes: [BlobID: [UInt8]] = [:]

    mutating func store(_ encoded: [UInt8]) -> BlobID {
        let id = BlobID(.max, 0, 0, UInt64(nodes.count))
        nodes[id] = encoded
        return id
    }

    /// The leaves under a node, after checking the rules of section 9.3.
    func leaves(_ top: BlobID, fanout: Int) throws -> [BlobID] {
        var level = [top]
        var height = try BlobListNode(parsing: #require(nodes[top])).level
        while true {
            let found = try level.map { try BlobListNode(parsing: #require(nodes[$0])) }
            #expect(found.allSatisfy { $0.level == height })
            #expect(found.dropLast().allSatisfy { $0.ids.count == fanout })
            level = found.flatMap(\.ids)
            if height == 0 { return level }
            height -= 1
        }
    }
}

private func ids(_ count: Int) -> [BlobID] { (0..<UInt64(count)).map { BlobID(0, 0, 1, $0) } }

@Suite struct ListFormatTests {
    @Test("A node reads back as it was written and no damage traps")
    func node() throws {
        let node = BlobListNode(level: 3, ids: ids(5))
        #expect(try BlobListNode(parsing: node.encode()) == node)
        survivesDamage(
            node.encode(), parse: { (bytes) throws(FormatError) in try BlobListNode(parsing: bytes) },
            encode: { $0.encode() })
    }

    @Test("All nodes but the last of a level are full, and levels end at one node", arguments: 1...90)
    func build(count: Int) throws {
        for fanout in [2, 3, 4, 64] {
            var store = NodeStore()
            let top = ListCoding.build(leafIDs: ids(count), fanout: fanout) { store.store($0) }
            #expect(try store.leaves(top, fanout: fanout) == ids(count))
            var expected = 0
            var width = count
            repeat {
                width = (width + fanout - 1) / fanout
                expected += width
            } while width > 1
            #expect(store.nodes.count == expected, "\(count) ids, fan-out \(fanout)")
        }
    }

    @Test("A file has a list only if its ids do not fit the entry", arguments: [0, 1, 63, 64, 65, 128, 129])
    func fileContent(count: Int) throws {
        var store = NodeStore()
        var builder = ListBuilder(fanout: 64)
        for id in ids(count) { builder.append(id) { store.store($0) } }
        switch builder.finishFile(emit: { store.store($0) }) {
        case .empty: #expect(count == 0)
        case .blobs(let found):
            #expect(count <= 64 && found == ids(count))
            #expect(store.nodes.isEmpty)
        case .list(let id):
            #expect(count > 64)
            #expect(try store.leaves(id, fanout: 64) == ids(count))
        }
    }

    @Test("Ids that come one by one make the same nodes in the same order as all at once")
    func incremental() {
        var (whole, stepwise): ([[UInt8]], [[UInt8]]) = ([], [])
        let top = ListCoding.build(leafIDs: ids(1_000), fanout: 4) { (encoded) -> BlobID in
            whole.append(encoded)
            return BlobID(9, 9, 9, UInt64(whole.count))
        }
        var builder = ListBuilder(fanout: 4)
        for id in ids(1_000) {
            builder.append(id) { (encoded) -> BlobID in
                stepwise.append(encoded)
                return BlobID(9, 9, 9, UInt64(stepwise.count))
            }
        }
        let other = builder.finishList { (encoded) -> BlobID in
            stepwise.append(encoded)
            return BlobID(9, 9, 9, UInt64(stepwise.count))
        }
        #expect(whole == stepwise)
        #expect(top == other)
    }

    @Test("An error of the store ends the building with that error")
    func failure() {
        struct Full: Error {}
        #expect(throws: Full.self) {
            _ = try ListCoding.build(leafIDs: ids(100), fanout: 64) { (_) throws(Full) -> BlobID in throw Full() }
        }
    }
}
