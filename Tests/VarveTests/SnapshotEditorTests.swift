import Synchronization
import Testing
import Varve
import VarveFormat

@Suite("SnapshotEditor")
struct SnapshotEditorTests {
    private let fixture: StatementFixture
    private var repository: Repository { fixture.repository }
    private var editor: SnapshotEditor { SnapshotEditor(repository: fixture.repository) }

    init() throws { fixture = try StatementFixture() }

    private func code(_ body: () throws(StoreError) -> Void) -> StoreError.Code? {
        do {
            try body()
            return nil
        } catch { return error.code }
    }

    @Test("a deletion is a record, fenced by a session, and the manifest stays as it is")
    func delete() throws {
        let kept = try fixture.manifest(1)
        let gone = try fixture.manifest(2, tips: [kept], sequence: 2)
        let before = try fixture.backend.read(RepositoryPath.file(.manifest, gone), limit: 1 << 20)
        try editor.delete([gone, gone], reason: "delete", includesSafety: false)
        let list = try repository.snapshots()
        #expect(list.snapshots.map(\.id) == [kept] && list.deleted.map(\.id) == [gone] && list.nextSequence == 4)
        #expect(try fixture.backend.read(RepositoryPath.file(.manifest, gone), limit: 1 << 20) == before)
        #expect(try fixture.backend.list("sessions").isEmpty)
        try editor.delete([gone], reason: "again", includesSafety: false)
        #expect(try repository.snapshots().deleted.map(\.deletion?.reason) == ["delete"])
        #expect(try fixture.backend.list("records").count == 1)
    }

    @Test("what is pinned, held or a safety snapshot is not deleted, and nothing beside it")
    func protected() throws {
        let plain = try fixture.manifest(1)
        let other = try fixture.manifest(2, tips: [plain], sequence: 2) { $0.origin = .safety }
        #expect(code { () throws(StoreError) in
            try editor.delete([plain, other], reason: "delete", includesSafety: false)
        } == .refused)
        #expect(try repository.snapshots().snapshots.count == 2)
        try editor.pin([plain], true)
        #expect(code { () throws(StoreError) in
            try editor.delete([plain], reason: "delete", includesSafety: true)
        } == .refused)
        try editor.pin([plain], false)
        try editor.hold([plain], until: Timestamp(seconds: .max / 2))
        #expect(code { () throws(StoreError) in
            try editor.delete([plain], reason: "delete", includesSafety: true)
        } == .refused)
        try editor.hold([plain], until: Timestamp(seconds: 1))
        try editor.delete([plain, other], reason: "delete", includesSafety: true)
        #expect(try repository.snapshots().snapshots.isEmpty)
    }

    @Test("nothing is said about a snapshot that is not there")
    func unknown() throws {
        let stranger = SnapshotID(1, 2, 3, 4)
        #expect(code { () throws(StoreError) in
            try editor.delete([stranger], reason: "x", includesSafety: true)
        } == .notFound)
        #expect(code { () throws(StoreError) in try editor.undelete([stranger]) } == .notFound)
        #expect(code { () throws(StoreError) in try editor.pin([stranger], true) } == .notFound)
        #expect(code { () throws(StoreError) in try editor.tag([stranger], .set([])) } == .notFound)
        #expect(code { () throws(StoreError) in try editor.hold([stranger], until: nil) } == .notFound)
        #expect(try fixture.backend.list("records").isEmpty && fixture.backend.list("sessions").isEmpty)
    }

    @Test("a checkpoint whose backup was finished does not come back")
    func finishedCheckpoint() throws {
        let checkpoint = try fixture.manifest(1) { $0.state = .interrupted }
        let whole = try fixture.manifest(2, tips: [checkpoint], sequence: 2) { $0.replaces = [checkpoint] }
        try fixture.record(.tombstone(reason: "replaced"), [checkpoint], tips: [whole], sequence: 3)
        let error = #expect(throws: StoreError.self) { try editor.undelete([checkpoint]) }
        #expect(error?.message.contains("checkpoint") == true)
        #expect(try repository.snapshots().snapshots.map(\.id) == [whole])
    }

    @Test("tags are changed, and those that could not be written in a list are refused", arguments: ["", "a,b", "a\nb"])
    func tags(bad: String) throws {
        let snapshot = try fixture.manifest(1) { $0.tags = ["a"] }
        try editor.tag([snapshot], .change(add: ["b"], remove: ["a"]))
        #expect(try repository.snapshots().snapshots[0].tags == ["b"])
        #expect(code { () throws(StoreError) in
            try editor.tag([snapshot], .change(add: [bad], remove: []))
        } == .usage)
        // Whatever got in by another program can be taken out.
        try editor.tag([snapshot], .change(add: [], remove: [bad]))
        #expect(try repository.snapshots().snapshots[0].tags == ["b"])
    }
}

/// With real packs, and a collector at work as far as the test says.
@Suite("SnapshotEditor.undelete")
struct UndeleteTests {
    private let site: CaptureSite
    private let repository: Repository
    private let id: SnapshotID

    init() throws {
        site = try CaptureSite()
        FileTool.write(site.path("file"), Array("content".utf8))
        id = try #require(try site.capture().snapshotID)
        repository = try site.repository()
        try SnapshotEditor(repository: repository).delete([id], reason: "forget", includesSafety: false)
    }

    private func condemn(_ state: CondemnedName.State, snapshots: [SnapshotID]) throws -> CondemnedName {
        let packs = try PackListing(repository.backend).packs.keys.sorted()
        let name = CondemnedName(CollectionID(1, 2), state)
        let record = CondemnedRecord(
            time: .now(), reason: .unreferenced, packs: packs, snapshots: snapshots)
        try repository.backend.putIfAbsent(RepositoryPath.condemned(name), record.encode(), session: nil)
        return name
    }

    private func undelete() -> StoreError? {
        do {
            try SnapshotEditor(repository: repository).undelete([id])
            return nil
        } catch { return error }
    }

    private func condemnedNames() throws -> [String] {
        try repository.backend.list(RepositoryPath.condemned).map(\.name)
    }

    @Test("a deleted snapshot comes back whole, and doing it again changes nothing")
    func whole() throws {
        #expect(undelete() == nil)
        #expect(try repository.snapshots().snapshots.map(\.id) == [id])
        #expect(undelete() == nil)
        #expect(try repository.backend.list("records").count == 2)
        #expect(try repository.backend.list("sessions").isEmpty)
    }

    @Test("a waiting collection is withdrawn")
    func withdrawn() throws {
        let name = try condemn(.waiting, snapshots: [id])
        #expect(undelete() == nil)
        #expect(try condemnedNames() == [CondemnedName(name.id, .withdrawn).text])
        #expect(try repository.snapshots().snapshots.map(\.id) == [id])
    }

    @Test("a collection that goes on just when it is withdrawn makes undelete begin anew in another session")
    func finalMeanwhile() throws {
        let name = try condemn(.waiting, snapshots: [])
        let base = repository.backend
        let sessions = Mutex(0)
        let stepped = SteppedBackend(base) { (step) throws(StoreError) in
            if step.verb == "make", step.path.hasPrefix("sessions/") { sessions.withLock { $0 += 1 } }
            guard step.verb == "rename", step.path.hasSuffix("-withdrawn") else { return }
            try base.rename(
                RepositoryPath.condemned(name), to: RepositoryPath.condemned(CondemnedName(name.id, .final)))
        }
        try SnapshotEditor(repository: try site.repository(on: stepped)).undelete([id])
        #expect(sessions.withLock { $0 } == 2)
        #expect(try repository.snapshots().snapshots.map(\.id) == [id])
    }

    @Test("a complete snapshot comes back though another one claims to stand for it")
    func claimed() throws {
        let other = try #require(try site.capture().snapshotID)
        let list = try repository.snapshots()
        var manifest = try #require(list.every.first { $0.id == other }).manifest
        manifest.replaces = [id]
        manifest.tips = list.tips
        manifest.sequence = list.nextSequence
        let sealed = try repository.sealed.seal(.manifest, manifest.encode())
        try repository.backend.putIfAbsent(
            RepositoryPath.file(.manifest, SHA256Digest.of(sealed)), sealed, session: nil)
        #expect(undelete() == nil)
        #expect(try repository.snapshots().contains(id))
    }

    @Test("past the point of no return it is too late, and the snapshot stays deleted")
    func final() throws {
        let name = try condemn(.final, snapshots: [id])
        #expect(undelete()?.code == .failed)
        #expect(try condemnedNames() == [name.text])
        let list = try repository.snapshots()
        #expect(list.snapshots.isEmpty && list.deleted.map(\.id) == [id])
        #expect(try repository.backend.list("records").count == 1)
    }

    @Test("a final collection that does not name the snapshot takes nothing that it needs, and it comes back")
    func finalPacks() throws {
        _ = try condemn(.final, snapshots: [])
        #expect(undelete() == nil)
        #expect(try repository.snapshots().snapshots.map(\.id) == [id])
    }

    @Test("a pack that is gone already is noticed, and the snapshot stays deleted")
    func packGone() throws {
        let listing = try PackListing(repository.backend)
        let pack = try #require(listing.packs.first { $0.value.kind == .dataPack })
        try repository.backend.remove(RepositoryPath.pack(.dataPack, pack.key))
        #expect(undelete()?.code == .failed)
        #expect(try repository.snapshots().deleted.map(\.id) == [id])
    }

    @Test("a manifest that is gone cannot come back")
    func manifestGone() throws {
        try repository.backend.remove(RepositoryPath.file(.manifest, id))
        let error = try #require(undelete())
        #expect(error.code == .failed && error.message.contains("too late"))
    }

    @Test("packs that no index file names count as well")
    func unindexed() throws {
        for file in try repository.backend.list(RepositoryPath.index) {
            try repository.backend.remove("\(RepositoryPath.index)/\(file.name)")
        }
        #expect(undelete() == nil)
    }
}
