/// The tasks of a verb, last in, first out, shared by its workers.
///
/// Last in, first out keeps a walk depth-first, and so the number of open directories small. The work is over when the
/// stack is empty and no worker holds a task, since only a task makes tasks. A worker can stop all others between two
/// tasks, for a checkpoint.
final class WorkStack<Task: Sendable>: Sendable {
    private struct State {
        var tasks: [Task] = []
        /// Tasks that workers hold.
        var running = 0
        var idle = 0
        var error: StoreError?
        /// Set while one worker wants the others to stand still.
        var isPausing = false
        var paused = 0
        /// Counts pauses that are over, so that a paused worker waits for the end of its own.
        var pauseGeneration = 0
    }

    private let state: Monitor<State>

    init() { state = Monitor(State()) }

    /// Adds tasks; the last is taken first.
    func push(_ tasks: [Task]) {
        guard !tasks.isEmpty else { return }
        state.withLock { $0.tasks.append(contentsOf: tasks) }
    }

    /// Workers that wait for a task just now.
    var idleCount: Int { state.peek { $0.idle } }

    /// Stops all work; the first error is the one that `run` throws.
    func fail(_ error: StoreError) {
        state.withLock { state in if state.error == nil { state.error = error } }
    }

    /// The error that stopped the work.
    var error: StoreError? { state.peek { $0.error } }

    private enum Step {
        case task(Task)
        case pause(generation: Int)
        case end
    }

    /// Takes tasks and hands them to `body` until the work is over; each worker thread calls this once. `paused` runs
    /// when another worker asked for a pause, before this one stands still.
    func work(paused: () throws(StoreError) -> Void, _ body: (Task) throws(StoreError) -> Void) {
        while true {
            switch nextStep() {
            case .end:
                return
            case .pause(let generation):
                do { try paused() } catch { fail(error) }
                state.withLock { $0.paused += 1 }
                state.wait { $0.pauseGeneration > generation ? true : nil }
            case .task(let task):
                do { try body(task) } catch { fail(error) }
                state.withLock { $0.running -= 1 }
            }
        }
    }

    private func nextStep() -> Step {
        state.withLock { $0.idle += 1 }
        return state.wait { state in
            let step: Step
            if state.error != nil {
                step = .end
            } else if state.isPausing {
                step = .pause(generation: state.pauseGeneration)
            } else if let task = state.tasks.popLast() {
                state.running += 1
                step = .task(task)
            } else if state.running == 0 {
                step = .end
            } else {
                return nil
            }
            state.idle -= 1
            return step
        }
    }

    /// Runs `body` while every other of `workerCount` workers stands still between two tasks. Called by a worker inside a
    /// task. Does nothing if another worker is pausing already or the work failed.
    func pauseOthers(workerCount: Int, _ body: () throws(StoreError) -> Void) throws(StoreError) {
        let mayPause = state.withLock { state in
            guard !state.isPausing, state.error == nil else { return false }
            state.isPausing = true
            return true
        }
        guard mayPause else { return }
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
