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
        /// Takes all signals instead; set while another program runs that they are meant for.
        var heir: (@Sendable (_ signal: Int32, _ fromTerminal: Bool) -> Void)?
        /// The end of what the heir takes is not reached yet.
        var isSettling = false
        /// Somebody is being asked something.
        var isAsking = false
        /// What there is to do before the process ends at a question, and its status then.
        var leave: (@Sendable () -> Int32)?
    }

    private let state = Mutex(State())
    private static let handled = [SIGINT, SIGTERM, SIGHUP, SIGUSR1]

    /// Starts the thread; to be called before any other thread starts, which inherits what is blocked here.
    init() {
        sys_ignore_broken_pipes()
        sys_block_signals(Self.handled, Int32(Self.handled.count))
        // Without this thread the signals stay blocked for ever: better to have the default behaviour.
        _ = try? BackgroundThread { [self] in
            while true {
                var fromSystem: Int32 = 0
                let signal = sys_next_signal(Self.handled, Int32(Self.handled.count), &fromSystem)
                take(signal, fromTerminal: fromSystem != 0)
            }
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

    /// While another program runs that signals are meant for, they end or stop nothing here.
    func handOver(_ heir: @escaping @Sendable (_ signal: Int32, _ fromTerminal: Bool) -> Void) {
        state.withLock { $0.heir = heir }
    }

    /// Ends that. The key that ended the program came here too, and may still have to be taken: a signal of our own
    /// stands behind it, because of those that wait the one with the smallest number is taken first.
    func takeBack() {
        state.withLock { $0.isSettling = true }
        _ = kill(getpid(), SIGUSR1)
        // Without the thread that takes signals nobody comes.
        for _ in 0..<5_000 where state.withLock({ $0.isSettling }) { _ = usleep(1_000) }
        state.withLock { $0.heir = nil }
    }

    /// While somebody is asked, who may well answer with Ctrl-C, a signal ends the process at once.
    func asking(_ isAsking: Bool) { state.withLock { $0.isAsking = isAsking } }

    /// What a process that ends at a question does before, and its status; nil for the usual.
    func setLeave(_ leave: (@Sendable () -> Int32)?) { state.withLock { $0.leave = leave } }

    private func take(_ signal: Int32, fromTerminal: Bool) {
        if signal == SIGUSR1 {
            let (isMark, onStatus) = state.withLock { state in
                defer { state.isSettling = false }
                return (state.isSettling, state.onStatus)
            }
            if !isMark { onStatus?() }
            return
        }
        if let heir = state.withLock({ $0.heir }) { return heir(signal, fromTerminal) }
        let (isSecond, snapshot) = state.withLock { state in
            let isSecond = state.received != nil
            if state.received == nil { state.received = signal }
            return (isSecond, state)
        }
        snapshot.restoreTerminal?()
        if snapshot.isAsking, let leave = snapshot.leave { _exit(leave()) }
        guard !isSecond || snapshot.holds > 0, snapshot.restoreTerminal == nil, !snapshot.isAsking,
            let progress = snapshot.progress
        else {
            _exit(signal == SIGINT ? ExitStatus.interrupted.code : ExitStatus.terminated.code)
        }
        progress.cancel()
        snapshot.onStop?()
    }
}
