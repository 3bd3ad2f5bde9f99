import Glibc
import Testing
import Varve
import VarveFormat

@Suite struct PackMoverTests {
    @Test(
        "What was moved verifies to the last byte, restores as before, and needs no repair of the index",
        arguments: 1...8 as ClosedRange<UInt64>)
    func whole(seed: UInt64) throws {
        let fixture = try CollectFixture(seed % 2 == 0 ? .none : .aes256GCM, seed: seed)
        for number in 0..<3 {
            fixture.addFiles(number == 0 ? 80 : 10)
            if number > 0 { fixture.change(4) }
            try fixture.capture()
        }
        let kept = [fixture.snapshots[1 + fixture.below(2)]]
        let reached = try fixture.reached(kept)
        let before = try Self.restore(fixture, kept[0])
        let plan = try fixture.collect(keeping: kept) { $0.maxUnused = 0 }
        #expect(!plan.rewrite.isEmpty, "seed \(seed)")
        try fixture.expectWhole("seed \(seed)")
        #expect(try fixture.reached(kept) == reached, "seed \(seed)")
        let after = try Self.restore(fixture, kept[0])
        #expect(TreeImage.differences(before.image, after.image).isEmpty, "seed \(seed)")
        let census = try fixture.census()
        #expect(Set(try census.keys) == reached && census.count == reached.count, "seed \(seed)")
        #expect(census.packs.allSatisfy { $0.isNamed && $0.isPresent })
        let repair = try IndexRepair(repository: try fixture.open(), progress: Progress()).run()
        #expect(repair.indexFilesWritten == 0 && repair.indexFilesRemoved == 0, "seed \(seed)")
    }

    private static func restore(
        _ fixture: CollectFixture, _ id: SnapshotID
    ) throws -> (image: TreeImage, directory: TemporaryDirectory) {
        let directory = try TemporaryDirectory()
        let repository = try fixture.open()
        let snapshot = try #require(try repository.snapshots().snapshots.first { $0.id == id })
        var options = Restorer.Options()
        options.target = Array((directory.path + "/out").utf8)
        let report = try Restorer(repository: repository, snapshot: snapshot, options: options, progress: Progress())
            .run()
        #expect(report.errors.isEmpty)
        // Directories above the source have no times of their own.
        return (try TreeImage(directory.path + "/out" + fixture.source.path), directory)
    }

    @Test("Frames that are live as a whole keep their encoded bytes' length; the others are made anew without the dead")
    func frames() throws {
        let fixture = try CollectFixture(seed: 21)
        // So alike that a whole frame of them makes a small pack, and more than one frame holds.
        for capture in 0..<2 {
            for file in 0..<5 {
                let lines = (0..<9_000).map { "file \(file) of capture \(capture), line \($0)\n" }.joined()
                FileTool.write(fixture.source.path + "/f\(capture)\(file)", Array(lines.utf8))
            }
            try fixture.capture()
        }
        let (plan, live) = try fixture.plan(keeping: fixture.snapshots)
        let outcome = try fixture.move(plan, live)
        #expect(outcome.framesMade > 0 && outcome.framesMoved > 0)
        let census = try fixture.census()
        let new = Set(outcome.packs)
        var old: [[PackBlob]: Int] = [:]
        for number in census.packs.indices where !new.contains(census.packs[number].id) {
            for frame in try census.segmentPack(number).directory.frames { old[frame.blobs] = frame.storedLength }
        }
        var moved = 0
        for number in census.packs.indices where new.contains(census.packs[number].id) {
            #expect(census.packs[number].isNamed)
            for frame in try census.segmentPack(number).directory.frames where old[frame.blobs] == frame.storedLength {
                moved += 1
            }
        }
        #expect(moved >= outcome.framesMoved)
        #expect(outcome.byteCount == census.packs.reduce(0) { new.contains($1.id) ? $0 + $1.length : $0 })
    }

    @Test("Blobs that are gathered anew lie in path order")
    func pathOrder() throws {
        let fixture = try CollectFixture(seed: 22)
        // In two captures, so that neighbours lie in different packs.
        for parity in 0..<2 {
            for number in 0..<40 where number % 2 == parity {
                let name = "/f" + (number < 10 ? "0" : "") + "\(number)"
                FileTool.write(fixture.source.path + name, Array("the content of file \(number)".utf8))
            }
            try fixture.capture()
        }
        try fixture.collect(keeping: Array(fixture.snapshots.suffix(1)))
        let census = try fixture.census()
        let data = census.packs.indices.filter { census.packs[$0].kind == .dataPack }
        #expect(data.count == 1)
        let stored = try census.segmentPack(try #require(data.first)).directory.frames.flatMap(\.blobs).map(\.id)
        let hasher = try fixture.open().keys.blobHasher
        #expect(stored == (0..<40).map { hasher.id(.data, Array("the content of file \($0)".utf8)) })
    }

    @Test("A blob that is damaged in the pack at hand is taken from another; without another nothing is lost")
    func damaged() throws {
        let fixture = try CollectFixture(seed: 23)
        for _ in 0..<3 {
            fixture.addFiles(3, longest: 2_000)
            try fixture.capture()
        }
        let (plan, live) = try fixture.plan(keeping: fixture.snapshots)
        let pack = try #require(live.census.packs.first { plan.rewrite.contains($0.id) && $0.kind == .dataPack })
        let path = RepositoryPath.pack(pack.kind, pack.id)
        let whole = try fixture.backend.read(path, limit: .max)
        var bytes = whole
        bytes[150] ^= 1
        try fixture.backend.replace(path, bytes)
        let before = fixture.paths("index/")
        let error = #expect(throws: StoreError.self) { try fixture.move(plan, live) }
        #expect(error?.code == .damaged)
        #expect(fixture.paths("index/") == before)
        #expect(fixture.paths("sessions/").isEmpty)
        // With a second copy of everything the same plan is carried out.
        let named = try before.map { ($0, try fixture.backend.read($0, limit: .max)) }
        for (name, _) in named { try fixture.backend.remove(name) }
        try fixture.backend.remove(path)
        try fixture.capture()
        try fixture.backend.putIfAbsent(path, bytes, session: nil)
        for (name, index) in named { try fixture.backend.putIfAbsent(name, index, session: nil) }
        try fixture.collect(keeping: fixture.snapshots) { $0.maxUnused = 0 }
        try fixture.expectWhole()
    }

    @Test("A session that was ended publishes nothing")
    func endedSession() throws {
        let fixture = try CollectFixture(seed: 24)
        for _ in 0..<3 {
            fixture.addFiles(4)
            try fixture.capture()
        }
        let (plan, live) = try fixture.plan(keeping: fixture.snapshots)
        #expect(!plan.rewrite.isEmpty)
        let before = fixture.paths("index/") + fixture.paths("packs/")
        let session = try Session.openWriter(on: fixture.backend, program: "test")
        #expect(try fixture.backend.expire(session: session.id))
        #expect(throws: StoreError.self) {
            try PackMover(
                repository: try fixture.open(), session: session, live: live, plan: plan, options: CollectOptions(),
                progress: Progress()
            ).run()
        }
        session.close()
        #expect(fixture.paths("index/") + fixture.paths("packs/") == before)
    }

    @Test("A move that was broken off leaves copies that the next plan lets go")
    func brokenOff() throws {
        let fixture = try CollectFixture(seed: 25)
        fixture.addFiles(60)
        try fixture.capture()
        fixture.change(3)
        try fixture.capture()
        let kept = Array(fixture.snapshots.suffix(1))
        let (plan, live) = try fixture.plan(keeping: kept)
        let old = fixture.paths("index/")
        _ = try fixture.move(plan, live)
        // Its packs are there, but no index file names them.
        for path in fixture.paths("index/") where !old.contains(path) { try fixture.backend.remove(path) }
        try fixture.collect(keeping: kept)
        try fixture.expectWhole()
        #expect(try fixture.plan(keeping: kept).plan.isEmpty)
    }
}
