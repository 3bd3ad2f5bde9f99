import Testing
import Varve
import VarveFormat

@Suite("Checkpoints")
struct CheckpointTests {
    private static let fileCount = 40
    private static let fileSize = 1_000_000

    private func site() throws -> CaptureSite {
        let site = try CaptureSite(threads: 1)
        site.makeDirectory("d")
        site.makeDirectory("d/e")
        for number in 0..<Self.fileCount {
            site.write(["", "d/", "d/e/"][number % 3] + "f\(number)", random: Self.fileSize, seed: UInt64(number))
        }
        return site
    }

    /// A capture that is asked to stop when it begins a certain pack.
    private func interrupt(_ site: CaptureSite, _ kind: SnapshotKind, atPack pack: Int) throws {
        let progress = Progress()
        let backend = HookedBackend(LocalBackend(path: site.place), onUpload: { if $0 == pack { progress.cancel() } })
        #expect { try site.capture(kind, on: backend, progress: progress) } throws: {
            ($0 as? StoreError)?.code == .interrupted
        }
    }

    @Test("a capture that is stopped leaves a readable snapshot, which the next one replaces without reading it again",
        arguments: [SnapshotKind.full, .quick])
    func resume(_ kind: SnapshotKind) throws {
        let site = try site()
        try interrupt(site, kind, atPack: 11)
        let interrupted = try #require(try site.repository().snapshots().snapshots.first)
        #expect(interrupted.manifest.state == .interrupted)
        var stored: UInt64 = 0
        let reader = try SnapshotBlobs(site.repository())
        for (path, entry) in try site.fullTree(interrupted.manifest.treeRoot) {
            guard case .file(let size, let blobs) = entry.content else { continue }
            #expect(try reader.bytes(blobs) == FileTool.read(path))
            stored += size
        }
        #expect(stored >= 4_000_000 && stored < UInt64(Self.fileCount * Self.fileSize))
        let report = try site.capture(kind)
        #expect(report.manifest.bytes.read == Self.fileCount * Self.fileSize - Int(stored))
        #expect(report.manifest.replaces == [interrupted.id] && report.manifest.state == .complete)
        try site.expectSameAsSource(report)
        #expect(try site.repository().snapshots().snapshots.map(\.id) == [report.snapshotID].compactMap(\.self))
        #expect(try site.capture(.quick).manifest.treeRoot == report.manifest.treeRoot)
    }

    @Test("interruptions one after the other lose nothing of what was stored")
    func repeated() throws {
        let site = try site()
        for _ in 0..<3 { try interrupt(site, .full, atPack: 4) }
        let report = try site.capture(.full)
        #expect(report.manifest.bytes.read <= (Self.fileCount - 3 * 5) * Self.fileSize)
        #expect(report.manifest.replaces.count == 3)
        try site.expectSameAsSource(report)
        #expect(try site.repository().snapshots().snapshots.count == 1)
        // What was finished is finished: the next full capture reads everything.
        #expect(try site.capture(.full).manifest.bytes.read == Self.fileCount * Self.fileSize)
    }

    @Test("a full capture does not trust what an interrupted quick one did not read")
    func quickThenFull() throws {
        let site = try site()
        try site.capture(.full)
        site.write("g", random: 6_000_000, seed: 77)
        site.write("h", random: 6_000_000, seed: 78)
        try interrupt(site, .quick, atPack: 5)
        #expect(try site.capture(.full).manifest.bytes.read == Self.fileCount * Self.fileSize + 12_000_000)
    }

    @Test("an interrupted capture of other sources is left alone")
    func otherSources() throws {
        let site = try site()
        try interrupt(site, .full, atPack: 11)
        let other = try site.capture { $0.paths = [Array(site.path("d").utf8)] }
        #expect(other.manifest.replaces.isEmpty)
        #expect(try site.repository().snapshots().snapshots.count == 2)
    }

    @Test("checkpoints while a capture runs are replaced by its end")
    func interval() throws {
        let site = try CaptureSite(threads: 2)
        for number in 0..<6 { site.write("f\(number)", random: 5_000_000, seed: UInt64(number)) }
        // 8 MB a second make a capture of 30 MB last longer than several intervals.
        let report = try site.capture { options in
            options.checkpointInterval = 1
            options.readLimit = 8_000_000
        }
        #expect(!report.manifest.replaces.isEmpty)
        #expect(try site.files("manifests").count == report.manifest.replaces.count + 1)
        #expect(try site.repository().snapshots().snapshots.count == 1)
        try site.expectSameAsSource(report)
    }
}
