import Synchronization
import Testing
import Varve
import VarveFormat

@Suite struct CollectorTests {
    /// Three snapshots of a source that changes.
    private struct Scene {
        let site: CollectionSite
        let source: SourceTree
        var ids: [SnapshotID] = []

        init(_ site: CollectionSite) throws {
            self.site = site
            source = try SourceTree.varied(seed: 3)
            for round in 0..<3 {
                try source.write("noise", SeededBytes.of(UInt64(20 + round), count: 40_000))
                try source.write("code/file\(round)", SeededBytes.of(UInt64(30 + round), count: 5_000))
                ids.append(try site.capture(source.state))
            }
        }
    }

    private func scene(hasCoherentListings: Bool = true) throws -> Scene {
        try Scene(try CollectionSite(hasCoherentListings: hasCoherentListings))
    }

    @Test("When all but one are deleted, what a fresh backup of it would hold is left")
    func allButOne() throws {
        let scene = try scene()
        let site = scene.site
        try site.delete(scene.ids[0], scene.ids[1])
        let report = try site.collect()
        #expect(report.snapshotsRemoved == 2 && report.packsRemoved > 0 && report.waitingFor.isEmpty)
        #expect(try site.names("manifests") == [scene.ids[2].hex])
        try site.expectWhole([scene.ids[2]])
        try site.expectTidy()
        let fresh = try CollectionSite()
        try fresh.capture(scene.source.state)
        let left = try Statistics(of: try site.repository())
        let wanted = try Statistics(of: try fresh.repository())
        #expect(left.blobs == wanted.blobs && left.bytesUnique == wanted.bytesUnique)
    }

    @Test("Without anything to do nothing changes")
    func idle() throws {
        let scene = try scene()
        try scene.site.collect()
        let before = try scene.site.packs
        let report = try scene.site.collect()
        #expect(report.packsRemoved == 0 && report.packsRewritten == 0 && report.indexFilesWritten == 0)
        #expect(try scene.site.packs == before)
        try scene.site.expectWhole(scene.ids)
    }

    @Test("A dry run changes nothing and says what would go")
    func dryRun() throws {
        let scene = try scene()
        try scene.site.delete(scene.ids[0])
        let before = try #require(scene.site.backend as? MemoryBackend).contents
        let report = try scene.site.collect { $0.isDryRun = true }
        #expect(report.isDryRun && report.snapshotsRemoved == 1)
        #expect(try #require(scene.site.backend as? MemoryBackend).contents == before)
    }

    @Test("A writer that began before keeps its packs, and the report says whom the collection waits for")
    func olderWriter() throws {
        let scene = try scene()
        let site = scene.site
        let writer = try Session.openWriter(on: site.backend, program: "test")
        try site.delete(scene.ids[0], scene.ids[1])
        let before = try site.packs
        let report = try site.collect { $0.allowsRewriting = false }
        #expect(report.packsRemoved == 0 && report.snapshotsRemoved == 0)
        let waiting = try #require(report.waitingFor.first)
        #expect(waiting.kind == .session && waiting.packs > 0 && waiting.snapshots == 2)
        #expect(waiting.sessions.map(\.id) == [writer.id] && waiting.sessions.first?.kind == .writer)
        #expect(waiting.sessions.first?.since != nil)
        #expect(try site.packs == before)
        #expect(try site.names("condemned").count == 1)
        // One that begins now knows of it, and need not be waited for.
        let later = try Session.openWriter(on: site.backend, program: "test")
        writer.close()
        #expect(try site.collect { $0.allowsRewriting = false }.snapshotsRemoved == 2)
        later.close()
        try site.expectWhole([scene.ids[2]])
        #expect(try site.names("condemned").isEmpty)
    }

    @Test("Undelete works until the grace is over, and then it is too late")
    func undelete() throws {
        let scene = try scene()
        let site = scene.site
        try site.delete(scene.ids[0])
        var report = try site.collect { $0.grace = 7 * 86_400 }
        #expect(report.waitingFor.contains { $0.kind == .grace && $0.reason == .unreferenced && $0.until != nil })
        try site.undelete(scene.ids[0])
        site.pass(seconds: 8 * 86_400)
        report = try site.collect { $0.grace = 7 * 86_400 }
        #expect(report.snapshotsRemoved == 0)
        try site.expectWhole(scene.ids)
        try site.delete(scene.ids[0])
        try site.collect()
        let error = #expect(throws: StoreError.self) { try site.undelete(scene.ids[0]) }
        #expect(error?.message.contains("too late") == true)
        try site.expectWhole([scene.ids[1], scene.ids[2]])
        try site.expectTidy()
    }

    @Test("What was written anew stays for its grace and goes in a later run")
    func rewriteGrace() throws {
        let scene = try scene()
        let site = scene.site
        try site.delete(scene.ids[0])
        let before = try site.packs
        var report = try site.collect { $0.rewriteGrace = 86_400 }
        let waiting = try #require(report.waitingFor.first { $0.reason == .rewritten })
        #expect(waiting.kind == .grace && waiting.packs > 0 && report.packsRewritten > 0)
        site.pass(seconds: 3_600)
        report = try site.collect { $0.rewriteGrace = 86_400 }
        #expect(report.packsRemoved == 0 && report.packsRewritten == 0)
        try site.expectWhole([scene.ids[1], scene.ids[2]])
        site.pass(seconds: 86_400)
        report = try site.collect { $0.rewriteGrace = 86_400 }
        #expect(report.packsRemoved == waiting.packs && report.bytesFreed > 0)
        #expect(try before.isDisjoint(with: site.packs))
        try site.expectWhole([scene.ids[1], scene.ids[2]])
        try site.expectTidy()
    }

    @Test("Where listings may be old, the second half is a later run, ten minutes on")
    func incoherentListings() throws {
        let scene = try scene(hasCoherentListings: false)
        let site = scene.site
        try site.delete(scene.ids[0])
        let report = try site.collect { $0.allowsRewriting = false }
        #expect(report.snapshotsRemoved == 0 && report.waitingFor.first?.kind == .listing)
        site.pass(seconds: 599)
        #expect(try site.collect { $0.allowsRewriting = false }.snapshotsRemoved == 0)
        site.pass(seconds: 2)
        #expect(try site.collect { $0.allowsRewriting = false }.snapshotsRemoved == 1)
        try site.expectWhole([scene.ids[1], scene.ids[2]])
    }

    @Test("A record from the future is taken back and made anew")
    func future() throws {
        let scene = try scene()
        let site = scene.site
        try site.delete(scene.ids[0])
        site.pass(seconds: 365 * 86_400)
        try site.collect { $0.grace = 86_400 }
        let names = try site.names("condemned")
        site.pass(seconds: -365 * 86_400)
        try site.collect { $0.grace = 86_400 }
        #expect(try site.names("condemned").allSatisfy { !names.contains($0) })
        site.pass(seconds: 86_401)
        #expect(try site.collect { $0.grace = 86_400 }.snapshotsRemoved == 1)
        try site.expectWhole([scene.ids[1], scene.ids[2]])
    }

    @Test("A deleted snapshot that a reader uses stays until the reader is done")
    func reader() throws {
        let scene = try scene()
        let site = scene.site
        let reader = try #require(Session.openReader(on: site.backend, program: "test", snapshots: [scene.ids[0]]))
        try site.delete(scene.ids[0], scene.ids[1])
        let report = try site.collect()
        #expect(report.snapshotsRemoved == 1 && report.snapshotsInUse == [scene.ids[0]])
        let repository = try site.repository()
        let manifest = try #require(try repository.snapshots().deleted.first { $0.id == scene.ids[0] }).manifest
        _ = try SnapshotContents(repository).read(manifest, below: scene.source.path)
        reader.close()
        #expect(try site.collect().snapshotsRemoved == 1)
        try site.expectWhole([scene.ids[2]])
        try site.expectTidy()
    }

    @Test("A second collector does not begin beside a living one, and ends a dead one")
    func twoCollectors() throws {
        let scene = try scene()
        let other = try Session.openCollector(on: scene.site.backend, program: "test")
        #expect { try scene.site.collect() } throws: { ($0 as? StoreError)?.code == .busy }
        #expect(try scene.site.names("sessions") == [other.id.hex])
        try scene.site.endProcesses()
        try scene.site.collect()
        try scene.site.expectTidy()
        other.close()
    }

    @Test("While anything is damaged that a snapshot needs, nothing is deleted", arguments: [
        "manifests/", "packs/tree/", "index/", "records/",
    ])
    func damage(prefix: String) throws {
        let scene = try scene()
        let site = scene.site
        try site.delete(scene.ids[0])
        let memory = try #require(site.backend as? MemoryBackend)
        for (path, bytes) in memory.contents where path.hasPrefix(prefix) {
            // A deleted snapshot may be as damaged as it likes.
            guard var damaged = bytes, !path.hasSuffix(scene.ids[0].hex) else { continue }
            for offset in stride(from: 0, to: damaged.count, by: 7) { damaged[offset] ^= 0x55 }
            try memory.replace(path, damaged)
        }
        let before = memory.contents
        let error = #expect(throws: StoreError.self) { try site.collect() }
        #expect(error?.code == .damaged && error?.message.hasPrefix("nothing was deleted") == true, "\(prefix)")
        #expect(memory.contents == before)
    }

    @Test("While a pack is missing that a snapshot needs, nothing is deleted")
    func missingPack() throws {
        let scene = try scene()
        try scene.site.delete(scene.ids[0])
        let memory = try #require(scene.site.backend as? MemoryBackend)
        for path in memory.contents.keys where path.hasPrefix("packs/data/") && path.count > 20 {
            try memory.remove(path)
        }
        let before = memory.contents
        let error = #expect(throws: StoreError.self) { try scene.site.collect() }
        #expect(error?.code == .damaged)
        #expect(memory.contents == before)
    }

    @Test("An interrupted snapshot that a later one stands for goes, with a tombstone that says so")
    func replaced() throws {
        let scene = try scene()
        let site = scene.site
        let interrupted = try interruptedCapture(scene)
        let id = try site.capture(scene.source.state)
        #expect(try site.repository().snapshots().replaced == [interrupted])
        #expect(try site.collect().snapshotsRemoved == 1)
        let list = try site.repository().snapshots()
        #expect(list.tombstoned.contains(interrupted))
        #expect(try site.names("manifests") == (scene.ids + [id]).map(\.hex).sorted())
        try site.expectWhole(scene.ids + [id])
    }

    /// Captures until some packs are stored, and leaves what a checkpoint leaves.
    private func interruptedCapture(_ scene: Scene) throws -> SnapshotID {
        let progress = Progress()
        let stepped = SteppedBackend(scene.site.backend) { step throws(StoreError) in
            if step.verb == "begin" { progress.cancel() }
        }
        let known = Set(scene.ids)
        // Two frames, so that one is being stored while there is more to come.
        try scene.source.write("code/numbers", (0..<200_000).flatMap { Array("\($0)\n".utf8) })
        let repository = try scene.site.repository(stepped)
        #expect(throws: StoreError.self) { try CrashScene.archive(scene.source.state, .full, repository, progress) }
        let all = try scene.site.repository().snapshots().snapshots
        return try #require(all.first { $0.manifest.state == .interrupted && !known.contains($0.id) }).id
    }
}
