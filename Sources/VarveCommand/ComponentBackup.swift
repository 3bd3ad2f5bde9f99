import Synchronization
import Varve
import VarveApp
import VarveFormat

/// A backup of the components of a configuration: hooks, checks of the application, the capture, hooks.
struct ComponentBackup {
    let choice: ChoiceOptions.Choice
    let repository: Repository
    let context: Context
    private let runner: HookRunner

    init(_ choice: ChoiceOptions.Choice, _ repository: Repository, _ context: Context) {
        self.choice = choice
        self.repository = repository
        self.context = context
        runner = HookRunner(
            hooks: Self.hooks(choice.job, context), directory: choice.configuration.directory,
            variables: Self.variables(choice, repository))
    }

    /// The hooks of a job, or else those of `[hooks]`.
    private static func hooks(_ job: Configuration.Job?, _ context: Context) -> Configuration.Values {
        guard let job, !job.hooks.isEmpty else { return context.configured.table("hooks") }
        return job.hooks
    }

    /// What every command of the configuration can read (docs/CONFIGURATION.md).
    private static func variables(_ choice: ChoiceOptions.Choice, _ repository: Repository) -> [String: String] {
        [
            "VARVE_CONFIG": String(decoding: choice.configuration.file, as: UTF8.self),
            "VARVE_REPOSITORY": repository.location, "VARVE_JOB": choice.job?.name ?? "", "VARVE_TYPE": choice.type,
            "VARVE_COMPONENTS": choice.components.map(\.name).joined(separator: " "),
        ]
    }

    /// Makes the snapshot.
    ///
    /// - Returns: what was captured, and the status of what runs after it.
    func run(_ options: Archiver.Options) throws(StoreError) -> (report: ArchiveReport, status: ExitStatus) {
        let running = RunningCommands()
        return try context.withProgress(onStop: { running.stop() }) { progress throws(StoreError) in
            if options.isDryRun { return (try capture(options, running, progress).report, .ok) }
            do throws(StoreError) {
                let (report, status) = try attempt(options, running, progress)
                if report.manifest.errorsTotal > 0 {
                    reportFailure(.partial, "some sources could not be read", report.snapshotID)
                }
                return (report, status)
            } catch {
                reportFailure(context.signals.status ?? ExitStatus(error.code), error.message, nil)
                throw error
            }
        }
    }

    private func attempt(
        _ options: Archiver.Options, _ running: RunningCommands, _ progress: Progress
    ) throws(StoreError) -> (report: ArchiveReport, status: ExitStatus) {
        var options = options
        show(try runner.run(.beforeBackup, progress: progress), "before_backup")
        if let version = try applicationVersion(progress), options.appVersion == nil { options.appVersion = version }
        options.validation = try validate(progress)
        let (report, captured) = try capture(options, running, progress)
        guard let id = report.snapshotID else { return (report, captured) }
        var status = captured
        do throws(StoreError) {
            let variables = ["VARVE_SNAPSHOT_ID": id.hex, "VARVE_STATUS": report.manifest.errorsTotal > 0 ? "3" : "0"]
            show(try runner.run(.afterBackup, variables, progress: nil), "after_backup")
        } catch {
            context.output.error(context.output.safe(error.message), path: nil)
            reportFailure(.failed, error.message, id)
            status = .failed
        }
        return (report, status)
    }

    /// Captures, and lets go of every database that was kept still, however that went.
    private func capture(
        _ options: Archiver.Options, _ running: RunningCommands, _ progress: Progress
    ) throws(StoreError) -> (report: ArchiveReport, status: ExitStatus) {
        let signals = context.signals
        let plan = try CapturePlan(
            choice.configuration, choice.components, options: options, exclusions: try context.configured.exclusions(),
            staysOnFileSystem: context.configured.flag("backup.one_file_system"), runner: runner, progress: progress,
            running: running, onHold: { signals.hold($0) })
        var status = ExitStatus.ok
        let result: Result<ArchiveReport, StoreError>
        do throws(StoreError) {
            result = .success(
                try Archiver(repository: repository, options: plan.options, progress: progress).run())
        } catch {
            result = .failure(error)
        }
        for stillness in plan.stillnesses {
            stillness.end()
            guard let failure = stillness.failure else { continue }
            context.output.error(context.output.safe(failure.message), path: nil)
            status = .failed
        }
        return (try result.get(), status)
    }

    /// Runs the checks of the application.
    ///
    /// - Throws: `refused` if one is bad that is set to refuse.
    private func validate(_ progress: Progress) throws(StoreError) -> [JSONValue] {
        let timeout = context.configured.text("validation.timeout")
        var results: [JSONValue] = []
        let values = choice.configuration.values.merging(validationOverrides) { $1 }
        for check in ValidationCheck.checks(values, choice.components, timeout: timeout) {
            let result = try check.run(runner, progress: progress)
            results.append(result.json)
            guard let problem = result.problem else { continue }
            guard !check.refuses else {
                throw StoreError(
                    .refused, problem,
                    remedy: "repair the application first, or set the policy to warn; no snapshot was made")
            }
            context.output.warning(context.output.safe(problem))
        }
        return results
    }

    /// What variables say about the check of the application.
    private var validationOverrides: Configuration.Values {
        var result: Configuration.Values = [:]
        for (name, value) in context.configured.table("validation") { result["validation.\(name)"] = value }
        return result
    }

    private func applicationVersion(_ progress: Progress) throws(StoreError) -> String? {
        if let version = context.configured.text("backup.app_version") { return version }
        if let file = try context.configured.path("backup.app_version_file") {
            let bytes = try ConfiguredExclusions.read(file, named: "backup.app_version_file")
            let line = bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
            return String(decoding: line, as: UTF8.self)
        }
        guard let line = context.configured.text("backup.app_version_command") else { return nil }
        return try runner.firstLine(of: line, named: "the app_version command", progress: progress)
    }

    private func show(_ said: String?, _ hook: String) {
        guard let said, !said.isEmpty else { return }
        context.output.detail("\(hook): \(context.output.safe(said))")
    }

    /// Runs the hook for failures. What goes wrong with it is a warning: there is an error already.
    private func reportFailure(_ status: ExitStatus, _ message: String, _ id: SnapshotID?) {
        let variables = [
            "VARVE_STATUS": String(status.code), "VARVE_ERROR": message, "VARVE_SNAPSHOT_ID": id?.hex ?? "",
        ]
        do throws(StoreError) {
            show(try runner.run(.onFailure, variables, progress: nil), "on_failure")
        } catch {
            context.output.warning(context.output.safe(error.message))
        }
    }
}
