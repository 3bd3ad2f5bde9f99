import CSys
import Glibc
package import Varve
package import VarveFormat

/// The client programs of PostgreSQL at work on one server. None of them ever asks for a password.
package struct PostgresServer: Sendable {
    package var address: PostgresAddress
    /// What the sessions of these programs are called, so that they can be told from others.
    package var sessionName = "varve"
    /// Where programs start; nil for where this process is.
    package var directory: [UInt8]?

    /// Seconds to wait for a connection unless the environment says otherwise.
    private static let connectTimeout = "30"
    private static let outputLimit = 64 << 20
    /// What fits into a pipe that nobody reads yet.
    private static let pipeSize = 60 << 10

    package init(_ address: PostgresAddress) { self.address = address }

    /// What a server says about a database.
    package struct Database: Sendable {
        package let json: [String: JSONValue]

        package func text(_ key: String) -> String? { json[key]?.stringValue }
        package var version: String { text("server_version") ?? "" }
    }

    // MARK: running

    /// How a program is run on a database; nil for that of the address.
    func plan(_ program: String, _ arguments: [String], database: String? = nil) -> SupervisedProcess.Plan {
        var words = [program] + arguments
        if program != "pg_restore" { words += ["--no-password", "--dbname", address.connection(to: database)] }
        var plan = SupervisedProcess.Plan(arguments: words.map { Array($0.utf8) })
        plan.directory = directory
        plan.variables = ["PGAPPNAME": sessionName, "LC_ALL": "C"].merging(address.variables) { $1 }
        if getenv("PGCONNECT_TIMEOUT") == nil { plan.variables["PGCONNECT_TIMEOUT"] = Self.connectTimeout }
        return plan
    }

    static let psqlArguments = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "-v", "ON_ERROR_STOP=1"]

    /// Runs SQL and returns what it gives, a line for each row.
    ///
    /// - Throws: what keeps it from being run, with a remedy.
    package func query(
        _ sql: String, database: String? = nil, progress: Progress? = nil
    ) throws(StoreError) -> String {
        let script = Array("SET standard_conforming_strings = on; SET search_path = pg_catalog;\n\(sql)".utf8)
        guard script.count <= Self.pipeSize else { throw StoreError(.failed, "a query is too long for psql") }
        let feed = try PipeToProgram()
        try script.withBytes { bytes throws(StoreError) in try feed.write(bytes) }
        feed.closeWriter()
        var plan = plan("psql", Self.psqlArguments, database: database)
        plan.variables["PGCLIENTENCODING"] = "UTF8"
        plan.input = feed.reader
        plan.handsOutOutput = true
        let process = try start(plan)
        var bytes: [UInt8] = []
        while true {
            if progress?.isCancelled == true { process.cancel() }
            guard sys_wait_readable(process.output, 50) > 0 else { continue }
            let part = try DescriptorReader.read(process.output, atMost: 64 << 10)
            if part.isEmpty || bytes.count > Self.outputLimit { break }
            bytes += part
        }
        try check(process.wait(progress), "psql", process.messages, database)
        return String(decoding: bytes.last == 10 ? bytes.dropLast() : bytes[...], as: UTF8.self)
    }

    /// Starts a program; a missing one is said with the package that has it.
    func start(_ plan: SupervisedProcess.Plan) throws(StoreError) -> SupervisedProcess {
        do throws(StoreError) {
            return try SupervisedProcess(plan)
        } catch {
            let program = plan.arguments.first.map { String(decoding: $0, as: UTF8.self) } ?? ""
            throw error.errno == ENOENT ? PostgresProblem.notInstalled(program) : error
        }
    }

    /// Turns the end of a program into an error, unless it was a good one.
    func check(
        _ outcome: SupervisedProcess.Outcome, _ program: String, _ messages: String, _ database: String? = nil
    ) throws(StoreError) {
        if outcome == .exited(0) { return }
        if outcome == .cancelled { throw StoreError(.interrupted, "interrupted") }
        if outcome == .exited(127) { throw PostgresProblem.notInstalled(program) }
        var place = address
        if let database { place.database = database }
        throw PostgresProblem.error(program, outcome, messages, place)
    }

    // MARK: what is there

    /// Asks for what is to be known about the database of the address.
    package func inspect() throws(StoreError) -> Database {
        let sql = """
            SELECT json_build_object(
                'server_version', current_setting('server_version'), 'database', current_database(),
                'encoding', pg_encoding_to_char(d.encoding), 'owner', pg_get_userbyid(d.datdba),
                'reads_passwords', has_table_privilege('pg_authid', 'SELECT'), 'row', to_json(d))
            FROM pg_database d WHERE datname = current_database();
            """
        let answer = try query(sql)
        guard let value = try? JSONValue(parsing: Array(answer.utf8)), case .object(let members) = value else {
            throw StoreError(.failed, "PostgreSQL says of \(address.text) what cannot be understood")
        }
        return Database(json: members)
    }

    /// A text as SQL has it, with standard strings.
    package static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }

    /// A name as SQL has it.
    package static func identifier(_ name: String) -> String {
        "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}

/// What programs of PostgreSQL say when they fail, and what to do about it.
enum PostgresProblem {
    static func notInstalled(_ program: String) -> StoreError {
        StoreError(
            .failed, "PostgreSQL: \(program) is not installed, or not in PATH",
            remedy: "install the client programs of PostgreSQL (postgresql-client)")
    }

    static func error(
        _ program: String, _ outcome: SupervisedProcess.Outcome, _ messages: String, _ address: PostgresAddress
    ) -> StoreError {
        let said = messages.split(separator: "\n").map(String.init)
        let detail = said.first { $0.contains("rror:") || $0.contains("ERROR:") || $0.contains("FATAL:") } ?? said.first
        for (patterns, what, remedy) in known where patterns.contains(where: { messages.contains($0) }) {
            return StoreError(
                .failed, "PostgreSQL: \(address.text) \(what)" + (detail.map { ": \($0)" } ?? ""), remedy: remedy)
        }
        let how =
            switch outcome {
            case .exited(let status): "exited with status \(status)"
            case .ended(let signal): "was ended by signal \(signal)"
            case .timedOut: "took too long"
            case .cancelled: "was ended"
            }
        let text = messages.isEmpty ? "" : ": " + messages
        return StoreError(
            .failed, "PostgreSQL: \(program) \(how) (\(address.text))\(text)", remedy: "run it by hand to see why")
    }

    /// What is in a message in English, what that means, and what to do.
    private static let known: [(patterns: [String], what: String, remedy: String)] = [
        (
            ["server version mismatch"], "is of a newer server than the programs here",
            "install the client programs of the server's version"
        ),
        (
            ["lock timeout", "statement timeout", "could not obtain lock"], "is locked by another session",
            "find it in pg_stat_activity and let it end, or raise busy_timeout"
        ),
        (
            ["password authentication failed", "no password supplied", "fe_sendauth"], "refused the password",
            "put it into ~/.pgpass, PGPASSWORD or a service"
        ),
        (
            ["Connection refused", "No such file or directory", "could not translate host", "timeout expired",
                "starting up", "shutting down", "No route to host"],
            "cannot be reached", "start the server, or correct database, service, PGHOST and PGPORT"
        ),
        (["pg_hba.conf", "Peer authentication", "Ident authentication"], "refused the connection",
         "allow it in pg_hba.conf, or name another user"),
        (["permission denied to create database"], "cannot be restored by this role",
         "ALTER ROLE ... CREATEDB, or connect as another role"),
        (["permission denied", "must be owner", "row-level security"], "does not give all of itself to this role",
         "connect as its owner or a superuser, or grant pg_read_all_data"),
        (["is being accessed by other users"], "is in use", "stop the application, as in a before_restore hook"),
    ]

    /// Whether the database of the address does not exist.
    static func isMissing(_ error: StoreError) -> Bool {
        error.message.contains("database \"") && error.message.contains("does not exist")
    }
}
