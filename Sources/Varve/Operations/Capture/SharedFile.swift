import VarveFormat

/// Long files: one worker reads and cuts, and leaves what it cut to workers that have nothing else to do.
extension ContentWriter {
    /// A long file being read, and the blocks of it in order.
    final class SharedFile {
        enum Part {
            case stored([BlobID])
            case block(ChunkBlock)
            case repeated(BlobID, UInt64)
        }

        let file: Int
        let exchange = BlockExchange()
        var parts: [Part] = []

        init(file: Int) { self.file = file }
    }

    /// Leaves the chunks to a worker that has nothing to do, or stores them if there is none.
    func handOver(_ shared: SharedFile) throws(StoreError) {
        let ranges = chunks.map { $0.start..<$0.start + $0.count }
        let predecessors = pages == nil ? [] : chunks.map(\.predecessor)
        let wanted = shared.exchange.helpersToAskFor(idle: run.stack.idleCount)
        if wanted > 0 { run.stack.push(Array(repeating: .help(shared.exchange), count: wanted)) }
        if shared.exchange.isWanted {
            chunks.removeAll(keepingCapacity: true)
            let block = ChunkBlock(
                owning: replaceArena(count: arena.count, keepsOld: true), chunks: ranges, predecessors: predecessors)
            shared.parts.append(.block(block))
            shared.exchange.leave(block)
        } else {
            shared.parts.append(.stored(try stored(UnsafeRawBufferPointer(arena), ranges, predecessors)))
            chunks.removeAll(keepingCapacity: true)
            moveUncut()
        }
        try takeIn(shared)
    }

    private func stored(_ block: ChunkBlock) throws(StoreError) -> [BlobID] {
        try stored(UnsafeRawBufferPointer(block.memory), block.chunks, block.predecessors)
    }

    private func stored(
        _ memory: UnsafeRawBufferPointer, _ ranges: [Range<Int>], _ predecessors: [BlobID?]
    ) throws(StoreError) -> [BlobID] {
        self.predecessors = predecessors
        buffers = ranges.map { UnsafeRawBufferPointer(rebasing: memory[$0]) }
        try storeBuffers()
        return ids
    }

    /// Appends the ids of the first parts, as far as they are known.
    private func takeIn(_ shared: SharedFile) throws(StoreError) {
        var count = 0
        for part in shared.parts {
            switch part {
            case .stored(let ids):
                for id in ids { try append(id, to: shared.file) }
            case .repeated(let id, let times):
                for _ in 0..<times { try append(id, to: shared.file) }
            case .block(let block):
                guard let ids = block.ids.withLock({ $0 }) else {
                    shared.parts.removeFirst(count)
                    return
                }
                for id in ids { try append(id, to: shared.file) }
            }
            count += 1
        }
        shared.parts.removeAll()
    }

    func finishShared(_ shared: SharedFile) throws(StoreError) {
        if !chunks.isEmpty { try handOver(shared) }
        while let block = shared.exchange.takeBack() {
            let ids = try stored(block)
            block.ids.withLock { $0 = ids }
        }
        try shared.exchange.waitForHelpers()
        try takeIn(shared)
    }

    /// Stores blocks of a file that another worker reads, until that is over.
    func help(_ exchange: BlockExchange) throws(StoreError) {
        while let block = exchange.take() {
            do throws(StoreError) {
                exchange.done(block, try stored(block))
            } catch {
                exchange.failed(error)
                throw error
            }
        }
    }
}
