import Synchronization
import Testing
import Varve

@Suite("WorkStack")
struct WorkStackTests {
    /// Runs workers over a stack of numbers, each of which makes two smaller ones.
    private func run(
        _ threads: Int, _ stack: WorkStack<Int>, whenDry: @escaping @Sendable () -> [Int] = { [] },
        _ body: @escaping @Sendable (Int) throws(StoreError) -> Void
    ) throws {
        try Threads.run(threads) { (_) throws(StoreError) in
            stack.work(whenDry: whenDry, paused: {}) { (task) throws(StoreError) in
                try body(task)
                if task > 0 { stack.push([task - 1, task - 1]) }
            }
        }
    }

    @Test("every task is done once, those that tasks make included", arguments: [1, 2, 5])
    func all(_ threads: Int) throws {
        let stack = WorkStack<Int>()
        let counter = Counter()
        stack.push([10])
        try run(threads, stack) { (_) throws(StoreError) in _ = counter.next() }
        #expect(counter.value == 2_047 && stack.error == nil)
    }

    @Test("one worker takes the last task first")
    func order() throws {
        let stack = WorkStack<Int>()
        let order = Mutex<[Int]>([])
        stack.push([0, -1, -2])
        try run(1, stack) { (task) throws(StoreError) in order.withLock { $0.append(task) } }
        #expect(order.withLock { $0 } == [-2, -1, 0])
    }

    @Test("when no task is left, what is made then is done too")
    func dry() throws {
        let stack = WorkStack<Int>()
        let rounds = Counter()
        let counter = Counter()
        stack.push([3])
        try run(3, stack, whenDry: { rounds.next() < 4 ? [2] : [] }) { (_) throws(StoreError) in _ = counter.next() }
        #expect(counter.value == 15 + 3 * 7 && rounds.value == 4)
    }

    @Test("the work is not over before every worker did what it put off", arguments: [1, 4])
    func putOff(_ threads: Int) throws {
        let stack = WorkStack<Int>()
        let counter = Counter()
        stack.push([10])
        try Threads.run(threads) { (_) throws(StoreError) in
            var putOff: [Int] = []
            stack.work(
                whenDry: { [] }, paused: {},
                settle: { () throws(StoreError) in
                    for task in putOff where task > 0 { stack.push([task - 1, task - 1]) }
                    putOff = []
                }
            ) { (task) throws(StoreError) in
                _ = counter.next()
                putOff.append(task)
            }
        }
        #expect(counter.value == 2_047 && stack.error == nil)
    }

    @Test("an error ends all workers and is kept")
    func failure() throws {
        let stack = WorkStack<Int>()
        stack.push([20])
        let counter = Counter()
        try run(4, stack) { (_) throws(StoreError) in
            if counter.next() == 100 { throw StoreError(.noSpace, "full") }
        }
        #expect(stack.error?.code == .noSpace && counter.value < 1 << 20)
    }

    @Test("a pause runs while every other worker stands still, and those that ask meanwhile wait")
    func pause() throws {
        let stack = WorkStack<Int>()
        let counter = Counter()
        let working = Atomic(0)
        let overlaps = Counter()
        let pauses = Counter()
        stack.push([11])
        try run(4, stack) { (_) throws(StoreError) in
            _ = working.add(1, ordering: .relaxed)
            let number = counter.next()
            _ = working.subtract(1, ordering: .relaxed)
            guard number % 50 == 0 else { return }
            try stack.pauseOthers(workerCount: 4, paused: {}) { () throws(StoreError) in
                if working.load(ordering: .relaxed) != 0 { _ = overlaps.next() }
                _ = pauses.next()
            }
        }
        #expect(counter.value == 4_095 && pauses.value > 0 && overlaps.value == 0 && stack.error == nil)
    }
}
