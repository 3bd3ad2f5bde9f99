import Glibc

/// A value that threads share, and wait on until it is as they need it: a mutex and a condition variable.
package final class Monitor<State: Sendable>: Sendable {
    private nonisolated(unsafe) let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private nonisolated(unsafe) let condition: UnsafeMutablePointer<pthread_cond_t>
    /// Touched under the mutex only.
    private nonisolated(unsafe) var state: State

    /// Makes a monitor of a first value.
    package init(_ state: State) {
        self.state = state
        mutex = UnsafeMutablePointer.allocate(capacity: 1)
        condition = UnsafeMutablePointer.allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Reads or changes the value, and wakes those who wait.
    package func run<Result>(_ body: (inout State) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
        return body(&state)
    }

    /// Waits until `attempt` gives a result, trying again after each change by another thread.
    package func wait<Result>(_ attempt: (inout State) -> Result?) -> Result {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
        while true {
            if let result = attempt(&state) { return result }
            pthread_cond_wait(condition, mutex)
        }
    }
}
