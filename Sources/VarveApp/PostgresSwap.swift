import CSys
import Glibc
import Varve
import VarveFormat

/// One database that is restored beside the one that is there, under a name of its own, and then takes its place: two
/// renames in one transaction. At every moment the name has the old database or the new one, whole.
package struct PostgresSwap: Sendable {
    /// The component of the snapshot.
    package let component: String
    /// The name that is restored.
    package let database: String
    /// Eight hexadecimal digits, in the names of what is made and of the sessions that make it.
    package let suffix: String
    /// Whether there was a database of that name.
    package var existed: Bool
    /// Whether there will be one: not when the making of one is undone.
    package let isLoaded: Bool
    let server: PostgresServer

    private static let nameLimit = 63
    private static let batchSize = 32 << 10

    init(component: String, server: PostgresServer, suffix: String, existed: Bool, isLoaded: Bool) {
        self.component = component
        database = server.address.database
        self.suffix = suffix
        self.existed = existed
        self.isLoaded = isLoaded
        var server = server
        server.sessionName = "varve-\(suffix)"
        self.server = server
    }

    /// The name of the new database before it has its own, and of one that was withdrawn.
    package var loadedName: String { name("varve") }
    /// The name of the old one afterwards.
    package var formerName: String { name("before") }

    /// Where databases are renamed from: no session can rename its own.
    private var base: String { database == "postgres" ? "template1" : "postgres" }

    private func name(_ word: String) -> String {
        let end = "_\(word)_\(suffix)"
        var start = database
        while start.utf8.count + end.utf8.count > Self.nameLimit { start.unicodeScalars.removeLast() }
        return start + end
    }

    // MARK: before

    /// Whether there is a database of the name that will be restored.
    func exists() throws(StoreError) -> Bool { try names([database]).contains(database) }

    private func names(_ wanted: [String]) throws(StoreError) -> Set<String> {
        let list = wanted.map(PostgresServer.quoted).joined(separator: ", ")
        let sql = "SELECT json_agg(datname) FROM pg_database WHERE datname IN (\(list));"
        let answer = try server.query(sql, database: base)
        let value = try? JSONValue(parsing: Array(answer.utf8))
        return Set((value?.arrayValue ?? []).compactMap(\.stringValue))
    }

    /// Refuses while anybody is connected to the database.
    ///
    /// - Throws: `refused`, naming them.
    func refuseSessions() throws(StoreError) {
        let sql = """
            SELECT json_agg(concat_ws(' ', usename, nullif(application_name, ''), 'from ' || coalesce(
                host(client_addr), 'this machine'), '(process ' || pid || ')') ORDER BY pid)
            FROM pg_stat_activity WHERE datname = \(PostgresServer.quoted(database))
                AND pid <> pg_backend_pid() AND backend_type = 'client backend';
            """
        let answer = try server.query(sql, database: base)
        guard !answer.isEmpty else { return }
        let value = try? JSONValue(parsing: Array(answer.utf8))
        let sessions = (value?.arrayValue ?? []).compactMap(\.stringValue)
        throw StoreError(
            .refused, "\(server.address.text) is in use by " + sessions.prefix(5).joined(separator: ", "),
            remedy: "stop the application, as in a before_restore hook; nothing was changed")
    }

    // MARK: the new database

    /// Makes the new database, empty, with the encoding and locale of the old one.
    func create(_ record: JSONValue) throws(StoreError) {
        var sql = "CREATE DATABASE \(PostgresServer.identifier(loadedName)) TEMPLATE template0"
        let options = [("encoding", "ENCODING"), ("collate", "LC_COLLATE"), ("ctype", "LC_CTYPE")]
        for (key, word) in options {
            if let text = record[key]?.stringValue { sql += " \(word) \(PostgresServer.quoted(text))" }
        }
        if let locale = record["locale"]?.stringValue.map(PostgresServer.quoted) {
            switch record["locale_provider"]?.stringValue {
            case "i": sql += " LOCALE_PROVIDER icu ICU_LOCALE \(locale)"
            case "b": sql += " LOCALE_PROVIDER builtin BUILTIN_LOCALE \(locale)"
            default: break
            }
        }
        _ = try server.query(sql + ";", database: base)
    }

    /// Lets psql run SQL, or first pg_restore make SQL of an archive, in the new database. No single transaction: it
    /// would need a lock for every table, and what failed is dropped whole.
    ///
    /// - Parameter write: hands out the bytes.
    func load(
        isArchive: Bool, _ running: RunningCommands,
        write: ((UnsafeRawBufferPointer) throws(StoreError) -> Void) throws(StoreError) -> Void
    ) throws(StoreError) {
        let feed = try PipeToProgram()
        var sql = server.plan(
            "psql", ["--no-psqlrc", "--quiet", "--output=/dev/null", "-v", "ON_ERROR_STOP=1"], database: loadedName)
        var reader: SupervisedProcess?
        let between = isArchive ? try PipeToProgram() : feed
        if isArchive {
            var archive = server.plan("pg_restore", ["--exit-on-error", "--file=-"])
            archive.input = feed.reader
            archive.outputTo = between.writer
            reader = try running.start(archive, "\(component) pg_restore")
            feed.closeReader()
            between.closeWriter()
        }
        sql.input = between.reader
        let loader = try running.start(sql, "\(component) psql")
        between.closeReader()
        var failure: StoreError?
        do throws(StoreError) {
            try write { bytes throws(StoreError) in try feed.write(bytes) }
        } catch {
            failure = error
            // The end of its input would look like the end of the dump. One that ended by itself says why.
            if error.errno != EPIPE { loader.cancel() }
        }
        feed.closeWriter()
        if let reader {
            let outcome = reader.wait()
            if failure == nil || failure?.errno == EPIPE, outcome != .exited(0), outcome != .ended(signal: SIGPIPE) {
                loader.cancel()
                _ = loader.wait()
                try server.check(outcome, "pg_restore", reader.messages, loadedName)
            }
        }
        let outcome = loader.wait()
        if let failure, failure.errno != EPIPE { throw failure }
        do throws(StoreError) {
            try server.check(outcome, "psql", loader.messages, loadedName)
        } catch { throw Self.explained(error) }
        if let failure { throw failure }
    }

    private static func explained(_ error: StoreError) -> StoreError {
        guard error.message.contains("role \""), error.message.contains("does not exist") else { return error }
        return StoreError(
            error.code, error.message,
            remedy: "make the roles first: varve cat SNAPSHOT:.varve/COMPONENT/globals.sql | psql postgres")
    }

    /// Compares the rows of the new database with those of the manifest.
    ///
    /// - Throws: `refused` if a table has another number of rows.
    func compare(_ record: JSONValue, _ progress: Progress?) throws(StoreError) {
        let tables = (record["tables"]?.objectValue ?? [:]).compactMap { name, rows in
            rows.integerValue.map { (name: name, rows: $0) }
        }.sorted { $0.name < $1.name }
        for table in tables where CopyCounter.name(Array(table.name.utf8)) != Array(table.name.utf8) {
            throw StoreError(.damaged, "the manifest names a table that cannot be: \(table.name)")
        }
        var rest = tables[...]
        while !rest.isEmpty {
            var sql = ""
            var batch: [(name: String, rows: Int64)] = []
            while let table = rest.first, sql.utf8.count < Self.batchSize {
                sql += "SELECT count(*) FROM ONLY \(table.name);\n"
                batch.append(table)
                rest = rest.dropFirst()
            }
            let answer = try server.query(sql, database: loadedName, progress: progress)
            let counts = answer.split(separator: "\n").map { Int64($0) ?? -1 }
            for (index, table) in batch.enumerated() where index >= counts.count || counts[index] != table.rows {
                let found = index < counts.count ? counts[index] : -1
                throw StoreError(
                    .refused,
                    "the restored table \(table.name) has \(found) rows, and the manifest says \(table.rows)",
                    remedy: "nothing was changed; varve restore --target gives the dump itself")
            }
        }
    }

    // MARK: the exchange

    /// Gives the name to the new database, and another one to the old.
    ///
    /// - Throws: `refused` while somebody is connected to it.
    func exchange() throws(StoreError) {
        var renames: [(String, String)] = []
        if existed { renames.append((database, formerName)) }
        if isLoaded { renames.append((loadedName, database)) }
        try refuseSessions()
        try rename(renames)
    }

    private func rename(_ pairs: [(String, String)]) throws(StoreError) {
        let steps = pairs.map { from, to in
            "ALTER DATABASE \(PostgresServer.identifier(from)) RENAME TO \(PostgresServer.identifier(to));"
        }
        _ = try server.query((["BEGIN;"] + steps + ["COMMIT;"]).joined(separator: "\n"), database: base)
    }

    /// Whether the exchange was made.
    func isExchanged() throws(StoreError) -> Bool {
        let found = try names([database, loadedName, formerName])
        if existed { return found.contains(formerName) }
        return isLoaded && found.contains(database) && !found.contains(loadedName)
    }

    /// Makes the old state again, however far an exchange came, and removes the new database.
    func takeBack() throws(StoreError) {
        try endSessions()
        if try isExchanged() {
            try refuseSessions()
            var renames: [(String, String)] = []
            if isLoaded { renames.append((database, loadedName)) }
            if existed { renames.append((formerName, database)) }
            try rename(renames)
        }
        try drop(loadedName)
    }

    /// Ends what a killed program left at work: it might rename after we looked.
    private func endSessions() throws(StoreError) {
        let sql = """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name = 'varve-\(suffix)' AND pid <> pg_backend_pid();
            """
        var other = server
        other.sessionName = "varve"
        _ = try other.query(sql, database: base)
    }

    /// Removes the old database.
    func dropFormer() throws(StoreError) {
        if existed { try drop(formerName) }
    }

    private func drop(_ name: String) throws(StoreError) {
        _ = try server.query("DROP DATABASE IF EXISTS \(PostgresServer.identifier(name));", database: base)
    }
}
