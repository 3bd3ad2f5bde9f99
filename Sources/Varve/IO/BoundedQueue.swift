/// A queue between threads that holds at most `capacity` elements: a fast producer waits for its consumers.
package final class BoundedQueue<Element: Sendable>: Sendable {
    private struct State: Sendable {
        /// nil where an element was handed out, so that it can go at once.
        var elements: [Element?] = []
        var head = 0
        var isClosed = false

        var count: Int { elements.count - head }

        mutating func removeFirst() -> Element? {
            let element = elements[head]
            elements[head] = nil
            head += 1
            if head == elements.count || head >= 1024 {
                elements.removeFirst(head)
                head = 0
            }
            return element
        }
    }

    private let capacity: Int
    private let monitor = Monitor(State())

    package init(capacity: Int) { self.capacity = max(1, capacity) }

    /// Appends an element, waiting while the queue is full. False if the queue is closed: the element is dropped.
    @discardableResult
    package func push(_ element: Element) -> Bool {
        monitor.wait { state in
            if state.isClosed { return false }
            if state.count >= capacity { return nil }
            state.elements.append(element)
            return true
        }
    }

    /// The oldest element, waiting for one; nil once the queue is closed and empty.
    package func pop() -> Element? {
        monitor.wait { state -> Element?? in
            if state.count > 0 { return .some(state.removeFirst()) }
            return state.isClosed ? .some(nil) : nil
        }
    }

    /// No more elements follow; what is queued is still handed out.
    package func close() { monitor.withLock { $0.isClosed = true } }

    /// Drops what is queued and lets nobody wait any more: for failures.
    package func cancel() {
        monitor.withLock { state in
            state.isClosed = true
            state.elements = []
            state.head = 0
        }
    }
}
