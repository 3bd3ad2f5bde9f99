import Glibc

/// A thread of our own. It is joined once, by whoever started it.
package final class BackgroundThread: Sendable {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private let thread: pthread_t

    /// Starts a thread that runs `body`.
    ///
    /// - Throws: `failed` if the system has no more threads.
    package init(_ body: @escaping @Sendable () -> Void) throws(StoreError) {
        let box = Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, box.toOpaque())
        guard status == 0 else {
            box.release()
            throw StoreError(.failed, "no thread could be started", errno: status)
        }
        self.thread = thread
    }

    /// Waits until the thread's body has returned. To be called exactly once.
    package func join() { pthread_join(thread, nil) }
}
