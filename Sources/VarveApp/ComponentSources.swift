package import Varve
import VarveFormat

/// How components of one kind are captured. To add a kind: conform a type, and name it in `ComponentSources`.
package protocol ComponentSource: Sendable {
    /// Adds what a component consists of to a capture.
    ///
    /// - Throws: `usage` for what cannot be captured as it is configured.
    func add(_ component: Configuration.Component, to plan: inout CapturePlan) throws(StoreError)
}

/// Which kinds this program can capture.
package enum ComponentSources {
    /// What captures a kind.
    package static func source(_ kind: ComponentKind) -> any ComponentSource {
        switch kind {
        case .files, .sqlite: FilesSource()
        case .directoryDatabase: DirectoryDatabaseSource()
        case .command: CommandOutputSource()
        case .postgres: PostgresSource()
        }
    }
}

/// Files and directories as they are, and SQLite databases, whose content `SQLiteSource` supplies.
struct FilesSource: ComponentSource {
    func add(_ component: Configuration.Component, to plan: inout CapturePlan) throws(StoreError) {
        try plan.addWalked(component)
    }
}

/// A database that is a directory of files: its program is asked to keep still while they are read.
struct DirectoryDatabaseSource: ComponentSource {
    func add(_ component: Configuration.Component, to plan: inout CapturePlan) throws(StoreError) {
        let stillness = Stillness(component, plan.runner, plan.progress, onHold: plan.onHold)
        plan.stillnesses.append(stillness)
        try plan.addWalked(component) { engine in
            engine.prepare = { () throws(StoreError) in try stillness.begin() }
            engine.release = { stillness.end() }
        }
    }
}

/// A PostgreSQL database, dumped. If pg_dump fails, the snapshot is made without it and says so.
package struct PostgresSource: ComponentSource {
    package func add(_ component: Configuration.Component, to plan: inout CapturePlan) throws(StoreError) {
        var server = try Self.server(component)
        server.directory = plan.directory
        var dump = PostgresDump.Plan(name: component.name, server: server)
        dump.isCustom = component.values["format"] == "custom"
        dump.savesGlobals = component.values["globals"] != "false"
        if let seconds = component.values["busy_timeout"].flatMap({ try? DurationText.parse($0) }) {
            dump.lockTimeout = seconds
        }
        plan.addStreams(component, PostgresDump(dump, plan.running).streams)
    }

    /// The server of a component.
    ///
    /// - Throws: `usage` for a URI that makes no sense.
    private static func server(_ component: Configuration.Component) throws(StoreError) -> PostgresServer {
        let address = try PostgresAddress(component.values["database"] ?? "", service: component.values["service"])
        return PostgresServer(address)
    }

    /// The server and database that a component of a snapshot goes to: what the configuration says of it, else the
    /// recorded name where the environment of libpq leads to.
    package static func server(
        _ name: String, _ database: String, in configuration: Configuration?
    ) throws(StoreError) -> PostgresServer {
        let component = configuration?.components.first { $0.name == name && $0.kind == .postgres }
        guard let configuration, let component else { return PostgresServer(PostgresAddress(name: database)) }
        var server = try server(component)
        server.directory = configuration.directory
        return server
    }
}

/// What a command writes, as one file. If the command fails, the snapshot is made without it and says so.
struct CommandOutputSource: ComponentSource {
    func add(_ component: Configuration.Component, to plan: inout CapturePlan) throws(StoreError) {
        let name = "the command of \(component.name)"
        let timeout = component.values["timeout"].flatMap { try? DurationText.parse($0) }
        let run = plan.runner.plan(component.command, ["VARVE_COMPONENT": component.name], timeout)
        plan.addStream(component, file: component.values["filename"] ?? component.name) { running, stream in
            stream.start = { () throws(StoreError) in
                var run = run
                run.handsOutOutput = true
                return try running.start(run, component.name).output
            }
            stream.finish = { () throws(StoreError) in
                guard let process = running.process(component.name) else { return }
                try HookRunner.check(process.wait(), name, process.messages, timeout)
            }
        }
    }
}
