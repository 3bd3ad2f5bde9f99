import ArgumentParser
import CSys
import Glibc
import Varve
import VarveApp
import VarveFormat

struct GuardCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "guard", abstract: "Save, run a command, and offer the way back if it fails.",
        discussion: """
            Makes a snapshot of the paths, or without any of the components of
            varve.toml, tagged guard. Then runs the command behind --, which has the
            terminal to itself. If it fails, or a signal ends it, varve asks whether to
            restore what the snapshot holds; --yes restores without asking, and where
            nobody can be asked, the command that does it is printed. The restore is that
            of varve restore, with a safety snapshot, and varve undo takes it back. What
            the command made anew stays.

            The exit status is that of the command, 128 and the signal that ended it, 127
            if it was not found. If the snapshot cannot be made, or is not complete, the
            command is not run and the status is that of varve backup. Without --json
            standard output is the command's alone.

            Examples:
              varve guard /srv/app -- ./migrate.sh
              varve guard --sqlite app.db --name before_v2 -- ./manage.py migrate
              varve guard --type database --yes -- ./upgrade-schema
            """)

    @OptionGroup var arguments: BackupArguments
    @Argument(parsing: .postTerminator, help: ArgumentHelp("What to run, behind --.", valueName: "command"))
    var command: [String] = []
    @Flag(help: "Run the command even if the snapshot could not take everything.") var allowPartial = false
    @OptionGroup(title: "Global options") var global: GlobalOptions

    static var jsonForm: Output.Form { .jsonLines }
    static var sharesOutput: Bool { true }

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        guard !command.isEmpty else {
            throw StoreError(
                .usage, "no command was given",
                remedy: "it stands behind --, as in: varve guard /srv/app -- ./migrate.sh")
        }
        let words = command.map(ArgumentBytes.bytes)
        let name = words.first.map { $0.suffix(from: ($0.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1) } ?? []
        let backup = context.step("backup")
        let outcome = try arguments.save(input: nil, backup) { options in
            options.tags = arguments.record.sorted(options.tags + ["guard"])
            options.skipsIfUnchanged = false
            // Arguments may be secrets.
            if options.description == nil { options.description = "before " + String(decoding: name, as: UTF8.self) }
        }
        BackupSummary(outcome.report, outcome.verified).show(backup.output)
        backup.output.flush()
        guard let id = outcome.report.snapshotID else {
            context.output.note("the command was not run")
            summarize(nil, nil, wayBack: nil, isRestored: false, context.output)
            return outcome.status
        }
        let allowed: [ExitStatus] = allowPartial ? [.ok, .partial] : [.ok]
        guard allowed.contains(outcome.status) else {
            context.output.warning(
                "the command was not run"
                    + (outcome.status == .partial ? "; leave out what cannot be read, or give --allow-partial" : ""))
            summarize(id, nil, wayBack: nil, isRestored: false, context.output)
            return outcome.status
        }
        if let status = context.signals.status { return status }
        return try run(words, id, context)
    }

    /// Runs the command, and offers the way back.
    private func run(
        _ words: [[UInt8]], _ id: SnapshotID, _ context: Context
    ) throws(StoreError) -> ExitStatus {
        let terminal = Terminal()
        let outcome = try outcome(of: words, context)
        let status = ExitStatus(ofCommand: outcome.status)
        guard outcome != .exited(0) else {
            summarize(id, outcome, wayBack: nil, isRestored: false, context.output)
            return status
        }
        if case .notStarted(let number) = outcome {
            let error = StoreError.system(number, "run the command", path: words[0])
            context.output.error(context.output.safe(error.message), path: words[0])
            summarize(id, outcome, wayBack: nil, isRestored: false, context.output)
            return status
        }
        terminal.restore()
        let wayBack = try WayBack(id, context)
        let isRestored = offer(wayBack, outcome, id, context)
        summarize(id, outcome, wayBack: isRestored ? nil : wayBack, isRestored: isRestored, context.output)
        return status
    }

    private func outcome(
        of words: [[UInt8]], _ context: Context
    ) throws(StoreError) -> ForegroundProcess.Outcome {
        let process = ForegroundProcess(words, output: context.output.isJSON ? 2 : 1)
        context.signals.handOver { signal, fromTerminal in process.send(signal, fromTerminal: fromTerminal) }
        defer { context.signals.takeBack() }
        return try process.run()
    }

    /// Restores if somebody wants that; else says how it is done.
    private func offer(
        _ wayBack: WayBack, _ outcome: ForegroundProcess.Outcome, _ id: SnapshotID, _ context: Context
    ) -> Bool {
        let output = context.output
        let how =
            if case .ended(let signal) = outcome { "was ended by signal \(signal)" } else {
                "ended with status \(outcome.status)"
            }
        output.warning("the command \(how)")
        guard context.settings.answersYes || (isatty(0) == 1 && isatty(2) == 1) else {
            wayBack.show(output)
            return false
        }
        output.note("the state before it is snapshot \(id.hex.prefix(16)):")
        let status = outcome.status
        context.signals.setLeave {
            output.prompt("\n")
            wayBack.show(output)
            return status
        }
        defer { context.signals.setLeave(nil) }
        let step = context.step("restore")
        defer { step.output.flush() }
        do throws(StoreError) {
            let result = try RestoreCommand.whole(id).execute(step)
            if result == .ok || result == .partial { return true }
        } catch {
            output.error(output.safe(error.message), path: error.path)
        }
        wayBack.show(output)
        return false
    }

    private func summarize(
        _ id: SnapshotID?, _ outcome: ForegroundProcess.Outcome?, wayBack: WayBack?, isRestored: Bool, _ output: Output
    ) {
        guard output.isJSON else { return }
        var signal: Int32?
        if case .ended(let number)? = outcome { signal = number }
        output.message(
            "summary",
            [
                "snapshot_id": SnapshotJSON.text(id?.hex),
                "command_status": outcome.map { .integer(Int64($0.status)) } ?? .null,
                "command_signal": signal.map { .integer(Int64($0)) } ?? .null, "restored": .bool(isRestored),
                "restore_command": SnapshotJSON.text(wayBack?.command),
            ])
    }
}

/// The state of the terminal on standard input, which a command that is ended may leave as it liked it.
private struct Terminal {
    private var state: termios?

    init() {
        var found = termios()
        if sys_terminal_state(0, &found) == 0 { state = found }
    }

    func restore() {
        if var state { _ = sys_terminal_restore(0, &state) }
    }
}
