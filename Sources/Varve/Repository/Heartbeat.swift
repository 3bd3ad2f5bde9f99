/// A thread that calls a function at a fixed interval until it is stopped.
final class Heartbeat: Sendable {
    private let isStopped = Monitor(false)
    private let thread: BackgroundThread

    /// Starts the thread; the first call comes one interval (in seconds) from now, with 1, then 2, ...
    init(every interval: Int, _ beat: @escaping @Sendable (UInt64) -> Void) throws(StoreError) {
        let isStopped = isStopped
        thread = try BackgroundThread {
            var count: UInt64 = 0
            while isStopped.wait(seconds: interval, { $0 ? true : nil }) == nil {
                count += 1
                beat(count)
            }
        }
    }

    /// Stops the thread and waits for it.
    func stop() {
        isStopped.withLock { $0 = true }
        thread.join()
    }
}
