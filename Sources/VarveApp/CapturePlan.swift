import Synchronization
package import Varve
import VarveFormat

/// What the chosen components of a configuration come to: the options of one capture, and what runs beside it.
package struct CapturePlan: Sendable {
    package private(set) var options: Archiver.Options
    package let runner: HookRunner
    package let progress: Progress
    /// Databases that are kept still during their capture.
    package internal(set) var stillnesses: [Stillness] = []
    /// Told true when something must be undone before the program may end, false when it was.
    package let onHold: @Sendable (Bool) -> Void
    /// Commands at work.
    package let running: RunningCommands

    private let configuration: Configuration
    private let selected: Set<String>
    /// What is left out of every component, and what an option leaves out besides.
    private let exclusions: Archiver.Exclusions
    private let staysOnFileSystem: Bool
    private let optionExclusions: Archiver.Exclusions

    /// Where in a snapshot the output of commands lies: no path of a machine, so that no restore in place writes there.
    package static let streamRoot = Array("/.varve".utf8)

    /// Plans the capture of some components of a configuration.
    ///
    /// - Parameters:
    ///   - options: what was asked for; its exclusions, those of the command line, are the strongest.
    ///   - exclusions: what the configuration leaves out of everything.
    ///   - staysOnFileSystem: what holds for components that do not say it.
    /// - Throws: `usage` for what cannot be captured as it is configured.
    package init(
        _ configuration: Configuration, _ components: [Configuration.Component], options: Archiver.Options,
        exclusions: Archiver.Exclusions, staysOnFileSystem: Bool, runner: HookRunner, progress: Progress,
        running: RunningCommands, onHold: @escaping @Sendable (Bool) -> Void
    ) throws(StoreError) {
        self.running = running
        self.configuration = configuration
        self.options = options
        self.exclusions = exclusions
        self.staysOnFileSystem = staysOnFileSystem
        self.runner = runner
        self.progress = progress
        self.onHold = onHold
        optionExclusions = options.exclusions
        selected = Set(components.map(\.name))
        self.options.exclusions = Archiver.Exclusions()
        for component in components {
            try ComponentSources.source(component.kind).add(component, to: &self)
        }
    }

    /// Adds directories and files that are walked.
    mutating func addWalked(
        _ component: Configuration.Component, _ change: (inout Archiver.Component) -> Void = { _ in }
    ) throws(StoreError) {
        var engine = Archiver.Component(record: Self.record(component, component.paths))
        engine.paths = component.paths
        engine.exclusions = try exclusions(of: component)
        let staysBySetting = component.values["one_file_system"].map { $0 == "true" } ?? staysOnFileSystem
        engine.staysOnFileSystem = options.staysOnFileSystem || staysBySetting
        change(&engine)
        options.paths += component.paths
        options.components.append(engine)
    }

    /// Adds a stream below `streamRoot`.
    mutating func addStream(
        _ component: Configuration.Component, file: String,
        _ connect: (RunningCommands, inout Archiver.Stream) -> Void
    ) {
        let slash = [UInt8(ascii: "/")]
        let path = Self.streamRoot + slash + Array(component.name.utf8) + slash + Array(file.utf8)
        var stream = Archiver.Stream(path: path, descriptor: -1) {}
        stream.failsAlone = true
        connect(running, &stream)
        addStreams(component, [stream])
    }

    /// Adds streams that are a component.
    mutating func addStreams(_ component: Configuration.Component, _ streams: [Archiver.Stream]) {
        let paths = streams.map(\.path)
        var engine = Archiver.Component(record: Self.record(component, paths))
        engine.paths = paths
        options.streams += streams
        options.components.append(engine)
    }

    /// Where commands of the configuration run.
    var directory: [UInt8] { configuration.directory }

    private static func record(_ component: Configuration.Component, _ paths: [[UInt8]]) -> [String: JSONValue] {
        [
            "name": .string(component.name), "type": .string(component.type), "kind": .string(component.kind.rawValue),
            "paths": .array(paths.map(FileNameJSON.encode)),
        ]
    }

    /// The rules of a component from the weakest to the strongest: those for everything, its own, those of options, and
    /// what belongs to a component that is not saved now.
    private func exclusions(of component: Configuration.Component) throws(StoreError) -> Archiver.Exclusions {
        var result = try ConfiguredExclusions.exclusions(component.values, component.lists, prefix: "component")
        result.rules = exclusions.rules + result.rules + optionExclusions.rules
        result.markers = ExcludeMarkers(
            cacheDirectories: result.markers.cacheDirectories
                || (component.values["exclude_caches"] == nil && exclusions.markers.cacheDirectories)
                || optionExclusions.markers.cacheDirectories,
            names: exclusions.markers.names + result.markers.names + optionExclusions.markers.names)
        result.largerThan = optionExclusions.largerThan ?? result.largerThan ?? exclusions.largerThan
        for other in configuration.components where !selected.contains(other.name) {
            for path in other.paths where component.paths.contains(where: { Self.lies(path, in: $0) }) {
                for name in other.kind == .sqlite ? SQLiteSource.names(path) : [path] {
                    let pattern = try PathRule(
                        ExactPattern.text(name), origin: .option("component \(other.name)"))
                    result.rules.append(pattern)
                }
            }
        }
        return result
    }

    /// Whether a path lies below a directory.
    private static func lies(_ path: [UInt8], in directory: [UInt8]) -> Bool {
        let slash = UInt8(ascii: "/")
        return path.starts(with: directory.last == slash ? directory : directory + [slash]) && path != directory
    }
}

/// A gitignore pattern that matches one path and nothing else.
package enum ExactPattern {
    package static func text(_ path: [UInt8]) -> [UInt8] {
        let special = Set("\\*?[]!#".utf8)
        return path.flatMap { special.contains($0) ? [UInt8(ascii: "\\"), $0] : [$0] }
    }
}

/// Commands whose output is being captured, so that they can be ended.
package final class RunningCommands: Sendable {
    private let processes = Mutex<[String: SupervisedProcess]>([:])
    private let isStopped = Mutex(false)

    package init() {}

    func start(_ plan: SupervisedProcess.Plan, _ name: String) throws(StoreError) -> SupervisedProcess {
        let process = try SupervisedProcess(plan)
        processes.withLock { $0[name] = process }
        if isStopped.withLock({ $0 }) { process.cancel() }
        return process
    }

    func process(_ name: String) -> SupervisedProcess? { processes.withLock { $0[name] } }

    /// Ends all of them.
    package func stop() {
        isStopped.withLock { $0 = true }
        for process in processes.withLock({ Array($0.values) }) { process.cancel() }
    }
}

/// A database that keeps still from `begin` to `end`. However the capture goes, whoever made it calls `end`.
package final class Stillness: Sendable {
    private struct State {
        var isHeld = false
        var failure: StoreError?
    }

    private let name: String
    private let values: Configuration.Values
    private let runner: HookRunner
    private let progress: Progress
    private let onHold: @Sendable (Bool) -> Void
    private let state = Mutex(State())

    init(
        _ component: Configuration.Component, _ runner: HookRunner, _ progress: Progress,
        onHold: @escaping @Sendable (Bool) -> Void
    ) {
        name = component.name
        values = component.values
        self.runner = runner
        self.progress = progress
        self.onHold = onHold
    }

    private var timeout: Int64 {
        values["timeout"].flatMap { try? DurationText.parse($0) } ?? HookRunner.standardTimeout
    }

    /// Runs the quiesce hook. If it fails, the resume hook is run at once: nobody knows how far it came.
    func begin() throws(StoreError) {
        let isFirst = state.withLock { state in
            defer { state.isHeld = true }
            return !state.isHeld
        }
        guard isFirst else { return }
        onHold(true)
        guard let line = values["quiesce"] else { return }
        do throws(StoreError) {
            _ = try runner.run(
                line, named: "the quiesce hook of \(name)", variables("quiesce"), timeout: timeout, progress: progress)
        } catch {
            end()
            throw error
        }
    }

    /// Runs the resume hook if the database keeps still; an interruption does not keep it from running.
    package func end() {
        let wasHeld = state.withLock { state in
            defer { state.isHeld = false }
            return state.isHeld
        }
        guard wasHeld else { return }
        defer { onHold(false) }
        guard let line = values["resume"] else { return }
        do throws(StoreError) {
            _ = try runner.run(
                line, named: "the resume hook of \(name)", variables("resume"), timeout: timeout, progress: nil)
        } catch {
            state.withLock { $0.failure = error }
        }
    }

    /// What went wrong with the resume hook.
    package var failure: StoreError? { state.withLock { $0.failure } }

    private func variables(_ hook: String) -> [String: String] { ["VARVE_HOOK": hook, "VARVE_COMPONENT": name] }
}
