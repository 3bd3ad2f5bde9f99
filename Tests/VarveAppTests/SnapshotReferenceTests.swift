import Testing
import Varve
import VarveApp
import VarveFormat

@Suite("References to snapshots")
struct SnapshotReferenceTests {
    private static func candidate(_ digit: UInt64, day: Int64, name: String? = nil) -> SnapshotCandidate {
        var candidate = SnapshotCandidate(
            id: SnapshotID(digit << 60, 0, 0, 0), time: Timestamp(seconds: 1_750_000_000 + day * 86_400))
        candidate.name = name
        candidate.alias = candidate.time.alias
        candidate.host = "h"
        return candidate
    }

    private let resolver: SnapshotResolver
    private let all: [SnapshotCandidate]

    init() {
        var all = [
            Self.candidate(1, day: 0, name: "first"), Self.candidate(2, day: 1, name: "twin"),
            Self.candidate(3, day: 2, name: "twin"), Self.candidate(4, day: 3), Self.candidate(5, day: 4),
        ]
        all[1].isValid = true
        all[4].isOrdinary = false
        self.all = all
        resolver = SnapshotResolver(all)
    }

    private func find(_ text: String, nearest: Bool = false) throws(StoreError) -> SnapshotID {
        try resolver.resolve(try SnapshotReference(text), nearest: nearest)
    }

    @Test("every form finds its snapshot")
    func forms() throws {
        #expect(try find(all[0].id.hex) == all[0].id)
        #expect(try find("20250615_150640") == all[0].id)
        #expect(try find("first") == all[0].id)
        #expect(try find("3000") == all[2].id)
        #expect(try find("latest") == all[3].id)
        #expect(try find("latest~0") == all[3].id)
        #expect(try find("latest~3") == all[0].id)
        #expect(try find("latest-valid") == all[1].id)
        #expect(try find("@2025-06-16T15:06:40Z") == all[1].id)
        #expect(try find("@2025-06-16T15:06:39Z") == all[0].id)
        #expect(try find("@2025-06-16T17:06:40+02:00") == all[1].id)
        #expect(try find("@2025-06-16T15:06:39Z", nearest: true) == all[1].id)
        #expect(try find("@2000-01-01T00:00Z", nearest: true) == all[0].id)
        #expect(try find(all[4].id.hex) == all[4].id)
    }

    @Test("what is not there is not found, and a name held twice is ambiguous")
    func failures() {
        for text in ["nothing", "latest~4", "300", "ffff", "20250615_150641", "@2025-06-15T15:06Z"] {
            #expect(throws: StoreError.self) { try find(text) }
            do { _ = try find(text) } catch { #expect(error.code == .notFound, "\(text)") }
        }
        do {
            _ = try find("twin")
            Issue.record("a name of two snapshots found one")
        } catch {
            #expect(error.code == .ambiguous)
            #expect(error.message.contains(all[1].id.hex.prefix(16)))
            #expect(error.message.contains(all[2].id.hex.prefix(16)))
        }
    }

    @Test("a path follows a colon, also behind a time")
    func paths() throws {
        #expect(try SnapshotReference("latest").path == nil)
        #expect(try SnapshotReference("latest:").path == [])
        #expect(try SnapshotReference("latest:/a//b/./c/").path == Array("a/b/c".utf8))
        let dated = try SnapshotReference("@2025-06-16T14:30:etc/hosts")
        #expect(dated.text == "@2025-06-16T14:30")
        #expect(dated.path == Array("etc/hosts".utf8))
        #expect(try SnapshotReference("@2025-06-16:x:y").path == Array("x:y".utf8))
        #expect(try SnapshotReference(Array("latest:".utf8) + [0xFF]).path == [0xFF])
        for text in ["", ":x", "latest:../x", "@today", "latest~x", "latest~-1", "@2025-06-16x"] {
            #expect(throws: StoreError.self) { try SnapshotReference(text) }
        }
    }

    @Test("a name that looks like another form is refused")
    func names() {
        for name in [
            "", "latest", "latest-valid", "latest~1", "@x", "a:b", "-x", "20250623_123456", "20250623_123456_2", "beef",
            "2025", "a\nb", String(repeating: "x", count: 256),
        ] {
            #expect(SnapshotReference.nameProblem(name) != nil, "\(name)")
        }
        for name in ["before_migration_v2", "abc", "beefs", "Wöchentlich", "20250623", "x y"]
        where SnapshotReference.nameProblem(name) != nil {
            #expect(name == "20250623", "eight digits look like the start of an id")
        }
    }

    @Test("filters narrow what latest chooses from")
    func filters() throws {
        var filter = SnapshotFilter()
        filter.names = ["first"]
        #expect(try SnapshotResolver(all, filter: filter).resolve(SnapshotReference("latest")) == all[0].id)
        filter = SnapshotFilter()
        filter.until = all[1].time
        filter.hosts = ["h", "other"]
        #expect(all.filter(filter.matches).map(\.id) == [all[0].id, all[1].id])
        filter.hosts = ["other"]
        #expect(!all.contains(where: filter.matches))
    }
}
