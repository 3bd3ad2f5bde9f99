package import Varve
import CSys

/// Runs the commands of a configuration: hooks, checks of the application, whatever prints a line.
///
/// Each runs in a process group of its own, in the directory of the configuration, with nothing on standard input and
/// with variables that docs/CONFIGURATION.md lists. When its time is over the group is ended.
package struct HookRunner: Sendable {
    /// The hooks that there are.
    package enum Hook: String, Sendable, CaseIterable {
        case beforeBackup = "before_backup"
        case afterBackup = "after_backup"
        case beforeRestore = "before_restore"
        case afterRestore = "after_restore"
        case onFailure = "on_failure"
    }

    /// How long a hook may take unless told otherwise, in seconds.
    package static let standardTimeout: Int64 = 600
    private static let outputLimit = 1 << 20

    private let hooks: Configuration.Values
    private let directory: [UInt8]
    private let variables: [String: String]

    /// - Parameters:
    ///   - hooks: lines for the shell by the keys of `[hooks]`.
    ///   - variables: what every command gets besides the environment.
    package init(hooks: Configuration.Values, directory: [UInt8], variables: [String: String]) {
        self.hooks = hooks
        self.directory = directory
        self.variables = variables
    }

    /// Whether there is a line for a hook.
    package func has(_ hook: Hook) -> Bool { hooks[hook.rawValue] != nil }

    /// Runs a hook, if there is one.
    ///
    /// - Parameter progress: ends the hook when it is cancelled; nil for what has to run whatever happens.
    /// - Returns: what it said; nil if there is none.
    /// - Throws: `failed` if it did not exit with 0 in time, with what it said; `interrupted`.
    package func run(
        _ hook: Hook, _ more: [String: String] = [:], progress: Progress?
    ) throws(StoreError) -> String? {
        guard let line = hooks[hook.rawValue] else { return nil }
        let seconds = hooks["timeout"].flatMap { try? DurationText.parse($0) }
        return try run(
            line, named: "the \(hook.rawValue) hook", more.merging(["VARVE_HOOK": hook.rawValue]) { $1 },
            timeout: seconds ?? Self.standardTimeout, progress: progress)
    }

    /// Runs any line as hooks are run.
    package func run(
        _ line: String, named name: String, _ more: [String: String], timeout: Int64, progress: Progress?
    ) throws(StoreError) -> String {
        progress?.update { $0.phase = name }
        let process = try start(plan(["/bin/sh", "-c", line], more, timeout), name)
        try Self.check(process.wait(progress), name, process.messages, timeout)
        return process.messages
    }

    /// Runs a line for what it writes to standard output.
    ///
    /// - Returns: at most 1 MiB of output, how it ended and what it said besides.
    package func output(
        of line: String, named name: String, _ more: [String: String], timeout: Int64, progress: Progress?
    ) throws(StoreError) -> (bytes: [UInt8], outcome: SupervisedProcess.Outcome, messages: String) {
        progress?.update { $0.phase = name }
        var plan = plan(["/bin/sh", "-c", line], more, timeout)
        plan.handsOutOutput = true
        let process = try start(plan, name)
        var bytes: [UInt8] = []
        var hasEnded = false
        while true {
            if progress?.isCancelled == true { process.cancel() }
            guard sys_wait_readable(process.output, 50) > 0 else {
                // What it left running may keep its output open for good.
                if hasEnded { break }
                hasEnded = process.hasEnded
                continue
            }
            let part = try DescriptorReader.read(process.output, atMost: 64 << 10)
            if part.isEmpty { break }
            bytes += part
            guard bytes.count <= Self.outputLimit else {
                process.cancel()
                _ = process.wait()
                throw StoreError(.failed, "\(name) writes more than \(Self.outputLimit >> 20) MiB")
            }
        }
        let outcome = process.wait(progress)
        if outcome == .cancelled { throw StoreError(.interrupted, "interrupted") }
        return (bytes, outcome, process.messages)
    }

    /// The first line that a command writes, for a version.
    package func firstLine(of line: String, named name: String, progress: Progress?) throws(StoreError) -> String {
        let timeout = Self.standardTimeout
        let (bytes, outcome, messages) = try output(of: line, named: name, [:], timeout: timeout, progress: progress)
        try Self.check(outcome, name, messages, timeout)
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }, as: UTF8.self)
    }

    /// How a command of the configuration is run.
    package func plan(
        _ arguments: [String], _ more: [String: String], _ timeout: Int64?
    ) -> SupervisedProcess.Plan {
        var plan = SupervisedProcess.Plan(arguments: arguments.map { Array($0.utf8) })
        plan.directory = directory
        plan.variables = variables.merging(more) { $1 }
        plan.timeout = timeout
        return plan
    }

    private func start(_ plan: SupervisedProcess.Plan, _ name: String) throws(StoreError) -> SupervisedProcess {
        do throws(StoreError) {
            return try SupervisedProcess(plan)
        } catch {
            throw StoreError(error.code, "\(name): \(error.message)", path: error.path, remedy: error.remedy)
        }
    }

    /// Turns the end of a command into an error, unless it was a good one.
    package static func check(
        _ outcome: SupervisedProcess.Outcome, _ name: String, _ messages: String, _ timeout: Int64?
    ) throws(StoreError) {
        let what: String
        var remedy = "run it by hand to see why"
        switch outcome {
        case .exited(0): return
        case .cancelled: throw StoreError(.interrupted, "interrupted")
        case .exited(127): what = "exited with status 127, which means that it was not found"
        case .exited(let status): what = "exited with status \(status)"
        case .ended(let signal): what = "was ended by signal \(signal)"
        case .timedOut:
            what = "did not end within \(DurationText.text(timeout ?? 0)) and was ended"
            remedy = "see what it waits for, or give it more time with timeout"
        }
        let said = messages.isEmpty ? "" : ": " + messages
        throw StoreError(.failed, "\(name) \(what)\(said)", remedy: remedy)
    }
}
