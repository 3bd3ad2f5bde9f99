import Testing
import Varve
import VarveFormat

@Suite struct CondemnedKeeperTests {
    private let backend: MemoryBackend
    private let mine: Session
    private let other: Session

    init() throws {
        backend = MemoryBackend()
        try backend.createLayout(directories: ["condemned", "sessions", "packs/data/00"])
        mine = try Session.openWriter(on: backend, program: "test")
        other = try Session.openWriter(on: backend, program: "test")
    }

    private func keeper(_ session: Session) -> CondemnedKeeper {
        CondemnedKeeper(backend: backend, owner: session.id)
    }

    private let record = CondemnedRecord(
        time: Timestamp(seconds: 5), reason: .unreferenced, packs: [PackID(0, 2, 3, 4)])

    private var names: [String] { get throws { try backend.list("condemned").map(\.name) } }

    @Test("Of withdrawing a record and making it final exactly one happens")
    func oneWins() throws {
        var named = try keeper(mine).publish(record)
        try keeper(other).withdraw(named.name)
        #expect(try keeper(mine).finalise(named) == nil)
        #expect(try names.isEmpty)
        named = try keeper(mine).publish(record)
        let held = try #require(try keeper(mine).finalise(named))
        try keeper(other).withdraw(named.name)
        #expect(try CondemnedKeeper.read(on: backend).records.map(\.name.state) == [.final])
        try keeper(mine).drop(held)
        #expect(try names.isEmpty)
    }

    @Test("After a takeover the former owner can move nothing, and its end changes nothing")
    func fenced() throws {
        let held = try #require(try keeper(mine).finalise(try keeper(mine).publish(record)))
        try backend.putIfAbsent("packs/data/00/a", [1], session: nil)
        try backend.putIfAbsent("packs/data/00/b", [1], session: nil)
        try backend.move(["packs/data/00/a"], into: held.directory)
        let taken = try keeper(other).takeOver()
        #expect(taken.map(\.id) == [held.id] && taken.map(\.record) == [record])
        let error = #expect(throws: StoreError.self) {
            try backend.move(["packs/data/00/b"], into: held.directory)
        }
        #expect(error?.code == .missing)
        try keeper(mine).drop(held)
        #expect(try names.count == 2)
        #expect(try backend.list(try #require(taken.first).directory).map(\.name) == ["a"])
        for held in taken { try keeper(other).drop(held) }
        #expect(try names.isEmpty)
        #expect(try backend.list("packs/data/00").map(\.name) == ["b"])
    }

    @Test("What is withdrawn or has lost its record is swept; what nobody can read condemns nothing more")
    func sweep() throws {
        let id = { CollectionID(0, $0) }
        try backend.putIfAbsent("condemned/\(CondemnedName(id(1), .withdrawn).text)", [], session: nil)
        let stray = "condemned/\(CondemnedName(id(2), .leaving, taker: SessionID(1, 1)).text)"
        try backend.makeDirectory(stray)
        try backend.putIfAbsent(stray + "/x", [], session: nil)
        try backend.putIfAbsent("condemned/\(CondemnedName(id(3), .waiting).text)", [7], session: nil)
        try backend.putIfAbsent("condemned/\(CondemnedName(id(4), .final).text)", [7], session: nil)
        try backend.putIfAbsent("condemned/else", [], session: nil)
        #expect(try keeper(mine).sweep().count == 2)
        let held = try keeper(mine).takeOver()
        #expect(held.map(\.id) == [id(4)] && held.allSatisfy(\.record.packs.isEmpty))
        for held in held { try keeper(mine).drop(held) }
        #expect(try names == ["else"])
    }
}
