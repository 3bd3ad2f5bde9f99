import Testing
import VarveFormat

private func sample() -> Manifest {
    var manifest = Manifest(
        repositoryID: sampleRepository, host: "höst", program: "varve 0.1", kind: .quick, origin: .schedule,
        state: .partial, time: Timestamp(seconds: 1_750_682_096, nanoseconds: 7),
        paths: [Array("/srv".utf8), [0x2f, 0xff]], treeRoot: sampleID(1), tips: [FileID(1, 2, 3, 4)], sequence: 5)
    manifest.alias = "20250623_123456"
    manifest.appVersion = "2.1"
    manifest.bytes.total = 1 << 50
    manifest.counts.filesNew = 3
    manifest.counts.packsAdded = 4
    manifest.components = [.object(["name": .string("uploads")])]
    manifest.databases = [.object(["name": .string("app")])]
    manifest.description = "before\nthe upgrade"
    manifest.durationSeconds = 1.5
    manifest.errors = [Manifest.sampleFailure]
    manifest.errorsTotal = 2_000
    manifest.excludes = ["*.tmp"]
    manifest.job = "nightly"
    manifest.name = "n"
    manifest.parent = FileID(9, 9, 9, 9)
    manifest.replaces = [FileID(8, 8, 8, 8), FileID(7, 7, 7, 7)]
    manifest.tags = ["a", "b"]
    manifest.trustMtime = true
    manifest.type = "full"
    manifest.user = "me"
    manifest.validation = [.object(["ok": .bool(true)])]
    manifest.extra = ["zebra": .array([.null])]
    return manifest
}

extension Manifest {
    fileprivate static var sampleFailure: SnapshotError {
        SnapshotError(path: [0x2f, 0xfe], operation: "open", errno: 13, message: "permission denied")
    }
}

private func parse(_ bytes: [UInt8]) throws(FormatError) -> Manifest {
    try Manifest(parsing: bytes, repositoryID: sampleRepository)
}

@Suite struct ManifestFormatTests {
    @Test("Every property reads back as it was written")
    func roundTrip() throws {
        #expect(try parse(sample().encode()) == sample())
        #expect(sample().json().objectValue?.count == 33)
    }

    @Test("Keys without a value are left out, and null is no value")
    func absentKeys() throws {
        let manifest = Manifest(
            repositoryID: sampleRepository, host: "h", program: "p", kind: .full, origin: .user, state: .complete,
            time: Timestamp(seconds: 0), paths: [], treeRoot: sampleID(1), tips: [], sequence: 1)
        let keys = Set(try #require(manifest.json().objectValue).keys)
        #expect(keys == [
            "bytes", "counts", "errors_total", "format_version", "host", "kind", "origin", "paths", "program",
            "repository_id", "sequence", "state", "time", "tips", "tree_root",
        ])
        var members = try #require(manifest.json().objectValue)
        for key in ["alias", "tags", "parent", "duration_seconds", "trust_mtime", "errors", "read_features"] {
            members[key] = .null
        }
        #expect(try parse(JSONValue.object(members).canonicalFile()) == manifest)
    }

    @Test("Every required key is missed", arguments: [
        "bytes", "counts", "errors_total", "format_version", "host", "kind", "origin", "paths", "program",
        "repository_id", "sequence", "state", "time", "tips", "tree_root",
    ])
    func requiredKeys(key: String) throws {
        for replacement in [nil, JSONValue.null, .array([.null])] {
            var members = try #require(sample().json().objectValue)
            members[key] = replacement
            let bytes = JSONValue.object(members).canonicalFile()
            #expect(refusal { () throws(FormatError) in try parse(bytes) } == .malformed)
        }
    }

    @Test("Tags and tips are written sorted and once")
    func sorting() throws {
        var manifest = sample()
        manifest.tags = ["b", "é", "e\u{301}", "b", "a"]
        manifest.tips = [FileID(3, 0, 0, 0), FileID(1, 0, 0, 0), FileID(3, 0, 0, 0)]
        let read = try parse(manifest.encode())
        #expect(read.tags.map { Array($0.utf8) } == ["a", "b", "e\u{301}", "é"].map { Array($0.utf8) })
        #expect(read.tips == [FileID(1, 0, 0, 0), FileID(3, 0, 0, 0)])
    }

    @Test("Unknown keys are kept and never displace known ones")
    func extra() throws {
        var manifest = sample()
        manifest.extra["host"] = .string("other")
        #expect(try parse(manifest.encode()).host == "höst")
        #expect(try parse(manifest.encode()).extra == ["zebra": .array([.null])])
    }

    @Test("A read feature is named before anything else is looked at")
    func readFeatures() {
        let bytes = Array(#"{"format_version":1,"read_features":["delta"],"host":7}"#.utf8)
        #expect(refusal { () throws(FormatError) in try parse(bytes) } == .unsupported)
    }

    @Test("Each word of the format is accepted")
    func words() throws {
        #expect(Manifest.allWords == [
            "full", "quick", "user", "schedule", "safety", "complete", "partial", "interrupted",
        ])
    }

    @Test("No damage traps, and what is accepted is written again as it was read")
    func damage() {
        survivesDamage(sample().encode(), parse: parse, encode: { $0.encode() })
    }
}

extension Manifest {
    fileprivate static var allWords: [String] {
        SnapshotKind.allCases.map(\.rawValue) + SnapshotOrigin.allCases.map(\.rawValue)
            + SnapshotState.allCases.map(\.rawValue)
    }
}
