import CSys
import Glibc
import Synchronization
import Varve

/// Signals, taken by one thread with sigwait(3) so that no handler runs in the middle of anything.
///
/// The first SIGINT, SIGTERM or SIGHUP asks the running verb to stop and keeps what was saved; a second one ends the
/// process at once, unless it holds something still. SIGUSR1 prints a line of status.
final class Signals: Sendable {
    private struct State {
        var progress: Progress?
        var received: Int32?
        var onStatus: (@Sendable () -> Void)?
        var onStop: (@Sendable () -> Void)?
        /// How many things must be undone before the process may end.
        var holds = 0
        /// Puts the terminal back as it was; set while a password is asked for.
        var restoreTerminal: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())
    private static let handled = [SIGINT, SIGTERM, SIGHUP, SIGUSR1]

    /// Starts the thread; to be called before any other thread starts, which inherits what is blocked here.
    init() {
        sys_ignore_broken_pipes()
        sys_block_signals(Self.handled, Int32(Self.handled.count))
        // Without this thread the signals stay blocked for ever: better to have the default behaviour.
        _ = try? BackgroundThread { [self] in
            while true { take(sys_next_signal(Self.handled, Int32(Self.handled.count))) }
        }
    }

    /// The status that the signal received asks for; nil if there was none.
    var status: ExitStatus? {
        switch state.withLock({ $0.received }) {
        case nil: nil
        case SIGINT: .interrupted
        default: .terminated
        }
    }

    /// Connects the signals with a running verb.
    func connect(
        _ progress: Progress, onStatus: @escaping @Sendable () -> Void, onStop: (@Sendable () -> Void)? = nil
    ) {
        let isLate = state.withLock { state in
            state.progress = progress
            state.onStatus = onStatus
            state.onStop = onStop
            return state.received != nil
        }
        if isLate {
            progress.cancel()
            onStop?()
        }
    }

    /// While something must be undone before the process may end, a second signal does not end it.
    func hold(_ isHeld: Bool) { state.withLock { $0.holds += isHeld ? 1 : -1 } }

    /// While a terminal does not echo: a signal restores it and ends the process.
    func setRestore(_ restore: (@Sendable () -> Void)?) { state.withLock { $0.restoreTerminal = restore } }

    private func take(_ signal: Int32) {
        if signal == SIGUSR1 {
            state.withLock { $0.onStatus }?()
            return
        }
        let (isSecond, snapshot) = state.withLock { state in
            let isSecond = state.received != nil
            if state.received == nil { state.received = signal }
            return (isSecond, state)
        }
        snapshot.restoreTerminal?()
        guard !isSecond || snapshot.holds > 0, snapshot.restoreTerminal == nil, let progress = snapshot.progress else {
            _exit(signal == SIGINT ? ExitStatus.interrupted.code : ExitStatus.terminated.code)
        }
        progress.cancel()
        snapshot.onStop?()
    }
}
