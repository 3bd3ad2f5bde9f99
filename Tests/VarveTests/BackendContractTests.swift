import Crypto
import Testing
import Varve
import VarveFormat

/// What every backend promises. Each test runs over all of them.
@Suite struct BackendContractTests {
    enum Kind: CaseIterable { case local, recorded, memory }

    struct Fixture {
        let backend: any Backend
        let directory: TemporaryDirectory?
        let session = SessionID(1, 2)

        init(_ kind: Kind, layout: Bool = true) throws {
            switch kind {
            case .local:
                let directory = try TemporaryDirectory()
                self.directory = directory
                backend = LocalBackend(path: directory.path + "/repository")
            case .recorded:
                directory = nil
                backend = LocalBackend(layer: RecordingFileLayer())
            case .memory:
                directory = nil
                backend = MemoryBackend()
            }
            if !layout { return }
            try backend.createLayout(directories: ["manifests", "packs/data/00", "keys", "sessions"])
            try backend.makeDirectory("sessions/" + session.hex)
        }

        func names(_ directory: String) throws -> [String] { try backend.list(directory).map(\.name) }
    }

    @Test("A new layout has the directories asked for and those above them", arguments: Kind.allCases)
    func layout(kind: Kind) throws {
        let fixture = try Fixture(kind)
        #expect(try fixture.names("") == ["keys", "manifests", "packs", "sessions"])
        #expect(try fixture.names("packs/data") == ["00"])
        #expect(try fixture.backend.list("packs").allSatisfy { $0.isDirectory && $0.size == 0 })
    }

    @Test("A layout is not made where something is", arguments: Kind.allCases)
    func layoutTwice(kind: Kind) throws {
        let fixture = try Fixture(kind)
        let error = #expect(throws: StoreError.self) { try fixture.backend.createLayout(directories: ["keys"]) }
        #expect(error?.code == .exists)
    }

    @Test("Without a repository every operation says so", arguments: [Kind.local, .memory])
    func noRepository(kind: Kind) throws {
        let fixture = try Fixture(kind, layout: false)
        let backend = fixture.backend
        let attempts: [() throws -> Void] = [
            { _ = try backend.list("packs") }, { _ = try backend.read("config", limit: 10) },
            { _ = try backend.open("config") }, { try backend.putIfAbsent("config", [], session: nil) },
            { try backend.makeDirectory("sessions") }, { _ = try backend.beginUpload(session: fixture.session) },
            { _ = try backend.expire(session: fixture.session) }, { try backend.rename("a", to: "b") },
            { try backend.commit(session: fixture.session, [], as: "manifests/a") },
        ]
        for attempt in attempts {
            #expect(#expect(throws: StoreError.self) { try attempt() }?.code == .noRepository)
        }
    }

    @Test("Names are listed in byte order with sizes; an absent directory has none", arguments: Kind.allCases)
    func listing(kind: Kind) throws {
        let fixture = try Fixture(kind)
        for (name, count) in [("b", 2), ("a", 0), ("Z", 70_000), ("aa", 1)] {
            try fixture.backend.putIfAbsent("keys/" + name, Array(repeating: 7, count: count), session: nil)
        }
        let entries = try fixture.backend.list("keys")
        #expect(entries.map(\.name) == ["Z", "a", "aa", "b"])
        #expect(entries.map(\.size) == [70_000, 0, 1, 2])
        #expect(try fixture.names("nothing/here").isEmpty)
    }

    @Test("A file is written under a free name only, and read back", arguments: Kind.allCases)
    func putIfAbsent(kind: Kind) throws {
        let fixture = try Fixture(kind)
        try fixture.backend.putIfAbsent("keys/a", [1, 2, 3], session: nil)
        for session in [nil, fixture.session] {
            let error = #expect(throws: StoreError.self) {
                try fixture.backend.putIfAbsent("keys/a", [4], session: session)
            }
            #expect(error?.code == .exists)
        }
        #expect(try fixture.backend.read("keys/a", limit: 3) == [1, 2, 3])
        #expect(#expect(throws: StoreError.self) { try fixture.backend.read("keys/a", limit: 2) }?.code == .damaged)
        #expect(#expect(throws: StoreError.self) { try fixture.backend.read("keys/b", limit: 2) }?.code == .missing)
        #expect(try fixture.names("keys") == ["a"])
        #expect(try fixture.names("sessions/" + fixture.session.hex).isEmpty)
    }

    @Test("Reads at offsets give the bytes there; past the end is damage", arguments: Kind.allCases)
    func readsAtOffsets(kind: Kind) throws {
        let fixture = try Fixture(kind)
        try fixture.backend.putIfAbsent("keys/a", Array(0..<100), session: nil)
        let file = try fixture.backend.open("keys/a")
        #expect(file.byteCount == 100)
        var bytes = [UInt8](repeating: 0, count: 10)
        try bytes.withUnsafeMutableBytes { try file.read(at: 90, into: $0) }
        #expect(bytes == Array(90..<100))
        let error = #expect(throws: StoreError.self) {
            try bytes.withUnsafeMutableBytes { try file.read(at: 91, into: $0) }
        }
        #expect(error?.code == .damaged)
        #expect(#expect(throws: StoreError.self) { try fixture.backend.open("keys/b") }?.code == .missing)
    }

    @Test("A replaced file has the new bytes", arguments: Kind.allCases)
    func replacing(kind: Kind) throws {
        let fixture = try Fixture(kind)
        let path = "sessions/" + fixture.session.hex + "/beat"
        for text in ["1\n", "2\n"] { try fixture.backend.replace(path, Array(text.utf8)) }
        #expect(try fixture.backend.read(path, limit: 9) == Array("2\n".utf8))
        #expect(try fixture.names("sessions/" + fixture.session.hex) == ["beat"])
    }

    @Test("A directory is made once", arguments: Kind.allCases)
    func makingDirectories(kind: Kind) throws {
        let fixture = try Fixture(kind)
        let backend = fixture.backend
        #expect(#expect(throws: StoreError.self) { try backend.makeDirectory("keys") }?.code == .exists)
        #expect(#expect(throws: StoreError.self) { try backend.makeDirectory("no/x") }?.code == .missing)
    }

    @Test("Files and directories are renamed with what they hold, never onto a name", arguments: Kind.allCases)
    func renaming(kind: Kind) throws {
        let fixture = try Fixture(kind)
        let backend = fixture.backend
        try backend.putIfAbsent("keys/a", [1], session: nil)
        try backend.putIfAbsent("keys/b", [2], session: nil)
        #expect(#expect(throws: StoreError.self) { try backend.rename("keys/a", to: "keys/b") }?.code == .exists)
        #expect(#expect(throws: StoreError.self) { try backend.rename("keys/x", to: "keys/y") }?.code == .missing)
        #expect(#expect(throws: StoreError.self) { try backend.rename("keys", to: "packs") }?.code == .exists)
        try backend.rename("keys/a", to: "manifests/a")
        try backend.rename("manifests", to: "old")
        #expect(try backend.read("old/a", limit: 1) == [1])
        #expect(try fixture.names("keys") == ["b"])
        #expect(try fixture.names("manifests").isEmpty)
    }

    @Test("Removing takes files, empty directories and whole trees; absent is success", arguments: Kind.allCases)
    func removing(kind: Kind) throws {
        let fixture = try Fixture(kind)
        let backend = fixture.backend
        try backend.putIfAbsent("packs/data/00/a", [1], session: nil)
        #expect(throws: StoreError.self) { try backend.remove("packs/data/00") }
        try backend.remove("packs/data/00/a")
        try backend.remove("packs/data/00/a")
        try backend.remove("packs/data/00")
        try backend.makeDirectory("packs/data/01")
        try backend.putIfAbsent("packs/data/01/a", [1], session: nil)
        for _ in 0..<2 { try backend.removeTree("packs") }
        #expect(try fixture.names("") == ["keys", "manifests", "sessions"])
    }

    @Test("An upload has no name before it is published, and is gone when abandoned", arguments: Kind.allCases)
    func uploads(kind: Kind) throws {
        let fixture = try Fixture(kind)
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let upload = try fixture.upload(bytes)
        #expect(upload.byteCount == 300_000)
        #expect(try fixture.names("packs/data/00").isEmpty)
        try upload.publish(as: "packs/data/00/a")
        try fixture.backend.syncDirectories(["packs/data/00"])
        upload.abandon()
        #expect(try fixture.backend.read("packs/data/00/a", limit: 300_000) == bytes)

        try fixture.upload([1]).abandon()
        try fixture.upload([2]).publish(as: "packs/data/00/a")
        #expect(try fixture.backend.read("packs/data/00/a", limit: 300_000) == bytes)
        #expect(try fixture.names("sessions/" + fixture.session.hex).isEmpty)
    }

    @Test("A commit gives the manifest its name, and the same commit again is no error", arguments: Kind.allCases)
    func committing(kind: Kind) throws {
        let fixture = try Fixture(kind)
        for _ in 0..<2 { try fixture.backend.commit(session: fixture.session, [5, 6], as: "manifests/a") }
        #expect(try fixture.backend.read("manifests/a", limit: 2) == [5, 6])
        #expect(try fixture.names("sessions/" + fixture.session.hex).isEmpty)
    }

    @Test("After its expiry a session can neither commit, publish nor begin anything", arguments: Kind.allCases)
    func expiry(kind: Kind) throws {
        let fixture = try Fixture(kind)
        let backend = fixture.backend
        let upload = try fixture.upload([1])
        #expect(try backend.expire(session: fixture.session))
        #expect(try !backend.expire(session: fixture.session))
        let attempts: [() throws -> Void] = [
            { try backend.commit(session: fixture.session, [1], as: "manifests/a") },
            { try upload.publish(as: "packs/data/00/a") },
            { _ = try backend.beginUpload(session: fixture.session) },
            { try backend.putIfAbsent("keys/a", [1], session: fixture.session) },
        ]
        for attempt in attempts {
            #expect(#expect(throws: StoreError.self) { try attempt() }?.code == .sessionLost)
        }
        upload.abandon()
        #expect(try ["manifests", "packs/data/00", "keys", "sessions"].flatMap(fixture.names).isEmpty)
    }

    @Test("Of many who expire a session at once exactly one does", arguments: Kind.allCases)
    func concurrentExpiry(kind: Kind) throws {
        let fixture = try Fixture(kind)
        for round in 0..<20 {
            let session = SessionID(9, UInt64(round))
            try fixture.backend.makeDirectory("sessions/" + session.hex)
            try fixture.backend.replace("sessions/" + session.hex + "/beat", [1])
            let winners = Monitor(0)
            let backend = fixture.backend
            try Threads.run(4) { _ throws(StoreError) in
                if try backend.expire(session: session) { winners.withLock { $0 += 1 } }
            }
            #expect(winners.withLock { $0 } == 1)
        }
    }

    @Test("Of many who write one name exactly one does, and the others are told", arguments: Kind.allCases)
    func concurrentPuts(kind: Kind) throws {
        let fixture = try Fixture(kind)
        let winners = Monitor<[UInt8]>([])
        let backend = fixture.backend
        try Threads.run(6) { index throws(StoreError) in
            do throws(StoreError) {
                try backend.putIfAbsent("keys/a", [UInt8(index)], session: nil)
                winners.withLock { $0.append(UInt8(index)) }
            } catch where error.code == .exists {}
        }
        #expect(winners.withLock { $0.count } == 1)
        #expect(try backend.read("keys/a", limit: 1) == winners.withLock { $0 })
        #expect(try fixture.names("keys") == ["a"])
    }

    @Test("Files move into a directory, whatever of them is gone or lies there already", arguments: Kind.allCases)
    func move(kind: Kind) throws {
        let fixture = try Fixture(kind)
        let backend = fixture.backend
        try backend.makeDirectory("sessions/out")
        for name in ["a", "b"] { try backend.putIfAbsent("manifests/\(name)", Array(name.utf8), session: nil) }
        try backend.putIfAbsent("sessions/out/b", Array("old".utf8), session: nil)
        try backend.move(["manifests/a", "manifests/gone", "manifests/b"], into: "sessions/out")
        #expect(try fixture.names("manifests").isEmpty && fixture.names("sessions/out") == ["a", "b"])
        #expect(try backend.read("sessions/out/b", limit: 10) == Array("b".utf8))
    }

    @Test("Nothing moves into a directory that is gone", arguments: Kind.allCases)
    func moveNowhere(kind: Kind) throws {
        let fixture = try Fixture(kind)
        try fixture.backend.putIfAbsent("manifests/a", [1], session: nil)
        let error = #expect(throws: StoreError.self) {
            try fixture.backend.move(["manifests/a"], into: "sessions/gone")
        }
        #expect(error?.code == .missing)
        #expect(try fixture.names("manifests") == ["a"])
    }
}

extension BackendContractTests.Fixture {
    /// A synced upload of these bytes.
    func upload(_ bytes: [UInt8]) throws -> any Upload {
        let upload = try backend.beginUpload(session: session)
        for part in stride(from: 0, to: bytes.count, by: 100_001) {
            try bytes[part..<min(part + 100_001, bytes.count)].withUnsafeBytes { try upload.append($0) }
            upload.startWriteback()
        }
        let expected = try #require(FileID(bytes: Array(SHA256.hash(data: bytes))))
        try upload.sync(expected: expected)
        return upload
    }
}
