import Testing
import Varve
import VarveFormat

@Suite struct VerifierTests {
    /// The paths that findings name in each snapshot are those that the model cannot read.
    private static func expectExact(
        _ fixture: VerifyFixture, _ findings: [Finding], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let repository = try fixture.open()
        var model = try LossModel(repository)
        for (id, manifest) in try repository.snapshots().every.map({ ($0.id, $0.manifest) }) {
            let named = findings.filter { $0.snapshot == id }.compactMap(\.path)
                .map { String(decoding: $0, as: UTF8.self) }
            #expect(Set(named) == model.lostPaths(manifest), sourceLocation: sourceLocation)
            #expect(named.count == Set(named).count, sourceLocation: sourceLocation)
        }
    }

    private static func run(
        _ fixture: VerifyFixture, _ change: (inout Verifier.Options) -> Void
    ) throws -> (report: VerifyReport, findings: [Finding]) {
        var options = Verifier.Options()
        options.recordResult = false
        change(&options)
        var findings: [Finding] = []
        let verifier = Verifier(repository: try fixture.open(), options: options, progress: Progress())
        let report = try verifier.run { findings.append($0) }
        return (report, findings)
    }

    @Test("A sound repository passes and everything in it is counted", arguments: Suite.allCases)
    func sound(suite: Suite) throws {
        let fixture = try VerifyFixture(suite)
        let packs = fixture.paths("packs/").count
        for level in [Verifier.Level.structure, .data] {
            let (report, findings) = try fixture.verify(level)
            #expect(findings.isEmpty)
            #expect(report.result == .passed)
            #expect(report.snapshotsChecked == 2)
            #expect(report.packsChecked == packs && report.packsTotal == packs)
            #expect(report.treesChecked > 10)
            #expect(report.blobsChecked > report.treesChecked + 100)
        }
        #expect(try fixture.verify(.data).report.bytesRead > fixture.verify(.structure).report.bytesRead)
    }

    @Test("Names that the format does not know are ignored")
    func strangers() throws {
        let fixture = try VerifyFixture(.aes256GCM)
        for path in ["packs/data/aa/x", "packs/data/readme", "index/tmp-1", "keys/note", "records/a.swp", "lost"] {
            try fixture.backend.putIfAbsent(path, [1, 2, 3], session: nil)
        }
        let (report, findings) = try fixture.verify()
        #expect(report.result == .passed)
        #expect(findings.isEmpty)
    }

    @Test("A missing pack is incompleteness, and its files are named", arguments: ["packs/data/", "packs/tree/"])
    func missingPack(prefix: String) throws {
        let fixture = try VerifyFixture(.aes256GCM)
        for path in fixture.paths(prefix) {
            try fixture.without([path]) {
                for level in [Verifier.Level.structure, .data] {
                    let (report, findings) = try fixture.verify(level)
                    #expect(report.result == .incomplete)
                    #expect(report.missingPacks == 1)
                    #expect(report.packsTotal == report.packsChecked + 1)
                    #expect(report.damagedPacks == 0 && report.damagedBlobs == 0)
                    #expect(findings.contains { $0.kind == .missingPack && path.hasSuffix($0.pack?.hex ?? "-") })
                    #expect(findings.contains { $0.path != nil })
                    try Self.expectExact(fixture, findings)
                }
            }
        }
    }

    @Test("Without any index file everything is found in the packs, and what no pack has is missing")
    func noIndex() throws {
        let fixture = try VerifyFixture(.none)
        try fixture.without(fixture.paths("index/")) {
            #expect(try fixture.verify().findings.isEmpty)
            try fixture.without([fixture.paths("packs/data/")[0]]) {
                let (report, findings) = try fixture.verify(.structure)
                #expect(report.result == .incomplete)
                #expect(report.missingPacks == 0)
                #expect(findings.contains { $0.kind == .missingBlob && $0.blob != nil })
                try Self.expectExact(fixture, findings)
            }
        }
    }

    @Test("A pack that is cut short loses what lay behind the cut", arguments: Suite.allCases)
    func truncated(suite: Suite) throws {
        let fixture = try VerifyFixture(suite)
        for path in fixture.paths("packs/") {
            for part in [0, 100, 140, 700, 3_000] {
                try fixture.changing(path, { $0.removeLast(max(1, $0.count - part)) }, {
                    for level in [Verifier.Level.structure, .data] {
                        let (report, findings) = try fixture.verify(level)
                        #expect(report.result == .failed)
                        #expect(report.damagedPacks == 1)
                        try Self.expectExact(fixture, findings)
                    }
                })
            }
        }
    }

    @Test("Damage of one of two copies is damage of that file and costs no path")
    func secondCopies() throws {
        let fixture = try VerifyFixture(.aes256GCM)
        let pack = fixture.paths("packs/data/")[0]
        let changes: [(String, (inout [UInt8]) -> Void)] = [
            (pack, { $0[60] ^= 1 }), (pack, { $0[$0.count - 100] ^= 1 }), (pack, { $0[$0.count - 300] ^= 1 }),
            (fixture.paths("index/")[0], { $0[200] ^= 1 }), (fixture.paths("keys/")[0], { $0[100] ^= 1 }),
            (fixture.paths("keys/")[0], { $0[400] ^= 1 }), ("config", { $0[50] ^= 1 }),
            (fixture.paths("records/")[0], { $0[150] ^= 1 }),
        ]
        for (path, change) in changes {
            try fixture.changing(path, change, {
                let (report, findings) = try fixture.verify(.structure)
                #expect(report.result == .failed)
                #expect(findings.map(\.file) == [path])
                #expect(findings.allSatisfy { $0.path == nil })
            })
        }
    }

    @Test("A config of which only the number of its format is damaged is damaged, not of another format")
    func formatNumber() throws {
        let fixture = try VerifyFixture(.aes256GCM)
        let key = Array("\"format\":1".utf8)
        try fixture.changing("config", { bytes in
            for start in 0..<bytes.count - key.count where Array(bytes[start..<start + key.count]) == key {
                bytes[start + key.count - 1] ^= 2
            }
        }, {
            let (report, findings) = try fixture.verify(.structure)
            #expect(report.result == .failed)
            #expect(findings.map(\.file) == ["config"])
        })
    }

    @Test("A pack under a wrong name fails though every blob in it is whole")
    func wrongName() throws {
        let fixture = try VerifyFixture(.none)
        let bytes = try fixture.backend.read(fixture.paths("packs/data/")[0], limit: .max)
        let id = PackID(1, 2, 3, 4)
        try fixture.backend.putIfAbsent(RepositoryPath.pack(.dataPack, id), bytes, session: nil)
        let (report, findings) = try fixture.verify()
        #expect(report.result == .failed)
        #expect(findings.map(\.kind) == [.damagedPack])
        #expect(findings.map(\.pack) == [id])
    }

    @Test("Blobs that have a second place cost no path when the first is damaged")
    func secondPlace() throws {
        let fixture = try VerifyFixture(.aes256GCM)
        let old = fixture.paths("packs/") + fixture.paths("index/")
        try fixture.without(old) { try fixture.backup() }
        for path in old where path.hasPrefix("packs/") {
            try fixture.changing(path, { $0[400] ^= 1 }, {
                let (report, findings) = try fixture.verify()
                #expect(report.result == .failed)
                #expect(report.damagedBlobs > 0)
                // The new packs hold what the second snapshot needs, and no tree of the first alone.
                try Self.expectExact(fixture, findings)
                let newest = try fixture.open().snapshots().snapshots[0].id
                #expect(findings.allSatisfy { $0.snapshot != newest })
            })
        }
    }

    @Test("A damaged frame names all its blobs and where it lies")
    func blobs() throws {
        let fixture = try VerifyFixture(.aes256GCM)
        try fixture.changing(fixture.paths("packs/data/")[0], { $0[500] ^= 1 }, {
            let (report, findings) = try fixture.verify()
            let blobs = findings.filter { $0.kind == .damagedBlob }
            #expect(blobs.count == report.damagedBlobs && blobs.count > 10)
            #expect(blobs.allSatisfy { $0.offset == 136 && $0.length ?? 0 > 364 && $0.blob != nil })
            let paths = findings.filter { $0.path != nil }
            #expect(!paths.isEmpty && paths.allSatisfy { $0.pack != nil && $0.blob != nil && $0.offset == 136 })
        })
    }

    @Test("One snapshot can be verified alone, with only the packs that it needs")
    func oneSnapshot() throws {
        let fixture = try VerifyFixture(.none)
        let snapshots = try fixture.open().snapshots().snapshots
        let (all, _) = try Self.run(fixture) { $0.level = .data }
        let (report, _) = try Self.run(fixture) {
            $0.level = .data
            $0.snapshots = [snapshots[1].id]
        }
        #expect(report.snapshotsChecked == 1)
        #expect(report.result == .passed)
        #expect(report.bytesRead < all.bytesRead)
        let error = #expect(throws: StoreError.self) {
            _ = try Self.run(fixture) { $0.snapshots = [SnapshotID(1, 2, 3, 4)] }
        }
        #expect(error?.code == .notFound)
    }

    @Test("All parts together read every pack, a percentage reads so many")
    func subsets() throws {
        let fixture = try VerifyFixture(.none)
        let packs = fixture.paths("packs/data/")
        let whole = try packs.map { ($0, try fixture.backend.read($0, limit: .max)) }
        for (path, bytes) in whole {
            var damaged = bytes
            damaged[300] ^= 1
            try fixture.backend.replace(path, damaged)
        }
        var found: [PackID] = []
        for part in 1...3 {
            let (_, findings) = try Self.run(fixture) {
                $0.level = .data
                $0.subset = .part(number: part, of: 3)
            }
            found += Set(findings.filter { $0.kind == .damagedBlob }.compactMap(\.pack))
        }
        #expect(found.count == packs.count && Set(found).count == packs.count)
        let (report, _) = try Self.run(fixture) {
            $0.level = .data
            $0.subset = .percent(1, seed: 5)
        }
        #expect(report.damagedPacks == 1)
        for subset in [Verifier.Subset.part(number: 4, of: 3), .part(number: 0, of: 2), .percent(0, seed: 1)] {
            let error = #expect(throws: StoreError.self) { _ = try Self.run(fixture) { $0.subset = subset } }
            #expect(error?.code == .usage)
        }
    }

    @Test("The result is kept in the repository, each snapshot with its own")
    func records() throws {
        let fixture = try VerifyFixture(.aes256GCM)
        let newest = try fixture.open().snapshots().snapshots
        #expect(newest.map(\.status) == ["ok", "ok"])
        #expect(newest.allSatisfy { $0.verification?.level == "data" })
        // The pack that only the second snapshot needs.
        let only = try #require(fixture.paths("packs/data/").first { path in
            try fixture.without([path]) {
                Set(try fixture.verify(.structure).findings.compactMap(\.snapshot)) == [newest[0].id]
            }
        })
        try fixture.without([only]) { _ = try Self.run(fixture) { $0.recordResult = true } }
        let second = try fixture.open().snapshots().snapshots
        #expect(second.map(\.status) == ["incomplete", "ok"])
        #expect(second.allSatisfy { $0.verification?.level == "structure" })
        try fixture.changing(only, { $0[300] ^= 1 }, {
            _ = try Self.run(fixture) {
                $0.level = .data
                $0.recordResult = true
            }
        })
        #expect(try fixture.open().snapshots().snapshots.map(\.status) == ["damaged", "ok"])
        _ = try Self.run(fixture) {
            $0.level = .data
            $0.subset = .percent(50, seed: 1)
            $0.recordResult = true
        }
        let last = try fixture.open().snapshots().snapshots
        #expect(last.map(\.status) == ["ok", "ok"])
        #expect(last.allSatisfy { $0.verification?.level == "structure" }, "a part of the data is not the data")
        #expect(try fixture.verify().report.result == .passed)
    }

    @Test("A verification that is asked to stop stops")
    func interrupted() throws {
        let fixture = try VerifyFixture(.none)
        let progress = Progress()
        progress.cancel()
        let verifier = Verifier(repository: try fixture.open(), options: Verifier.Options(), progress: progress)
        let error = #expect(throws: StoreError.self) { _ = try verifier.run { _ in } }
        #expect(error?.code == .interrupted)
    }
}
