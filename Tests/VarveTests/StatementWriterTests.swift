import Testing
import Varve
import VarveFormat

@Suite("StatementWriter")
struct StatementWriterTests {
    private let fixture: StatementFixture

    init() throws { fixture = try StatementFixture() }

    private func session() throws -> Session { try Session.openWriter(on: fixture.backend, program: "test") }

    private func writer(_ session: Session) throws -> StatementWriter {
        StatementWriter(fixture.repository, session: session, list: try fixture.repository.snapshots())
    }

    @Test("records stand one behind the other, the first behind everything that was seen")
    func chain() throws {
        let ids = try [fixture.manifest(1), fixture.manifest(2)]
        let session = try session()
        var writer = try writer(session)
        try writer.write(.pin(true), subjects: ids)
        let last = try writer.write(.pin(false), subjects: [ids[0]])
        session.close()
        let list = try fixture.repository.snapshots()
        #expect(list.unreadable.isEmpty && list.tips == [last] && list.nextSequence == 4)
        #expect(list.snapshots.map(\.isPinned) == [true, false])
    }

    @Test("more subjects than one record should hold are several records")
    func many() throws {
        let id = try fixture.manifest(1)
        let strangers = (0..<100_000).map { SnapshotID(UInt64($0), 1, 1, 1) }
        let session = try session()
        var writer = try writer(session)
        try writer.write(.tombstone(reason: "forget"), subjects: strangers + [id])
        session.close()
        let list = try fixture.repository.snapshots()
        #expect(list.tombstoned.count == 100_001 && list.deleted.map(\.id) == [id] && list.unreadable.isEmpty)
        #expect(try fixture.backend.list("records").count == 2)
    }

    @Test("a session that was judged dead writes nothing")
    func fenced() throws {
        let id = try fixture.manifest(1)
        let session = try session()
        var writer = try writer(session)
        #expect(try fixture.backend.expire(session: session.id))
        do {
            try writer.write(.pin(true), subjects: [id])
            Issue.record("written")
        } catch {
            #expect(error.code == .sessionLost)
        }
        #expect(try fixture.backend.list("records").isEmpty)
        session.close()
    }
}
