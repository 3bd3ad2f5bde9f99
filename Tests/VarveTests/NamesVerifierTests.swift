import Testing
import Varve
import VarveFormat

@Suite struct NamesVerifierTests {
    private static func run(_ fixture: VerifyFixture) throws -> (report: VerifyReport, findings: [Finding]) {
        var findings: [Finding] = []
        let report = try NamesVerifier.run(on: fixture.backend, threads: 2, progress: Progress()) { finding in
            findings.append(finding)
        }
        return (report, findings)
    }

    @Test("Without a key a sound repository passes and every file is read", arguments: Suite.allCases)
    func sound(suite: Suite) throws {
        let fixture = try VerifyFixture(suite)
        let (report, findings) = try Self.run(fixture)
        #expect(findings.isEmpty)
        #expect(report.result == .passed)
        #expect(report.packsChecked == fixture.paths("packs/").count)
        #expect(report.snapshotsChecked == 2)
        let named = fixture.files.filter { $0.key != "config" && !$0.key.hasPrefix("keys/") }
        #expect(report.bytesRead == named.reduce(0) { $0 + UInt64($1.value.count) })
    }

    @Test("Without a key every flipped bit is found in the file that has it", arguments: Suite.allCases)
    func flips(suite: Suite) throws {
        let fixture = try VerifyFixture(suite)
        var random = SeededBytes(seed: 77)
        for path in fixture.files.keys.sorted() {
            for _ in 0..<8 {
                let bit = random.below(8 * (try fixture.backend.read(path, limit: .max).count))
                try fixture.changing(path, { $0[bit / 8] ^= 1 << UInt8(bit % 8) }, {
                    let (report, findings) = try Self.run(fixture)
                    #expect(report.result == .failed, "bit \(bit) of \(path)")
                    #expect(Set(findings.map(\.file)) == [path], "bit \(bit) of \(path)")
                })
            }
        }
    }

    @Test("A file of another repository or kind is found though its name is right")
    func strangers() throws {
        let fixture = try VerifyFixture(.aes256GCM)
        let pack = try fixture.backend.read(fixture.paths("packs/data/")[0], limit: .max)
        let id = SHA256Digest.of(pack)
        let path = RepositoryPath.pack(.treePack, id)
        try fixture.backend.putIfAbsent(path, pack, session: nil)
        #expect(try Self.run(fixture).findings.map(\.file) == [path])
    }

    @Test("Where there is no repository, that is said")
    func nothing() throws {
        let directory = try TemporaryDirectory()
        let error = #expect(throws: StoreError.self) {
            _ = try NamesVerifier.run(at: directory.path, progress: Progress()) { _ in }
        }
        #expect(error?.code == .noRepository)
    }
}
