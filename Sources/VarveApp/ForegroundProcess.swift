import CSys
import Glibc
import Synchronization
package import Varve

/// A program that has the terminal while this one waits: it shares standard input and standard error, the environment
/// and the process group. Signals that somebody sends to this process are handed on to it.
package final class ForegroundProcess: Sendable {
    /// How it ended.
    package enum Outcome: Sendable, Hashable {
        case exited(Int32)
        case ended(signal: Int32)
        /// It was not started; the error number of the system.
        case notStarted(Int32)

        /// What a shell says of it.
        package var status: Int32 {
            switch self {
            case .exited(let status): status
            case .ended(let signal): 128 + signal
            case .notStarted(ENOENT): 127
            case .notStarted: 126
            }
        }
    }

    private struct State {
        var process: Int32?
        var hasEnded = false
        /// Signals that came before the program was there.
        var early: [Int32] = []
    }

    private let arguments: [[UInt8]]
    private let output: Int32
    private let state = Mutex(State())

    /// - Parameters:
    ///   - arguments: the program, which is looked for in PATH, and its arguments.
    ///   - output: its standard output.
    package init(_ arguments: [[UInt8]], output: Int32 = 1) {
        self.arguments = arguments
        self.output = output
    }

    /// Hands a signal on. What the terminal sends reaches the program by itself.
    package func send(_ signal: Int32, fromTerminal: Bool) {
        state.withLock { state in
            guard !state.hasEnded else { return }
            if let process = state.process {
                if !fromTerminal { _ = kill(process, signal) }
            } else {
                state.early.append(signal)
            }
        }
    }

    /// Runs the program to its end.
    ///
    /// - Throws: `usage` without one.
    package func run() throws(StoreError) -> Outcome {
        guard !arguments.isEmpty, !arguments.contains(where: { $0.contains(0) }) else {
            throw StoreError(.usage, "there is no command to run")
        }
        // The key that quits the program must not quit this one.
        let ignored = sys_ignore_quit(1)
        defer { _ = sys_ignore_quit(ignored) }
        var started: Int32 = 0
        let result = CStrings.with(arguments) { sys_spawn_beside($0, output, ignored, &started) }
        guard result == 0 else { return .notStarted(-result) }
        let process = started
        state.withLock { state in
            state.process = process
            for signal in state.early { _ = kill(process, signal) }
        }
        sys_wait_end(process)
        // Once it is waited for, its number may be another program's.
        let status = state.withLock { state in
            state.hasEnded = true
            return sys_wait(process)
        }
        return status >= 256 ? .ended(signal: status - 256) : .exited(status)
    }
}
