import CSys
import Glibc
import Synchronization
package import Varve
import VarveFormat

/// The capture of one database by pg_dump: the dump as it is written, and beside it the roles and tablespaces of the
/// server and what belongs to the database itself (owner, settings, rights), which no dump has.
package final class PostgresDump: Sendable {
    /// What is captured, and how.
    package struct Plan: Sendable {
        /// The component, a directory of `/.varve`.
        package var name: String
        package var server: PostgresServer
        /// The archive of pg_restore instead of SQL. Uncompressed: compressed bytes never equal earlier ones.
        package var isCustom = false
        package var savesGlobals = true
        /// Seconds to wait for a lock on a table.
        package var lockTimeout: Int64 = PostgresDump.standardLockTimeout
        /// The name to record, where the database has another one for the moment.
        package var recordedName: String?

        package init(name: String, server: PostgresServer) {
            self.name = name
            self.server = server
        }
    }

    package static let standardLockTimeout: Int64 = 30
    package static let plainName = "database.sql"
    package static let customName = "database.dump"
    package static let globalsName = "globals.sql"
    package static let propertiesName = "properties.sql"

    private struct State {
        var database: PostgresServer.Database?
        var version = ""
        var exits: [String: JSONValue] = [:]
        var notices: [String] = []
    }

    private let plan: Plan
    private let running: RunningCommands
    private let state = Mutex(State())
    private let counter = Mutex(CopyCounter())
    private let reader: DumpReader

    package init(_ plan: Plan, _ running: RunningCommands) {
        self.plan = plan
        self.running = running
        reader = DumpReader(plan.server, running, plan.name)
    }

    /// Where a file of it lies in the snapshot.
    package static func path(_ component: String, _ file: String) -> [UInt8] {
        CapturePlan.streamRoot + Array("/\(component)/\(file)".utf8)
    }

    /// The streams of a capture, the dump first: without it the others are not kept.
    package var streams: [Archiver.Stream] {
        var dump = stream(plan.isCustom ? Self.customName : Self.plainName)
        dump.isFollower = false
        dump.start = { [self] () throws(StoreError) in try startDump() }
        dump.finish = { [self] () throws(StoreError) in try finishDump() }
        dump.tap = { [self] bytes throws(StoreError) in
            if plan.isCustom { try reader.write(bytes) } else { counter.withLock { $0.feed(bytes) } }
        }
        dump.describe = { [self] in statement() }
        var streams = [dump]
        if plan.savesGlobals { streams.append(globals()) }
        var properties = stream(Self.propertiesName)
        connect(&properties, "psql", plan.server.plan("psql", PostgresServer.psqlArguments + ["-c", Self.properties]))
        streams.append(properties)
        return streams
    }

    /// A name for the component of a database that no configuration names: a file name too.
    package static func componentName(_ database: String, taken: Set<String>) -> String {
        var name = String(database.map { $0 == "/" || $0 == "\0" ? "_" : $0 }.prefix(60))
        if name.isEmpty || name == "." || name == ".." { name += "_" }
        var number = 2
        let base = name
        while taken.contains(name) {
            name = "\(base)-\(number)"
            number += 1
        }
        return name
    }

    /// The streams of a database as a component.
    package static func component(_ name: String, _ streams: [Archiver.Stream]) -> Archiver.Component {
        let paths = streams.map(\.path)
        var component = Archiver.Component(record: [
            "kind": .string("postgres"), "name": .string(name), "type": .string("database"),
            "paths": .array(paths.map(FileNameJSON.encode)),
        ])
        component.paths = paths
        return component
    }

    private func stream(_ file: String) -> Archiver.Stream {
        var stream = Archiver.Stream(path: Self.path(plan.name, file), descriptor: -1) {}
        stream.failsAlone = true
        stream.isFollower = true
        return stream
    }

    /// Lets a program supply a stream.
    private func connect(_ stream: inout Archiver.Stream, _ program: String, _ run: SupervisedProcess.Plan) {
        let name = "\(plan.name) \(String(decoding: stream.path, as: UTF8.self))"
        stream.start = { [self] () throws(StoreError) in try start(run, name).output }
        stream.finish = { [self] () throws(StoreError) in try finish(program, name) }
    }

    private func start(_ run: SupervisedProcess.Plan, _ name: String) throws(StoreError) -> SupervisedProcess {
        var run = run
        run.handsOutOutput = true
        do throws(StoreError) {
            return try running.start(run, name)
        } catch {
            let program = run.arguments.first.map { String(decoding: $0, as: UTF8.self) } ?? ""
            throw Self.complete(error.errno == ENOENT ? PostgresProblem.notInstalled(program) : error)
        }
    }

    private func finish(_ program: String, _ name: String) throws(StoreError) {
        guard let process = running.process(name) else { return }
        do throws(StoreError) {
            try plan.server.check(process.wait(), program, process.messages)
        } catch { throw Self.complete(error) }
    }

    /// A manifest has messages alone, so the remedy goes into them.
    private static func complete(_ error: StoreError) -> StoreError {
        StoreError(error.code, error.message + (error.remedy.map { " (\($0))" } ?? ""), errno: error.errno)
    }

    // MARK: the dump

    private func startDump() throws(StoreError) -> Int32 {
        do throws(StoreError) {
            let database = try plan.server.inspect()
            let version = try plan.server.version(of: "pg_dump")
            state.withLock { state in
                state.database = database
                state.version = version
            }
            if plan.isCustom { try reader.start() }
        } catch { throw Self.complete(error) }
        let milliseconds = plan.lockTimeout.multipliedReportingOverflow(by: 1_000).partialValue
        var arguments = ["--lock-wait-timeout=\(max(1, milliseconds))"]
        arguments += plan.isCustom ? ["--format=custom", "--compress=0"] : ["--format=plain"]
        return try start(plan.server.plan("pg_dump", arguments), plan.name).output
    }

    private func finishDump() throws(StoreError) {
        try finish("pg_dump", plan.name)
        state.withLock { $0.exits["pg_dump"] = .integer(0) }
        if plan.isCustom {
            do throws(StoreError) {
                let counted = try reader.finish()
                counter.withLock { $0 = counted }
            } catch { throw Self.complete(error) }
            state.withLock { $0.exits["pg_restore"] = .integer(0) }
        }
        guard counter.withLock({ $0.isAtEnd }) else {
            throw StoreError(.failed, "PostgreSQL: pg_dump ended well, but its output ends in the middle")
        }
    }

    /// What the manifest says of the database (FORMAT.md section 10).
    private func statement() -> ProvidedStatement? {
        let state = state.withLock { $0 }
        guard let database = state.database else { return nil }
        var tables: [String: JSONValue] = [:]
        for (name, rows) in counter.withLock({ $0.rows }) {
            if let text = String(validating: name, as: UTF8.self) {
                tables[text] = .integer(rows)
            } else {
                tables[String(decoding: name, as: UTF8.self)] = .null
            }
        }
        var members: [String: JSONValue] = [
            "kind": .string("postgres"), "capture": .string("dump"),
            "format": .string(plan.isCustom ? "custom" : "plain"),
            "database": .string(plan.recordedName ?? database.text("database") ?? plan.server.address.database),
            "server_version": .string(database.version), "program": .string(state.version),
            "exit_status": .object(state.exits), "tables": .object(tables),
        ]
        for key in ["encoding", "owner"] { members[key] = database.json[key] }
        let row = database.json["row"]?.objectValue ?? [:]
        let columns = [
            "collate": ["datcollate"], "ctype": ["datctype"], "locale_provider": ["datlocprovider"],
            "locale": ["datlocale", "daticulocale"],
        ]
        for (key, names) in columns {
            if let text = names.lazy.compactMap({ row[$0]?.stringValue }).first { members[key] = .string(text) }
        }
        return ProvidedStatement(description: members)
    }

    // MARK: beside it

    /// Roles and tablespaces. What a role may not read is left out, and that is said.
    private func globals() -> Archiver.Stream {
        var stream = stream(Self.globalsName)
        stream.isOptional = true
        let name = "\(plan.name) globals"
        stream.start = { [self] () throws(StoreError) in
            var arguments = ["--globals-only"]
            if state.withLock({ $0.database?.json["reads_passwords"] }) != .bool(true) {
                arguments.append("--no-role-passwords")
            }
            return try start(plan.server.plan("pg_dumpall", arguments), name).output
        }
        stream.finish = { [self] () throws(StoreError) in
            do throws(StoreError) {
                try finish("pg_dumpall", name)
            } catch {
                throw StoreError(
                    error.code, "roles and tablespaces of the server were not saved: \(error.message)",
                    remedy: "connect as a superuser, or set globals = false")
            }
        }
        return stream
    }

    /// Prints what belongs to a database and is in no dump of it, for psql: `:"DBNAME"` is the one that it is at. The
    /// server keeps the values of settings that are lists of names quoted already.
    private static let properties = """
        SET search_path = pg_catalog;
        WITH d AS (SELECT * FROM pg_database WHERE datname = current_database()),
        a AS (SELECT acl.*, datdba FROM d, aclexplode(d.datacl) acl),
        s AS (SELECT setrole, n, split_part(e, '=', 1) AS k, substr(e, strpos(e, '=') + 1) AS v
            FROM d JOIN pg_db_role_setting r ON r.setdatabase = d.oid, unnest(r.setconfig) WITH ORDINALITY u(e, n))
        SELECT line FROM (
        SELECT 1 AS part, 0 AS role, 0 AS number, format('ALTER DATABASE :"DBNAME" OWNER TO %I;',
            pg_get_userbyid(datdba)) AS line FROM d
        UNION ALL SELECT 2, 0, 0, format('ALTER DATABASE :"DBNAME" CONNECTION LIMIT %s;', datconnlimit)
            FROM d WHERE datconnlimit >= 0
        UNION ALL SELECT 3, 0, 0, format('COMMENT ON DATABASE :"DBNAME" IS %L;', text)
            FROM d, shobj_description(d.oid, 'pg_database') text WHERE text IS NOT NULL
        UNION ALL SELECT 4, setrole::bigint, n, CASE WHEN setrole = 0 THEN 'ALTER DATABASE :"DBNAME" SET '
            ELSE format('ALTER ROLE %I IN DATABASE :"DBNAME" SET ', pg_get_userbyid(setrole)) END || quote_ident(k)
            || ' TO ' || CASE WHEN lower(k) IN ('local_preload_libraries', 'search_path', 'session_preload_libraries',
            'shared_preload_libraries', 'temp_tablespaces', 'unix_socket_directories') THEN v
            ELSE quote_literal(v) END || ';' FROM s
        UNION ALL SELECT 5, 0, 0, format('REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC, %I;', pg_get_userbyid(datdba))
            FROM d WHERE datacl IS NOT NULL
        UNION ALL SELECT 6, grantee::bigint, 0, format('GRANT %s ON DATABASE :"DBNAME" TO %s%s;', privilege_type,
            CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
            CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM a
        ) lines ORDER BY part, role, number, line
        """
}

extension PostgresServer {
    /// What a program says of itself, as in "pg_dump (PostgreSQL) 15.4".
    func version(of program: String) throws(StoreError) -> String {
        var plan = SupervisedProcess.Plan(arguments: [program, "--version"].map { Array($0.utf8) })
        plan.directory = directory
        let process = try start(plan)
        try check(process.wait(), program, process.messages)
        return String(process.messages.prefix { $0 != "\n" })
    }
}

/// Reads an archive with pg_restore while pg_dump writes it, for the rows in it. It also proves that it can be read.
final class DumpReader: Sendable {
    private struct State {
        var feed: PipeToProgram?
        var process: SupervisedProcess?
        var thread: BackgroundThread?
    }

    private let server: PostgresServer
    private let running: RunningCommands
    private let name: String
    private let state = Mutex(State())
    private let counter = Mutex(CopyCounter())

    init(_ server: PostgresServer, _ running: RunningCommands, _ name: String) {
        self.server = server
        self.running = running
        self.name = name + " pg_restore"
    }

    func start() throws(StoreError) {
        let feed = try PipeToProgram()
        var plan = server.plan("pg_restore", ["--exit-on-error", "--file=-"])
        plan.input = feed.reader
        plan.handsOutOutput = true
        let process = try running.start(plan, name)
        let thread = try BackgroundThread { [self] in
            while let part = try? DescriptorReader.read(process.output, atMost: 256 << 10), !part.isEmpty {
                part.withUnsafeBytes { bytes in self.counter.withLock { $0.feed(bytes) } }
            }
        }
        feed.closeReader()
        state.withLock { state in
            state.feed = feed
            state.process = process
            state.thread = thread
        }
    }

    /// Hands bytes of the archive on.
    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        try state.withLock { $0.feed }?.write(bytes)
    }

    /// Waits until all was read.
    func finish() throws(StoreError) -> CopyCounter {
        state.withLock { $0.feed }?.closeWriter()
        let (process, thread) = state.withLock { state in
            defer { state.thread = nil }
            return (state.process, state.thread)
        }
        thread?.join()
        if let process { try server.check(process.wait(), "pg_restore", process.messages) }
        return counter.withLock { $0 }
    }
}
