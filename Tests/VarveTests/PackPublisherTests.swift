import Testing
import Varve
import VarveFormat

@Suite struct PackPublisherTests {
    private static func write(
        _ fixture: PackFixture, _ count: Int, seed: UInt64, _ sink: @escaping PackSink
    ) throws(StoreError) {
        var random = SeededBytes(seed: seed)
        for _ in 0..<count {
            let writer = try PackWriter(context: fixture.context(), kind: .dataPack, sink: sink)
            let bytes = random.bytes(50)
            try bytes.withBytes { bytes throws(StoreError) in
                try writer.add(.data, fixture.keys.blobHasher.id(.data, bytes), bytes)
            }
            try writer.flush()
        }
    }

    @Test("After a commit point every pack handed over has its name, and comes back once")
    func commitPoints() throws {
        let fixture = try PackFixture(.none)
        let publisher = try PackPublisher(backend: fixture.backend)
        defer { publisher.close() }
        #expect(try publisher.commitPoint().isEmpty)
        try Self.write(fixture, 40, seed: 1) { pack throws(StoreError) in try publisher.take(pack) }
        let first = try publisher.commitPoint()
        #expect(first.count == 40)
        #expect(Set(try PackListing(fixture.backend).packs.keys) == Set(first.map(\.id)))
        try Self.write(fixture, 3, seed: 2) { pack throws(StoreError) in try publisher.take(pack) }
        #expect(try publisher.commitPoint().count == 3)
        #expect(try publisher.commitPoint().isEmpty)
    }

    @Test("Packs of many threads at once all come through")
    func threads() throws {
        let fixture = try PackFixture(.none)
        let publisher = try PackPublisher(backend: fixture.backend)
        defer { publisher.close() }
        try Threads.run(4) { thread throws(StoreError) in
            try Self.write(fixture, 25, seed: UInt64(10 + thread)) { pack throws(StoreError) in
                try publisher.take(pack)
            }
        }
        #expect(try publisher.commitPoint().count == 100)
    }

    @Test("After a failure everybody gets the error, and no commit point names a pack")
    func failure() throws {
        let fixture = try PackFixture(.none)
        let publisher = try PackPublisher(backend: fixture.backend)
        var packs: [FinishedPack] = []
        let collected = Collected()
        try Self.write(fixture, 2, seed: 3) { pack throws(StoreError) in collected.packs.append(pack) }
        packs = collected.packs
        try publisher.take(packs[0])
        #expect(try publisher.commitPoint().count == 1)
        // The session is ended by somebody else, with the temporary files in it.
        try fixture.backend.removeTree("sessions/" + fixture.session.hex)
        try publisher.take(packs[1])
        #expect(throws: StoreError.self) { try publisher.commitPoint() }
        #expect(throws: StoreError.self) { try publisher.commitPoint() }
        #expect(throws: StoreError.self) { try publisher.take(packs[1]) }
        publisher.close()
        #expect(throws: StoreError.self) { try publisher.take(packs[1]) }
    }

    private final class Collected {
        var packs: [FinishedPack] = []
    }
}
