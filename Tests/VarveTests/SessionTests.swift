import Glibc
import Testing
import Varve
import VarveFormat

@Suite("Session")
struct SessionTests {
    private func backend() throws -> MemoryBackend {
        let backend = MemoryBackend()
        _ = try Repository.create(on: backend, options: .init(), openOptions: .init())
        return backend
    }

    private func plant(
        _ backend: MemoryBackend, _ hex: String, _ change: (inout SessionInfo) -> Void
    ) throws -> SessionID {
        let id = try #require(SessionID(hex: hex))
        let me = ProcessIdentity.current
        var info = SessionInfo(
            kind: .writer, host: me.host, bootID: me.bootID, pidNamespace: me.pidNamespace, pid: me.pid,
            startTime: me.startTime, program: "test")
        change(&info)
        try backend.makeDirectory(Session.directory(id))
        try backend.putIfAbsent(Session.directory(id) + "/info", info.encode(), session: nil)
        return id
    }

    private func sessions(_ backend: MemoryBackend) throws -> [String] { try backend.list("sessions").map(\.name) }

    @Test("a writer's session has info, beat and seen, and leaves nothing")
    func files() throws {
        let backend = try backend()
        let waiting = CondemnedName(CollectionID(1, 2), .waiting).text
        let final = CondemnedName(CollectionID(3, 4), .final).text
        for (name, pack) in [
            (waiting, 1), (final, 2), (CondemnedName(CollectionID(5, 6), .withdrawn).text, 3), ("other", 4),
        ] {
            let record = CondemnedRecord(
                time: Timestamp(seconds: 1), reason: .unreferenced, packs: [PackID(UInt64(pack), 2, 3, 4)])
            try backend.putIfAbsent("condemned/\(name)", record.encode(), session: nil)
        }
        let session = try Session.openWriter(on: backend, program: "test 1")
        let directory = Session.directory(session.id)
        #expect(try backend.list(directory).map(\.name) == ["beat", "info", "seen"])
        #expect(try backend.read(directory + "/beat", limit: 100) == Array("0\n".utf8))
        #expect(try backend.read(directory + "/seen", limit: 100) == Array("\(waiting)\n\(final)\n".utf8))
        #expect(session.seen == [waiting, final])
        #expect(session.condemnedPacks == [PackID(1, 2, 3, 4), PackID(2, 2, 3, 4)])
        let info = try SessionInfo(parsing: try backend.read(directory + "/info", limit: 4_096))
        #expect(info.pid == Int(getpid()) && info.kind == .writer && info.program == "test 1")
        session.close()
        session.close()
        #expect(try sessions(backend).isEmpty)
    }

    @Test("a reader's session names its snapshots")
    func reader() throws {
        let backend = try backend()
        let session = try #require(
            Session.openReader(on: backend, program: "test", snapshots: [SnapshotID(9, 9, 9, 9)]))
        let info = try SessionInfo(
            parsing: try backend.read(Session.directory(session.id) + "/info", limit: 4_096))
        #expect(info.kind == .reader && info.snapshots == [SnapshotID(9, 9, 9, 9)])
        #expect(try backend.list(Session.directory(session.id)).map(\.name) == ["beat", "info"])
    }

    @Test("the next writer ends sessions whose process or boot is gone, and removes leftovers")
    func expiry() throws {
        let backend = try backend()
        _ = try plant(backend, String(repeating: "1", count: 32)) { $0.startTime += 1 }
        _ = try plant(backend, String(repeating: "2", count: 32)) { $0.bootID = "another" }
        _ = try plant(backend, String(repeating: "3", count: 32)) { $0.pid = Int(Int32.max) }
        // Half made: killed before its info was written.
        try backend.makeDirectory("sessions/" + String(repeating: "4", count: 32))
        try backend.makeDirectory("sessions/" + String(repeating: "5", count: 32) + "-gone")
        try backend.putIfAbsent("sessions/" + String(repeating: "5", count: 32) + "-gone/x", [1], session: nil)
        let session = try Session.openWriter(on: backend, program: "test")
        let left = try sessions(backend).filter { !$0.hasSuffix("-gone") }
        #expect(left == [session.id.hex])
        session.close()
        try Session.openWriter(on: backend, program: "test").close()
        #expect(try sessions(backend).isEmpty)
    }

    @Test("sessions that live, or of which that cannot be told, stay")
    func living() throws {
        let backend = try backend()
        let living = try [
            plant(backend, String(repeating: "1", count: 32)) { _ in },
            plant(backend, String(repeating: "2", count: 32)) { $0.host = "elsewhere" },
            plant(backend, String(repeating: "3", count: 32)) { info in
                info.pidNamespace = "pid:[1]"
                info.pid = Int(Int32.max)
            },
        ]
        try backend.makeDirectory("sessions/not a session")
        let session = try Session.openWriter(on: backend, program: "test")
        session.close()
        #expect(try Set(sessions(backend)) == Set(living.map(\.hex) + ["not a session"]))
    }

    @Test("a session that was ended cannot commit")
    func fenced() throws {
        let backend = try backend()
        let session = try Session.openWriter(on: backend, program: "test")
        #expect(try backend.expire(session: session.id))
        #expect { try backend.commit(session: session.id, [1], as: "manifests/x") } throws: {
            ($0 as? StoreError)?.code == .sessionLost
        }
        #expect(try backend.list("manifests").isEmpty)
    }

    @Test("a session that was ended can publish nothing, neither what it began nor anything new")
    func fencedWrites() throws {
        let directory = try TemporaryDirectory()
        for backend in [MemoryBackend(), LocalBackend(path: directory.path + "/repository")] as [any Backend] {
            try backend.createLayout(directories: ["condemned", "index", "manifests", "records", "sessions"])
            let session = try Session.openWriter(on: backend, program: "test")
            let upload = try backend.beginUpload(session: session.id)
            #expect(try backend.expire(session: session.id))
            let attempts: [() throws -> Void] = [
                { try upload.publish(as: "index/a") },
                { _ = try backend.beginUpload(session: session.id) },
                { try backend.putIfAbsent("records/a", [1], session: session.id) },
                { try backend.putIfAbsent("condemned/a", [1], session: session.id) },
                { try backend.commit(session: session.id, [1], as: "manifests/a") },
            ]
            for attempt in attempts {
                #expect { try attempt() } throws: { ($0 as? StoreError)?.code == .sessionLost }
            }
            for directory in ["index", "records", "condemned", "manifests", "sessions"] {
                #expect(try backend.list(directory).isEmpty)
            }
            session.close()
        }
    }

    @Test("a session that cannot be completed leaves nothing")
    func incomplete() throws {
        let backend = try backend()
        let name = CondemnedName(CollectionID(1, 2), .waiting)
        try backend.putIfAbsent(RepositoryPath.condemned(name), Array("nonsense".utf8), session: nil)
        #expect { try Session.openWriter(on: backend, program: "test") } throws: {
            ($0 as? StoreError)?.code == .damaged
        }
        #expect(try sessions(backend).isEmpty)
    }
}
