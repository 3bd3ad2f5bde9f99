import CSys
import Glibc
import Synchronization
package import Varve

/// A program in a process group of its own, watched by a thread: what it says is kept for errors, and it is ended with
/// everything that it started when its time is over.
package final class SupervisedProcess: Sendable {
    /// What to run, and how.
    package struct Plan: Sendable {
        /// The program, looked for in PATH, and its arguments.
        package var arguments: [[UInt8]]
        /// Where it starts; nil for where this process is.
        package var directory: [UInt8]?
        /// Variables besides those of this process.
        package var variables: [String: String] = [:]
        /// Seconds; nil for no end.
        package var timeout: Int64?
        /// Seconds between asking it to end and ending it.
        package var patience: Int64 = 5
        /// Its standard input, which stays the caller's; nil for nothing.
        package var input: Int32?
        /// Its standard output, which stays the caller's; nil for what the next one says.
        package var outputTo: Int32?
        /// Its standard output can be read from `output`; otherwise it is kept like its messages.
        package var handsOutOutput = false

        package init(arguments: [[UInt8]]) { self.arguments = arguments }

        /// A line for the shell.
        package init(shell line: String) { arguments = ["/bin/sh", "-c", line].map { Array($0.utf8) } }
    }

    /// How a program ended.
    package enum Outcome: Sendable, Hashable {
        case exited(Int32)
        case ended(signal: Int32)
        case timedOut
        case cancelled
    }

    private struct State {
        var outcome: Outcome?
        var messages: [UInt8] = []
        var isCut = false
        var isCancelled = false
    }

    /// As much of what a program says is kept: the end of it.
    package static let messageLimit = 16 << 10
    /// Never handed on: a hook has no business with it.
    private static let secretVariables = ["VARVE_PASSWORD"]

    /// Where standard output arrives, with `handsOutOutput`; else -1.
    package let output: Int32
    private let process: Int32
    private let plan: Plan
    private let state = Monitor(State())
    /// nil once it was joined.
    private let thread = Mutex<BackgroundThread?>(nil)

    /// Starts a program.
    ///
    /// - Throws: the error of the system if it cannot be started.
    package init(_ plan: Plan) throws(StoreError) {
        guard let program = plan.arguments.first, !plan.arguments.contains(where: { $0.contains(0) }) else {
            throw StoreError(.usage, "there is no command to run")
        }
        self.plan = plan
        let null = try Syscalls.open(Array("/dev/null".utf8), flags: SYS_O_RDONLY)
        defer { _ = sys_close(null) }
        var said: [Int32] = [-1, -1]
        try Syscalls.check(sys_pipe(&said), "make a pipe", nil)
        var written: [Int32] = [-1, -1]
        if plan.handsOutOutput, sys_pipe(&written) < 0 {
            for end in said { _ = sys_close(end) }
            throw StoreError(.failed, "no pipe could be made")
        }
        let input = plan.input ?? null
        let ends = (said[1], plan.outputTo ?? (plan.handsOutOutput ? written[1] : said[1]))
        var started: Int32 = 0
        let result = CStrings.with(plan.arguments) { arguments in
            CStrings.with(Self.environment(plan.variables)) { environment in
                CStrings.with([plan.directory ?? [UInt8(ascii: ".")]]) { directory in
                    sys_spawn_group(arguments, environment, directory[0], input, ends.1, ends.0, &started)
                }
            }
        }
        _ = sys_close(said[1])
        if plan.handsOutOutput { _ = sys_close(written[1]) }
        guard result == 0 else {
            _ = sys_close(said[0])
            if plan.handsOutOutput { _ = sys_close(written[0]) }
            throw StoreError.system(-result, "run the command", path: program)
        }
        output = plan.handsOutOutput ? written[0] : -1
        process = started
        let messages = said[0]
        do throws(StoreError) {
            let watcher = try BackgroundThread { [self] in watch(messages) }
            thread.withLock { $0 = watcher }
        } catch {
            _ = kill(-started, SIGKILL)
            _ = sys_wait(started)
            throw error
        }
    }

    deinit { if output >= 0 { _ = sys_close(output) } }

    /// Whether the program has ended, whatever it left running.
    var hasEnded: Bool { state.peek { $0.outcome != nil } }

    /// Ends the program and everything that it started.
    package func cancel() { state.withLock { $0.isCancelled = true } }

    /// Waits for the end; it is ended once `progress` is cancelled.
    package func wait(_ progress: Progress? = nil) -> Outcome {
        var isCancelled = false
        while let progress, !isCancelled, state.peek({ $0.outcome == nil }) {
            if progress.isCancelled {
                cancel()
                isCancelled = true
            }
            _ = usleep(5_000)
        }
        let outcome = state.wait { $0.outcome }
        thread.withLock { $0.take() }?.join()
        return outcome
    }

    /// The end of what the program said, without spaces around it.
    package var messages: String {
        let (bytes, isCut) = state.withLock { ($0.messages, $0.isCut) }
        let text = String(decoding: bytes, as: UTF8.self)
        let trimmed = text.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed()
        return (isCut ? "... " : "") + String(trimmed)
    }

    // MARK: the thread that watches

    private func watch(_ messages: Int32) {
        let deadline = plan.timeout.map { ContinuousClock.now + .seconds($0) }
        var end: (outcome: Outcome, killAt: ContinuousClock.Instant)?
        var isOpen = true
        var status = -EAGAIN
        while status == -EAGAIN {
            if isOpen { isOpen = take(messages, milliseconds: 20) } else { _ = usleep(5_000) }
            status = sys_wait_now(process)
            let now = ContinuousClock.now
            if let known = end {
                if now >= known.killAt { _ = kill(-process, SIGKILL) }
            } else if state.withLock({ $0.isCancelled }) {
                end = (.cancelled, now + .seconds(plan.patience))
                _ = kill(-process, SIGTERM)
            } else if let deadline, now >= deadline {
                end = (.timedOut, now + .seconds(plan.patience))
                _ = kill(-process, SIGTERM)
            }
        }
        // What it started must not outlive a program that had to be ended.
        if end != nil { _ = kill(-process, SIGKILL) }
        while isOpen, sys_wait_readable(messages, 0) > 0 { isOpen = take(messages, milliseconds: 0) }
        _ = sys_close(messages)
        let outcome = end?.outcome ?? (status >= 256 ? .ended(signal: status - 256) : .exited(status))
        state.withLock { $0.outcome = outcome }
    }

    /// Reads what the program says; false at its end.
    private func take(_ descriptor: Int32, milliseconds: Int32) -> Bool {
        guard sys_wait_readable(descriptor, milliseconds) > 0 else { return true }
        guard let part = try? DescriptorReader.read(descriptor, atMost: 4096), !part.isEmpty else { return false }
        state.withLock { state in
            state.messages += part
            let excess = state.messages.count - Self.messageLimit
            if excess > 0 {
                state.messages.removeFirst(excess)
                state.isCut = true
            }
        }
        return true
    }

    private static func environment(_ variables: [String: String]) -> [[UInt8]] {
        var result: [[UInt8]] = []
        var number: Int32 = 0
        while let pointer = sys_environment(number) {
            let entry = CStrings.bytes(pointer)
            let name = String(decoding: entry.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self)
            if variables[name] == nil, !secretVariables.contains(name) { result.append(entry) }
            number += 1
        }
        return result + variables.map { Array("\($0.key)=\($0.value)".utf8).filter { $0 != 0 } }
    }
}
