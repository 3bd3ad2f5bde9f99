import CSys
import Glibc
import Synchronization

/// Threads of our own: the engine is synchronous and uses no shared pool.
package enum Threads {
    /// The processors that this process may use.
    package static var processorCount: Int { max(1, Int(sys_processor_count())) }

    /// Runs `body(0)` to `body(count - 1)`, each on a thread of its own, waits for all, and throws the error that came
    /// first. A body that fails does not stop the others: that is for the caller to arrange. Either all run or none.
    package static func run(
        _ count: Int, stackSize: Int = 2 << 20, _ body: @escaping @Sendable (Int) throws(StoreError) -> Void
    ) throws(StoreError) {
        let shared = Shared(gate: Monitor(nil), body: body)
        var threads: [pthread_t] = []
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, max(stackSize, 1 << 20))
        defer { pthread_attr_destroy(&attributes) }
        var result: Int32 = 0
        while threads.count < count, result == 0 {
            var thread = pthread_t()
            let job = Unmanaged.passRetained(Job(index: threads.count, shared: shared))
            result = pthread_create(&thread, &attributes, start, job.toOpaque())
            if result == 0 { threads.append(thread) } else { job.release() }
        }
        shared.gate.withLock { $0 = result == 0 }
        for thread in threads { pthread_join(thread, nil) }
        if result != 0 { throw .system(result, "start a thread") }
        if let error = shared.failure.withLock({ $0 }) { throw error }
    }

    private final class Shared: Sendable {
        /// nil until all threads exist; then whether they shall run.
        let gate: Monitor<Bool?>
        let failure = Mutex<StoreError?>(nil)
        let body: @Sendable (Int) throws(StoreError) -> Void

        init(gate: Monitor<Bool?>, body: @escaping @Sendable (Int) throws(StoreError) -> Void) {
            self.gate = gate
            self.body = body
        }
    }

    private final class Job: Sendable {
        let index: Int
        let shared: Shared

        init(index: Int, shared: Shared) {
            self.index = index
            self.shared = shared
        }

        func run() {
            guard shared.gate.wait({ $0 }) else { return }
            do throws(StoreError) {
                try shared.body(index)
            } catch {
                shared.failure.withLock { if $0 == nil { $0 = error } }
            }
        }
    }

    private static let start: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        if let argument { Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
    }
}
