import Testing
import Varve
import VarveFormat

@Suite("SnapshotList")
struct SnapshotListTests {
    private let fixture: StatementFixture
    private var repository: Repository { fixture.repository }

    init() throws { fixture = try StatementFixture() }

    @Test("snapshots come newest first, and the next one continues from the tips")
    func order() throws {
        let first = try fixture.manifest(100)
        let left = try fixture.manifest(300, tips: [first], sequence: 2)
        let right = try fixture.manifest(200, tips: [first], sequence: 2)
        let list = try repository.snapshots()
        #expect(list.snapshots.map(\.id) == [left, right, first] && list.unreadable.isEmpty)
        #expect(list.tips == [left, right].sorted() && list.nextSequence == 3)
    }

    @Test("many snapshots are read by many threads, with none lost and none twice")
    func many() throws {
        var ids: [SnapshotID] = []
        for number in 0..<300 {
            ids.append(
                try fixture.manifest(Int64(number), tips: ids.suffix(1), sequence: number + 1) { manifest in
                    manifest.host = "a host whose name is longer than fifteen bytes"
                    manifest.tags = number % 2 == 0 ? ["e\u{301}"] : ["\u{E9}"]
                    manifest.excludes = ["a pattern that many snapshots have"]
                })
        }
        var options = Repository.OpenOptions()
        options.threads = 4
        let list = try Repository.open(on: fixture.backend, options: options).snapshots()
        #expect(list.snapshots.map(\.id) == ids.reversed())
        for (number, snapshot) in list.snapshots.reversed().enumerated() {
            #expect(Array(snapshot.tags[0].utf8) == Array((number % 2 == 0 ? "e\u{301}" : "\u{E9}").utf8))
        }
    }

    @Test("an interrupted snapshot is replaced by one of the same job alone")
    func replaces() throws {
        let interrupted = try fixture.manifest(1) { $0.state = .interrupted }
        let complete = try fixture.manifest(2, tips: [interrupted], sequence: 2)
        let other = try fixture.manifest(3, tips: [complete], sequence: 3) {
            $0.replaces = [interrupted, complete]
            $0.job = "other"
        }
        #expect(try repository.snapshots().snapshots.map(\.id) == [other, complete, interrupted])
        let same = try fixture.manifest(4, tips: [other], sequence: 4) { $0.replaces = [interrupted, complete] }
        let list = try repository.snapshots()
        #expect(list.snapshots.map(\.id) == [same, other, complete])
        #expect(list.replaced == [interrupted] && list.every.count == 4)
    }

    @Test("a sequence that does not follow from the tips is refused as forged")
    func forged() throws {
        let first = try fixture.manifest(1)
        let forged = try [
            fixture.manifest(2, tips: [first], sequence: 1), fixture.manifest(3, tips: [first], sequence: 3),
            fixture.manifest(4, sequence: 2),
        ]
        let list = try repository.snapshots()
        #expect(list.snapshots.map(\.id) == [first] && Set(list.unreadable.map(\.id)) == Set(forged))
        #expect(list.unreadable.allSatisfy { $0.error.code == .damaged && $0.directory == "manifests" })
    }

    @Test("a forged record deletes nothing")
    func forgedRecord() throws {
        let first = try fixture.manifest(1)
        let forged = try fixture.record(.tombstone(reason: "delete"), [first], tips: [first], sequence: 7)
        let list = try repository.snapshots()
        #expect(list.snapshots.map(\.id) == [first] && list.deleted.isEmpty)
        #expect(list.unreadable.map(\.id) == [forged] && list.unreadable.map(\.directory) == ["records"])
    }

    @Test("a tip that was deleted makes nobody a forger")
    func deletedTip() throws {
        let first = try fixture.manifest(1)
        let second = try fixture.manifest(2, tips: [first], sequence: 2)
        let third = try fixture.manifest(3, tips: [first, second], sequence: 3)
        try fixture.remove(second)
        #expect(try repository.snapshots().snapshots.map(\.id) == [third, first])
    }

    @Test("the later verification in the graph is the one that counts")
    func verification() throws {
        let snapshot = try fixture.manifest(1)
        #expect(try repository.snapshots().snapshots.first?.status == "unverified")
        let first = try fixture.record(
            .verified(level: "data", result: "damaged"), [snapshot], tips: [snapshot], sequence: 2, second: 900)
        try fixture.record(.verified(level: "data", result: "ok"), [snapshot], tips: [first], sequence: 3, second: 800)
        let found = try #require(try repository.snapshots().snapshots.first)
        #expect(found.status == "ok" && found.verification?.level == "data")
    }

    @Test("a tombstone takes a snapshot off the list, and of it and an undelete the later one wins")
    func tombstones() throws {
        let kept = try fixture.manifest(1)
        let gone = try fixture.manifest(2, tips: [kept], sequence: 2)
        let first = try fixture.record(.tombstone(reason: "delete"), [gone], tips: [gone], sequence: 3)
        var list = try repository.snapshots()
        #expect(list.snapshots.map(\.id) == [kept] && list.deleted.map(\.id) == [gone])
        let deletion = try #require(list.deleted.first?.deletion)
        #expect(deletion.time == Timestamp(seconds: 1_000) && deletion.reason == "delete")
        let second = try fixture.record(.undelete, [gone], tips: [first], sequence: 4, second: 10)
        list = try repository.snapshots()
        #expect(list.snapshots.map(\.id) == [gone, kept] && list.deleted.isEmpty && list.tombstoned.isEmpty)
        try fixture.record(.tombstone(reason: "forget"), [gone], tips: [second], sequence: 5, second: 5)
        #expect(try repository.snapshots().deleted.map(\.deletion?.reason) == ["forget"])
    }

    @Test("of two statements with one sequence the one with the greater id is later")
    func equalSequences() throws {
        let snapshot = try fixture.manifest(1)
        let left = try fixture.record(.pin(true), [snapshot], tips: [snapshot], sequence: 2)
        let right = try fixture.record(.pin(false), [snapshot], tips: [snapshot], sequence: 2)
        #expect(try repository.snapshots().snapshots[0].isPinned == (left > right))
    }

    @Test("tags are those of the manifest as all records changed them, in their order")
    func tags() throws {
        let snapshot = try fixture.manifest(1) { $0.tags = ["a", "b"] }
        var last = snapshot
        let changes: [(TagChange, [String])] = [
            (.change(add: ["c"], remove: ["a"]), ["b", "c"]), (.set(["x"]), ["x"]),
            (.change(add: ["d", "a"], remove: []), ["a", "d", "x"]), (.change(add: [], remove: ["x", "y"]), ["a", "d"]),
        ]
        for (number, (change, expected)) in changes.enumerated() {
            last = try fixture.record(.tag(change), [snapshot], tips: [last], sequence: number + 2)
            let found = try #require(try repository.snapshots().snapshots.first)
            #expect(found.tags == expected && found.manifest.tags == ["a", "b"])
        }
    }

    @Test("a pin and a hold count until they are taken back, and a hold until it ends")
    func protection() throws {
        let snapshot = try fixture.manifest(1)
        let pin = try fixture.record(.pin(true), [snapshot], tips: [snapshot], sequence: 2)
        let hold = try fixture.record(.hold(until: Timestamp(seconds: 50)), [snapshot], tips: [pin], sequence: 3)
        var found = try #require(try repository.snapshots().snapshots.first)
        #expect(found.isPinned && found.isHeld(at: Timestamp(seconds: 49)) && !found.isHeld(at: Timestamp(seconds: 50)))
        let release = try fixture.record(.hold(until: nil), [snapshot], tips: [hold], sequence: 4)
        try fixture.record(.pin(false), [snapshot], tips: [release], sequence: 5)
        found = try #require(try repository.snapshots().snapshots.first)
        #expect(!found.isPinned && found.holdUntil == nil)
    }

    @Test("records of unknown kinds and about unknown snapshots are ignored")
    func unknown() throws {
        let snapshot = try fixture.manifest(1)
        let stranger = try fixture.record(
            .pin(true), [SnapshotID(7, 7, 7, 7)], tips: [snapshot], sequence: 2)
        let record = Record(
            repositoryID: repository.id, kind: "anything", subjects: [snapshot], time: Timestamp(seconds: 1),
            tips: [stranger], sequence: 3)
        let unknown = try fixture.sealed(.record, record.encode())
        let list = try repository.snapshots()
        #expect(list.snapshots.map(\.id) == [snapshot] && list.unreadable.isEmpty && list.tips == [unknown])
    }

    @Test("a manifest that cannot be read is told, and hides no other")
    func unreadable() throws {
        let good = try fixture.manifest(1)
        let bad = try fixture.manifest(2, tips: [good], sequence: 2)
        var bytes = try fixture.backend.read("manifests/\(bad.hex)", limit: 1 << 20)
        bytes[bytes.count / 2] ^= 1
        try fixture.remove(bad)
        try fixture.backend.putIfAbsent("manifests/\(bad.hex)", bytes, session: nil)
        try fixture.backend.putIfAbsent("manifests/not-a-name", [1], session: nil)
        let list = try repository.snapshots()
        #expect(list.snapshots.map(\.id) == [good] && list.unreadable.map(\.id) == [bad])
    }
}
