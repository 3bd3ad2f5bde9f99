import Synchronization
import VarveFormat

/// Some chunks of one long file, in memory of their own, that any worker may hash and store.
final class ChunkBlock: Sendable {
    // Written before the block is handed over, read by the one worker that takes it, freed with the block.
    nonisolated(unsafe) let memory: UnsafeMutableRawBufferPointer
    let chunks: [Range<Int>]
    /// For each chunk the parent's page in its place; empty if there are none.
    let predecessors: [BlobID?]
    /// The ids of the chunks, once they are stored.
    let ids = Mutex<[BlobID]?>(nil)

    /// Takes the memory over.
    init(owning memory: UnsafeMutableRawBufferPointer, chunks: [Range<Int>], predecessors: [BlobID?]) {
        self.memory = memory
        self.chunks = chunks
        self.predecessors = predecessors
    }

    deinit { memory.deallocate() }
}

/// Where the worker that reads and cuts a long file leaves blocks for workers that have nothing else to do. It never
/// waits for them but at the end of the file, and stores blocks itself while enough are waiting: memory holds a few.
final class BlockExchange: Sendable {
    private static let waitingLimit = 2

    private struct State {
        var waiting: [ChunkBlock] = []
        var running = 0
        /// Helpers asked for that have not come yet, and those at work.
        var helpers = 0
        var error: StoreError?
        var isClosed = false
    }

    private let state = Monitor(State())

    /// How many helpers to ask for more, `idle` workers having nothing to do; they count as asked for.
    func helpersToAskFor(idle: Int) -> Int {
        state.withLock { state in
            let count = max(0, idle - state.helpers)
            state.helpers += count
            return count
        }
    }

    /// Whether a block left here now is taken soon.
    var isWanted: Bool { state.peek { $0.helpers > 0 && $0.waiting.count < Self.waitingLimit } }

    /// Leaves a block.
    func leave(_ block: ChunkBlock) { state.withLock { $0.waiting.append(block) } }

    /// The next block for a helper, which waits for it; nil when the file is over.
    func take() -> ChunkBlock? {
        state.wait { state -> ChunkBlock?? in
            if !state.waiting.isEmpty && !state.isClosed {
                state.running += 1
                return .some(state.waiting.removeFirst())
            }
            return state.isClosed ? .some(nil) : nil
        }
    }

    /// Tells that a block is stored.
    func done(_ block: ChunkBlock, _ ids: [BlobID]) {
        block.ids.withLock { $0 = ids }
        state.withLock { $0.running -= 1 }
    }

    /// Tells that a block could not be stored.
    func failed(_ error: StoreError) {
        state.withLock { state in
            state.running -= 1
            if state.error == nil { state.error = error }
        }
    }

    /// Takes a block back that no helper took; nil if there is none.
    func takeBack() -> ChunkBlock? { state.withLock { $0.waiting.popLast() } }

    /// Waits until every block that was taken is stored.
    func waitForHelpers() throws(StoreError) {
        let error = state.wait { $0.running == 0 || $0.error != nil ? .some($0.error) : nil }
        if let error { throw error }
    }

    /// No more blocks come: helpers go home.
    func close() {
        state.withLock { state in
            state.isClosed = true
            state.waiting = []
        }
    }
}
