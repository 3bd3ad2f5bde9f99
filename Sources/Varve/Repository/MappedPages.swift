import Synchronization

/// Keeps the mapped segments of a large index from filling memory: whoever looks up blobs touches all pages in the end,
/// and the kernel maps those around along with them.
final class MappedPages: Sendable {
    /// A touch may bring so many bytes into memory.
    private static let touchLength = 65_536

    private let limit: Int
    private let touches = Atomic<Int>(0)
    private let length = Atomic<Int>(0)
    private let segments = Mutex<[SegmentMemory]>([])

    /// - Parameter limit: bytes that may stay in memory, about, besides the filters.
    init(limit: Int) { self.limit = limit }

    func add(_ memory: SegmentMemory) {
        guard !memory.isCopied else { return }
        segments.withLock { $0.append(memory) }
        length.add(memory.bytes.count, ordering: .relaxed)
    }

    /// Counts look-ups that went beyond a filter, and lets all pages go now and then: those that are needed come back
    /// from the page cache.
    func count(_ added: Int) {
        guard added > 0, length.load(ordering: .relaxed) > limit else { return }
        let period = limit / Self.touchLength
        let after = touches.wrappingAdd(added, ordering: .relaxed).newValue
        guard after / period != (after - added) / period else { return }
        segments.withLock { segments in
            for memory in segments { memory.release() }
        }
    }
}
