import Testing
import Varve
import VarveFormat

@Suite struct BlobTableTests {
    private static func verify(
        _ fixture: VerifyFixture, cache: String?, spillLimit: Int
    ) throws -> (report: VerifyReport, findings: [String]) {
        var opening = Repository.OpenOptions()
        opening.cacheDirectory = cache
        var options = Verifier.Options()
        options.level = .data
        options.recordResult = false
        options.spillLimit = spillLimit
        var findings: [String] = []
        let repository = try VerifyFixture.open(fixture.backend, .aes256GCM, opening)
        let report = try Verifier(repository: repository, options: options, progress: Progress()).run {
            findings.append("\($0.kind) \($0.message) \($0.file ?? "") \($0.blob?.hex ?? "") \($0.path ?? [])")
        }
        return (report, findings.sorted())
    }

    @Test("A verification whose tables lie in files finds what one in memory finds", arguments: [1, 2, 3] as [UInt64])
    func spilled(seed: UInt64) throws {
        let fixture = try VerifyFixture(.aes256GCM, seed: seed)
        let cache = try TemporaryDirectory()
        var random = SeededBytes(seed: seed)
        func compare(_ what: String) throws {
            let expected = try Self.verify(fixture, cache: nil, spillLimit: .max)
            for limit in [0, 10] {
                let found = try Self.verify(fixture, cache: cache.path, spillLimit: limit)
                #expect(found.findings == expected.findings, "seed \(seed), \(what)")
                #expect(found.report.blobsChecked == expected.report.blobsChecked, "seed \(seed), \(what)")
                #expect(found.report.result == expected.report.result, "seed \(seed), \(what)")
            }
        }
        try compare("sound")
        for path in fixture.paths("packs/") + fixture.paths("index/") {
            let bytes = try fixture.backend.read(path, limit: .max)
            var damaged = bytes
            damaged[Int(random.bytes(1)[0]) * (bytes.count - 1) / 255] ^= 1
            try fixture.backend.replace(path, damaged)
            try compare("damaged \(path)")
            try fixture.backend.remove(path)
            try compare("without \(path)")
            try fixture.backend.replace(path, bytes)
        }
    }
}
