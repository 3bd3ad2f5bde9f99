import ArgumentParser
import Varve
import VarveFormat

/// A command of the program.
protocol Verb: ParsableCommand {
    var global: GlobalOptions { get }
    /// What `--json` makes of standard output.
    static var jsonForm: Output.Form { get }
    /// Whether it heeds varve.toml.
    static var usesConfiguration: Bool { get }
    /// Whether standard output is another program's, so that summaries are messages.
    static var sharesOutput: Bool { get }
    /// Does the work.
    ///
    /// - Returns: the status of what was finished, `partial` or `damage` for instance.
    func execute(_ context: Context) throws(StoreError) -> ExitStatus
}

extension Verb {
    static var jsonForm: Output.Form { .jsonDocument }
    static var usesConfiguration: Bool { true }
    static var sharesOutput: Bool { false }
}

/// Parses the arguments, runs the command and turns whatever happens into an exit status.
struct CommandRunner {
    let environment: Environment
    let signals: Signals

    func run(_ arguments: [String]) -> ExitStatus {
        let arguments = ArgumentOrder.arranged(arguments)
        guard !arguments.isEmpty else {
            Output.plain(RootCommand.helpMessage(), toMessages: true)
            return .usage
        }
        do {
            let command = try RootCommand.parseAsRoot(arguments)
            if let verb = command as? any Verb { return run(verb) }
            var other = command
            try other.run()
            return .ok
        } catch {
            return report(error, arguments)
        }
    }

    private func run(_ verb: some Verb) -> ExitStatus {
        let kind = type(of: verb)
        let output = Output(verb.global, environment, jsonForm: kind.jsonForm, isShared: kind.sharesOutput)
        do throws(StoreError) {
            let configured = try Configured.load(verb, environment)
            let settings = try Settings(verb.global, configured.environment)
            let context = Context(
                settings: settings, options: verb.global, environment: configured.environment, configured: configured,
                output: output, signals: signals)
            let status = try verb.execute(context)
            output.flush()
            return status
        } catch {
            if output.isClosed, error.code == .interrupted { return .brokenPipe }
            var status = ExitStatus(error.code)
            if error.code == .interrupted, let received = signals.status { status = received }
            output.failure(error, status: status)
            output.flush()
            return status
        }
    }

    /// Help and versions are data; anything else that the parser says is a wrong usage.
    private func report(_ error: any Error, _ arguments: [String]) -> ExitStatus {
        let text = RootCommand.fullMessage(for: error)
        if RootCommand.exitCode(for: error).isSuccess {
            Output.plain(text, toMessages: false)
            return .ok
        }
        if arguments.contains("--json") {
            let message = RootCommand.message(for: error)
            let failure: JSONValue = .object([
                "message_type": .string("exit_error"), "code": .integer(Int64(ExitStatus.usage.code)),
                "error": .string("usage"), "message": .string(message), "remedy": .null, "format_version": .integer(1),
            ])
            Output.plain(String(decoding: failure.canonicalBytes(), as: UTF8.self), toMessages: false)
        }
        Output.plain(text, toMessages: true)
        return .usage
    }
}
