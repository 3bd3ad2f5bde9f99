import Testing
import Varve
import VarveApp

struct PostgresAddressTests {
    @Test(
        "A name stays a name, whatever it looks like to libpq",
        arguments: [
            ("app", "dbname='app'"), ("a=b host=x", "dbname='a=b host=x'"), ("it's", #"dbname='it\'s'"#),
            (#"a\b"#, #"dbname='a\\b'"#), ("-d x", "dbname='-d x'"), (" ü ", "dbname=' ü '"),
            ("POSTGRES://x", "dbname='POSTGRES://x'"),
        ])
    func names(_ name: String, _ expected: String) throws {
        #expect(try PostgresAddress(name).connection() == expected)
        #expect(PostgresAddress(name: name).database == name)
    }

    @Test(
        "The parts of a URI become parameters, and the password none of them",
        arguments: [
            ("postgresql://u:p%40w@h:5433/db", "user='u' host='h' port='5433' dbname='db'", "p@w"),
            ("postgres:///db?host=/run/x&sslmode=require", "host='/run/x' sslmode='require' dbname='db'", nil),
            ("postgres://[::1]:5/db", "host='::1' port='5' dbname='db'", nil),
            ("postgres://a:1,b:2/db", "host='a,b' port='1,2' dbname='db'", nil),
            ("postgres://h/db?password=x%26y", "host='h' dbname='db'", "x&y"),
            ("postgres://h?dbname=d%27b", #"host='h' dbname='d\'b'"#, nil),
            ("postgres://u@/a%2Fb", "user='u' dbname='a/b'", nil),
            ("postgres://h/db?ssl=true", "host='h' sslmode='require' dbname='db'", nil),
            ("postgres://u:@h/db", "user='u' host='h' dbname='db'", ""),
        ])
    func uris(_ uri: String, _ expected: String, _ password: String?) throws {
        let address = try PostgresAddress(uri)
        #expect(address.connection() == expected)
        #expect(address.variables["PGPASSWORD"] == password)
    }

    @Test(
        "What cannot be understood is refused without repeating any of it",
        arguments: [
            "postgres://u:se/cret@h/db", "postgres://u:12/secret@h/db", "postgres://h:secret/db", "postgres://h/",
            "postgres://h", "postgres://[::1/secret", "postgres://h/db?secret", "postgres://h/db?sec-ret=1",
            "postgres://h/%secret", "postgres://h/a/secret", "postgres://h/db?sslpassword=secret",
            "postgres://h/db?sec'ret=x", "postgres://h/%00secret",
        ])
    func mistakes(_ uri: String) {
        #expect {
            _ = try PostgresAddress(uri)
        } throws: { error in
            guard let error = error as? StoreError else { return false }
            return error.code == .usage && !error.description.contains("secret") && !error.description.contains("cret@")
        }
    }

    @Test("Another database of the same server keeps all other parameters")
    func otherDatabase() throws {
        let address = try PostgresAddress("postgres://u@h/db", service: "s")
        #expect(address.connection(to: "x") == "user='u' host='h' service='s' dbname='x'")
        #expect(address.text == "database db at h")
    }

    @Test("Names and texts are quoted for SQL")
    func quotes() {
        #expect(PostgresServer.quoted("it's '") == "'it''s '''")
        #expect(PostgresServer.identifier("a\"b") == "\"a\"\"b\"")
        #expect(PostgresServer.identifier("") == "\"\"")
    }
}
