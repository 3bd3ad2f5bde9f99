import Testing
import Varve

@Suite struct ThreadsTests {
    @Test("Every index runs once, at the same time as the others")
    func runsAll() throws {
        let arrived = Monitor<Set<Int>>([])
        try Threads.run(8) { index throws(StoreError) in
            arrived.withLock { _ = $0.insert(index) }
            // Nobody leaves before all have come: this would hang if they ran one after the other.
            arrived.wait { $0.count == 8 ? () : nil }
        }
        #expect(arrived.withLock { $0 } == Set(0..<8))
    }

    @Test("The error that came first is thrown once all have ended")
    func throwsFirstError() throws {
        let turn = Monitor(0)
        let error = #expect(throws: StoreError.self) {
            try Threads.run(3) { index throws(StoreError) in
                turn.wait { $0 == 2 - index ? () : nil }
                defer { turn.withLock { $0 += 1 } }
                if index < 2 { throw StoreError(.failed, "worker \(index)") }
            }
        }
        #expect(error?.message == "worker 1" || error?.message == "worker 0")
        #expect(turn.withLock { $0 } == 3)
    }

    @Test("A stack of a megabyte and more is there to use")
    func stackSize() throws {
        let sum = Monitor(0)
        try Threads.run(1, stackSize: 1) { _ throws(StoreError) in
            let total = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 700 << 10) { buffer in
                buffer.initialize(repeating: 1)
                return buffer.reduce(0) { $0 + Int($1) }
            }
            sum.withLock { $0 = total }
        }
        #expect(sum.withLock { $0 } == 700 << 10)
    }

    @Test("A queue hands every element to exactly one consumer, and holds no more than its capacity")
    func queue() throws {
        let queue = BoundedQueue<Int>(capacity: 3)
        let taken = Monitor<[Int]>([])
        let ahead = Monitor((pushed: 0, popped: 0, most: 0))
        try Threads.run(4) { index throws(StoreError) in
            if index == 0 {
                for element in 0..<5000 {
                    queue.push(element)
                    ahead.withLock { state in
                        state.pushed += 1
                        state.most = max(state.most, state.pushed - state.popped)
                    }
                }
                queue.close()
                return
            }
            while let element = queue.pop() {
                ahead.withLock { $0.popped += 1 }
                taken.withLock { $0.append(element) }
            }
        }
        #expect(taken.withLock { $0 }.sorted() == Array(0..<5000))
        // Three in the queue and one in the hands of each consumer.
        #expect(ahead.withLock { $0.most } <= 3 + 3)
        #expect(!queue.push(1))
        #expect(queue.pop() == nil)
    }

    @Test func `A queue keeps nothing that it handed out`() {
        final class Element: Sendable {}
        let queue = BoundedQueue<Element>(capacity: 8)
        queue.push(Element())
        queue.push(Element())
        weak let handedOut = queue.pop()
        #expect(handedOut == nil)
        #expect(queue.pop() != nil)
    }

    @Test("A cancelled queue frees a producer that waits, and drops what it held")
    func cancelling() throws {
        let queue = BoundedQueue<Int>(capacity: 1)
        queue.push(1)
        try Threads.run(2) { index throws(StoreError) in
            if index == 0 { _ = queue.push(2) } else { queue.cancel() }
        }
        #expect(queue.pop() == nil)
    }
}
