import Synchronization
import Varve

/// Reports of captures on several threads.
final class Reports: Sendable {
    private let list = Mutex<[ArchiveReport]>([])
    func add(_ report: ArchiveReport) { list.withLock { $0.append(report) } }
    var all: [ArchiveReport] { list.withLock { $0 } }
}

/// Counts calls on several threads.
final class Counter: Sendable {
    private let count = Atomic(0)
    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
    var value: Int { count.load(ordering: .relaxed) }
}
