import Synchronization
import Varve
import VarveApp
import VarveFormat

/// The hooks of a configuration around a restore in place: they stop and start the application.
final class RestoreHooks: Sendable {
    private let runner: HookRunner?
    private let context: Context
    private let result = Mutex(ExitStatus.ok)

    /// - Parameter snapshot: what is restored, or whose restore is undone; nil if it is not there any more.
    init(_ id: SnapshotID, _ snapshot: Snapshot?, isInPlace: Bool, _ context: Context) {
        self.context = context
        let manifest = snapshot?.manifest
        guard isInPlace, let configuration = context.configured.configuration else {
            runner = nil
            return
        }
        let job = manifest?.job.flatMap { name in configuration.jobs.first { $0.name == name } }
        let hooks = job.flatMap { $0.hooks.isEmpty ? nil : $0.hooks } ?? context.configured.table("hooks")
        runner = HookRunner(
            hooks: hooks, directory: configuration.directory,
            variables: [
                "VARVE_CONFIG": String(decoding: configuration.file, as: UTF8.self),
                "VARVE_REPOSITORY": context.settings.repository ?? "", "VARVE_JOB": manifest?.job ?? "",
                "VARVE_TYPE": manifest?.type ?? "", "VARVE_SNAPSHOT_ID": id.hex,
                "VARVE_COMPONENTS": manifest.map { SnapshotComponent.all($0).map(\.name).joined(separator: " ") } ?? "",
            ])
    }

    /// Whether a hook stops the application.
    var stops: Bool { runner?.has(.beforeRestore) ?? false }

    /// What the hooks add to the status of the restore.
    var status: ExitStatus { result.withLock { $0 } }

    /// Runs a restore between its hooks. `after_restore` runs whenever `before_restore` was run, whatever came of the
    /// restore: nothing else would start the application again.
    func around(
        _ progress: Progress, _ restore: () throws(StoreError) -> RestoreReport
    ) throws(StoreError) -> RestoreReport {
        guard let runner else { return try restore() }
        context.signals.hold(true)
        defer { context.signals.hold(false) }
        do throws(StoreError) {
            show(try runner.run(.beforeRestore, progress: progress), "before_restore")
            let report = try restore()
            let what = report.isAbandoned ? "nothing was restored" : "some entries could not be restored"
            end(runner, RestoreSummary.status(report), report.errors.first.map { "\(what): \($0.message)" } ?? what)
            return report
        } catch {
            end(runner, context.signals.status ?? ExitStatus(error.code), error.message)
            throw error
        }
    }

    private func end(_ runner: HookRunner, _ status: ExitStatus, _ message: String) {
        let variables = ["VARVE_STATUS": String(status.code), "VARVE_ERROR": status == .ok ? "" : message]
        do throws(StoreError) {
            show(try runner.run(.afterRestore, variables, progress: nil), "after_restore")
        } catch {
            context.output.error(context.output.safe(error.message), path: nil)
            result.withLock { $0 = .failed }
        }
        guard status != .ok || self.status != .ok else { return }
        do throws(StoreError) {
            show(try runner.run(.onFailure, variables, progress: nil), "on_failure")
        } catch {
            context.output.warning(context.output.safe(error.message))
        }
    }

    private func show(_ said: String?, _ hook: String) {
        guard let said, !said.isEmpty else { return }
        context.output.detail("\(hook): \(context.output.safe(said))")
    }
}
