import Testing
import Varve
import VarveApp

@Suite("SQLite databases")
struct SQLiteDatabaseTests {
    @Test("nothing in a name means anything in the URI")
    func location() {
        let name: [UInt8] = Array("/a?b=c&d#e%41 f".utf8) + [0xff]
        let uri = String(decoding: SQLiteDatabase.location(name, .shared), as: UTF8.self)
        #expect(uri == "file:///a%3Fb%3Dc%26d%23e%2541%20f%FF?mode=ro")
        let unchanging = String(decoding: SQLiteDatabase.location(Array("/x".utf8), .unchanging), as: UTF8.self)
        #expect(unchanging == "file:///x?immutable=1")
    }

    @Test("a database that is not there is missing, and not made")
    func missing() {
        let path = Array("/nowhere-\(UInt64.random(in: 0...UInt64.max))/app.db".utf8)
        let error = #expect(throws: StoreError.self) { _ = try SQLiteDatabase(path) }
        #expect(error?.code == .missing)
        #expect(throws: StoreError.self) { try Syscalls.status(path) }
    }

    @Test("names are quoted for SQL whatever is in them")
    func quoted() {
        #expect(SQLiteDatabase.quoted(Array("a\"b".utf8)) == Array("\"a\"\"b\"".utf8))
    }
}
