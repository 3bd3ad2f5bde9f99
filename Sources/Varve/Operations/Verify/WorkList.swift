import Synchronization

/// Numbered tasks that threads share out among themselves.
final class WorkList: Sendable {
    private let count: Int
    private let next = Atomic<Int>(0)

    private init(count: Int) { self.count = count }

    private func take() -> Int? {
        let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
        return number < count ? number : nil
    }

    /// Runs the tasks 0 to `count - 1` on up to `threads` threads, each with a worker of its own; a single one is the
    /// caller's. The first error ends all of them, each after its task at hand, and is thrown.
    static func run<Worker>(
        _ count: Int, threads: Int, makeWorker: @escaping @Sendable () throws(StoreError) -> Worker,
        _ body: @escaping @Sendable (Worker, Int) throws(StoreError) -> Void
    ) throws(StoreError) {
        guard count > 0 else { return }
        let list = WorkList(count: count)
        let threads = min(threads, count)
        guard threads > 1 else {
            let worker = try makeWorker()
            while let number = list.take() { try body(worker, number) }
            return
        }
        try Threads.run(threads) { (_) throws(StoreError) in
            do throws(StoreError) {
                let worker = try makeWorker()
                while let number = list.take() { try body(worker, number) }
            } catch {
                list.next.store(count, ordering: .relaxed)
                throw error
            }
        }
    }
}
