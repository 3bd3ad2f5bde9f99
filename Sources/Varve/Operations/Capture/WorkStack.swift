/// The tasks of a verb, last in, first out, shared by its workers.
///
/// Last in, first out keeps a walk depth-first, and so the number of open directories small. The work is over when the
/// stack is empty and no worker holds a task, since only a task makes tasks. A worker can stop all others between two
/// tasks, for a checkpoint.
package final class WorkStack<Task: Sendable>: Sendable {
    private struct State {
        var tasks: [Task] = []
        /// Tasks that workers hold.
        var running = 0
        var idle = 0
        var error: StoreError?
        var isOver = false
        /// Set while one worker wants the others to stand still.
        var isPausing = false
        var paused = 0
        /// Counts pauses that are over, so that a paused worker waits for the end of its own.
        var pauseGeneration = 0
    }

    private let state: Monitor<State>

    package init() { state = Monitor(State()) }

    /// Adds tasks; the last is taken first.
    package func push(_ tasks: [Task]) {
        guard !tasks.isEmpty else { return }
        state.withLock { $0.tasks.append(contentsOf: tasks) }
    }

    /// Workers that wait for a task just now.
    package var idleCount: Int { state.peek { $0.idle } }

    /// Stops all work; the first error is the one that `run` throws.
    package func fail(_ error: StoreError) {
        state.withLock { state in if state.error == nil { state.error = error } }
    }

    /// The error that stopped the work.
    package var error: StoreError? { state.peek { $0.error } }

    private enum Step {
        case task(Task)
        case pause
        case dry
        case end
    }

    /// Takes tasks and hands them to `body` until the work is over; each worker thread calls this once.
    ///
    /// - Parameters:
    ///   - whenDry: called when no task is left; what it returns is done before the work is over.
    ///   - paused: called before this worker stands still because another one asked for a pause.
    ///   - settle: called when this worker has no further task at hand: here it finishes what it put off. The work is
    ///     not over before.
    /// - Throws: never for a failed task, which stops all workers and is found in `error`.
    package func work(
        whenDry: () -> [Task], paused: () throws(StoreError) -> Void, settle: () throws(StoreError) -> Void = {},
        _ body: (Task) throws(StoreError) -> Void
    ) {
        while true {
            switch nextStep() {
            case .end:
                return
            case .pause:
                standStill(paused)
            case .dry:
                let more = whenDry()
                state.withLock { state in
                    state.tasks.append(contentsOf: more)
                    state.running -= 1
                    state.isOver = more.isEmpty
                }
            case .task(let task):
                do throws(StoreError) {
                    try body(task)
                    while let task = taskAtHand() { try body(task) }
                    try settle()
                } catch { fail(error) }
                state.withLock { $0.running -= 1 }
            }
        }
    }

    /// The next task, for a worker that holds one already; nil if it has to look around first.
    private func taskAtHand() -> Task? {
        state.withLock { state in
            if state.error != nil || state.isPausing { return nil }
            return state.tasks.popLast()
        }
    }

    private func nextStep() -> Step {
        state.withLock { $0.idle += 1 }
        return state.wait { state in
            let step: Step
            if state.error != nil || state.isOver {
                step = .end
            } else if state.isPausing {
                step = .pause
            } else if let task = state.tasks.popLast() {
                state.running += 1
                step = .task(task)
            } else if state.running == 0 {
                state.running += 1
                step = .dry
            } else {
                return nil
            }
            state.idle -= 1
            return step
        }
    }

    private func standStill(_ paused: () throws(StoreError) -> Void) {
        let generation = state.peek { $0.pauseGeneration }
        do { try paused() } catch { fail(error) }
        state.withLock { $0.paused += 1 }
        _ = state.wait { $0.pauseGeneration > generation || $0.error != nil ? true : nil }
    }

    /// Runs `body` while every other of `workerCount` workers stands still between two tasks. Called by a worker inside
    /// a task. If another worker is pausing already, this one stands still for it instead.
    package func pauseOthers(
        workerCount: Int, paused: () throws(StoreError) -> Void, _ body: () throws(StoreError) -> Void
    ) throws(StoreError) {
        let mayPause = state.withLock { state in
            guard !state.isPausing else { return false }
            state.isPausing = true
            return true
        }
        guard mayPause else { return standStill(paused) }
        defer {
            state.withLock { state in
                state.isPausing = false
                state.paused = 0
                state.pauseGeneration += 1
            }
        }
        let isReady = state.wait { state -> Bool? in
            if state.error != nil { return false }
            return state.paused == workerCount - 1 ? true : nil
        }
        if isReady { try body() }
    }
}
