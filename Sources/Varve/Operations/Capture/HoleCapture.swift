import VarveFormat

/// Holes of sparse files.
extension ContentWriter {
    /// The chunk that the cutter makes of zeros without end.
    struct ZeroChunk {
        let parameters: ChunkParameters
        let length: Int
        let id: BlobID
    }

    /// Appends the zeros of a hole: the same chunks as if they had been read, at the cost of a few.
    func appendZeros(_ count: UInt64, _ file: Int, _ parameters: ChunkParameters) throws(StoreError) {
        var left = count
        // What is left of the data before the hole, which comes first into a chunk.
        var before = used - uncut
        while left > 0 {
            if before <= 0, UInt64(used - uncut) + left >= UInt64(parameters.maximum) {
                left += UInt64(used - uncut)
                used = uncut
                left -= try appendZeroChunks(left, file, parameters)
                continue
            }
            if arena.count - used < min(Self.readSize, arena.count / 4) { try makeRoom() }
            let step = min(arena.count - used, Self.readSize, Int(clamping: left))
            UnsafeMutableRawBufferPointer(rebasing: arena[used..<used + step])
                .initializeMemory(as: UInt8.self, repeating: 0)
            used += step
            left -= UInt64(step)
            let start = uncut
            if used - uncut >= parameters.maximum { cut(file, parameters, isFinal: false) }
            before -= uncut - start
        }
    }

    /// Appends whole chunks of zeros and returns how many bytes they are.
    private func appendZeroChunks(
        _ count: UInt64, _ file: Int, _ parameters: ChunkParameters
    ) throws(StoreError) -> UInt64 {
        try makeRoom()
        let chunk = try zeroChunk(parameters)
        // The cutter looks `maximum` bytes ahead; what follows a hole must not matter.
        let times = (count - UInt64(parameters.maximum)) / UInt64(chunk.length) + 1
        blobCount += Int64(times)
        pages?.skip(times)
        if let shared {
            shared.parts.append(.repeated(chunk.id, times))
        } else {
            for _ in 0..<times { try append(chunk.id, to: file) }
        }
        return times * UInt64(chunk.length)
    }

    private func zeroChunk(_ parameters: ChunkParameters) throws(StoreError) -> ZeroChunk {
        if let zeros, zeros.parameters == parameters { return zeros }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: parameters.maximum, alignment: 64)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        let all = UnsafeRawBufferPointer(memory)
        let length = chunker.nextCut(in: all, parameters: parameters, isFinal: false) ?? parameters.maximum
        buffers = [UnsafeRawBufferPointer(rebasing: all[..<length])]
        predecessors = []
        try storeBuffers()
        blobCount -= 1
        let chunk = ZeroChunk(parameters: parameters, length: length, id: ids[0])
        zeros = chunk
        return chunk
    }
}
