import Glibc
import Testing
import Varve
import VarveFormat

@Suite("ClientMemory")
struct ClientMemoryTests {
    private let fixture: StatementFixture

    init() throws { fixture = try StatementFixture() }

    private func memory(at location: String = "/here") throws -> ClientMemory {
        try #require(
            ClientMemory(directory: fixture.state.path, repository: fixture.repository.id, location: location))
    }

    private var files: [String] {
        let root = fixture.state.path
        let backend = LocalBackend(path: root)
        let places = (try? backend.list(""))?.map(\.name) ?? []
        return places.flatMap { place in ((try? backend.list(place)) ?? []).map { "\(root)/\(place)/\($0.name)" } }
    }

    @Test("what was seen first stays first, in this run and in the next")
    func firstSeen() throws {
        let id = SnapshotID(1, 2, 3, 4)
        let memory = try memory()
        memory.remember([id], now: Timestamp(seconds: 5))
        memory.remember([id, SnapshotID(5, 6, 7, 8)], now: Timestamp(seconds: 9))
        #expect(memory.firstSeen(id) == Timestamp(seconds: 5))
        let next = try self.memory()
        #expect(next.firstSeen(id) == Timestamp(seconds: 5))
        #expect(next.firstSeen(SnapshotID(5, 6, 7, 8)) == Timestamp(seconds: 9))
        next.forget([id])
        #expect(try self.memory().firstSeen(id) == nil && self.memory().remembered.count == 1)
    }

    @Test("a snapshot that vanishes is found out, at this place and for as long as nobody accepts it")
    func vanished() throws {
        let kept = try fixture.manifest(1)
        let lost = try fixture.manifest(2, tips: [kept], sequence: 2)
        #expect(try fixture.remembering().snapshots().vanished.isEmpty)
        try fixture.remove(lost)
        for _ in 0..<2 { #expect(try fixture.remembering().snapshots().vanished == [lost]) }
        #expect(try fixture.repository.snapshots().vanished.isEmpty)
        try SnapshotEditor(repository: fixture.remembering()).acceptMissing([lost])
        let list = try fixture.remembering().snapshots()
        #expect(list.vanished.isEmpty && !list.isRolledBack && list.snapshots.map(\.id) == [kept])
    }

    @Test("a tombstone, a later snapshot that stands for it or the owner's consent explains that a manifest is gone",
        arguments: ["tombstone", "accepted", "replaces"])
    func explained(by kind: String) throws {
        let id = try fixture.manifest(1)
        _ = try fixture.remembering().snapshots()
        switch kind {
        case "tombstone": try fixture.record(.tombstone(reason: "forget"), [id], tips: [id], sequence: 2)
        case "accepted": try fixture.record(.accepted, [id], tips: [id], sequence: 2)
        default: _ = try fixture.manifest(9, tips: [id], sequence: 2) { $0.replaces = [id] }
        }
        try fixture.remove(id)
        #expect(try fixture.remembering().snapshots().vanished.isEmpty)
    }

    @Test("an undeleted snapshot whose manifest vanishes is missed again")
    func undeleted() throws {
        let id = try fixture.manifest(1)
        let tombstone = try fixture.record(.tombstone(reason: "delete"), [id], tips: [id], sequence: 2)
        try fixture.record(.undelete, [id], tips: [tombstone], sequence: 3)
        _ = try fixture.remembering().snapshots()
        try fixture.remove(id)
        #expect(try fixture.remembering().snapshots().vanished == [id])
    }

    @Test("a damaged manifest has not vanished")
    func damaged() throws {
        let id = try fixture.manifest(1)
        _ = try fixture.remembering().snapshots()
        try fixture.remove(id)
        try fixture.backend.putIfAbsent(RepositoryPath.file(.manifest, id), [1, 2, 3], session: nil)
        let list = try fixture.remembering().snapshots()
        #expect(list.vanished.isEmpty && list.unreadable.map(\.id) == [id])
    }

    @Test("an older copy in the repository's place is noticed by the sequence alone")
    func rollback() throws {
        let id = try fixture.manifest(1)
        let record = try fixture.record(.pin(true), [id], tips: [id], sequence: 2)
        _ = try fixture.remembering().snapshots()
        try fixture.backend.remove(RepositoryPath.file(.record, record))
        let list = try fixture.remembering().snapshots()
        #expect(list.isRolledBack && list.vanished.isEmpty)
        try SnapshotEditor(repository: fixture.remembering()).acceptMissing([])
        #expect(try !fixture.remembering().snapshots().isRolledBack)
    }

    @Test("at another place the same absence is a copy that is behind")
    func behind() throws {
        let here = try fixture.manifest(1)
        let deleted = try fixture.manifest(2, tips: [here], sequence: 2)
        try fixture.record(.tombstone(reason: "delete"), [deleted], tips: [deleted], sequence: 3)
        let elsewhere = try memory(at: "/elsewhere")
        elsewhere.remember([here, deleted, SnapshotID(1, 0, 0, 0), SnapshotID(2, 0, 0, 0), SnapshotID(3, 0, 0, 0)])
        try fixture.remove(deleted)
        let list = try fixture.remembering().snapshots()
        #expect(list.behind == 3 && list.vanished.isEmpty)
    }

    @Test("no damage to the memory breaks a command, or makes a deletion of what is no deletion")
    func damage() throws {
        var ids: [SnapshotID] = []
        for number in 0..<8 {
            ids.append(try fixture.manifest(Int64(number), tips: ids.suffix(1), sequence: number + 1))
        }
        _ = try fixture.remembering().snapshots()
        let seed = UInt64.random(in: .min ... .max)
        print("seed \(seed)")
        var random = SeededBytes(seed: seed)
        for _ in 0..<200 {
            for path in files {
                var bytes = FileTool.read(path)
                if !bytes.isEmpty {
                    bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
                    if random.below(2) == 0 { bytes.removeLast(random.below(bytes.count + 1)) }
                }
                FileTool.write(path, bytes)
            }
            let list = try fixture.remembering().snapshots()
            #expect(list.snapshots.count == 8 && list.vanished.isEmpty && !list.isRolledBack)
        }
    }

    @Test("where nothing can be kept there is no memory")
    func unwritable() throws {
        let file = fixture.state.path + "/file"
        FileTool.write(file, [1])
        #expect(ClientMemory(directory: file, repository: fixture.repository.id, location: "/") == nil)
        #expect(ClientMemory(directory: nil, repository: fixture.repository.id, location: "/") == nil)
    }

    @Test("a beat is as old as this machine knows it, and a session that is gone is forgotten")
    func beats() throws {
        let left = SessionID(1, 1), right = SessionID(2, 2)
        try memory().rememberBeats([left: 5, right: 0], now: Timestamp(seconds: 100))
        try memory().rememberBeats([left: 5, right: 1], now: Timestamp(seconds: 200))
        var beats = try memory().beats()
        #expect(beats[left]?.beat == 5 && beats[left]?.since == Timestamp(seconds: 100))
        #expect(beats[right]?.beat == 1 && beats[right]?.since == Timestamp(seconds: 200))
        try memory().rememberBeats([right: 1], now: Timestamp(seconds: 300))
        beats = try memory().beats()
        #expect(beats.count == 1 && beats[right]?.since == Timestamp(seconds: 200))
    }
}
