import Synchronization
import VarveFormat

/// Puts frames that several threads encode into packs of one kind, one behind the other: so that at most one pack ends
/// short.
final class PackAssembler: Sendable {
    /// Used by whoever holds the lock.
    private nonisolated(unsafe) let writer: PackWriter
    private let lock = Mutex(())
    private let output: MoveOutput

    init(_ output: MoveOutput, _ kind: FileKind) throws(StoreError) {
        self.output = output
        writer = try PackWriter(context: output.context, kind: kind) { pack throws(StoreError) in
            try output.take(pack)
        }
    }

    func append(
        _ frame: FrameEncoder.Frame, rawLength: Int, _ blobs: [PackBlob], isMade: Bool
    ) throws(StoreError) {
        try lock.withLock { _ throws(StoreError) in
            try writer.append(frame, rawLength: rawLength, blobs)
        }
        output.count(moved: isMade ? 0 : 1, made: isMade ? 1 : 0)
    }

    func appendDelta(
        _ frame: FrameEncoder.Frame, base: FrameBase, rawLength: Int, _ blobs: [PackBlob], isMade: Bool
    ) throws(StoreError) {
        try lock.withLock { _ throws(StoreError) in
            try writer.appendDelta(frame, base: base, rawLength: rawLength, blobs)
        }
        output.count(moved: isMade ? 0 : 1, made: isMade ? 1 : 0)
    }

    /// Where a frame is now that is the base of delta frames; nil if it did not move.
    func place(ofBase frame: Int) -> FrameBase? { output.place(ofBase: frame) }

    func finish() throws(StoreError) {
        try lock.withLock { _ throws(StoreError) in try writer.flush() }
    }

    func abandon() { lock.withLock { _ in writer.abandon() } }
}

/// Moves frames, from one thread: memory holds the plaintext of one task and one frame.
final class FrameMover {
    private let layout: MoveLayout
    private let census: BlobCensus
    private let reader: PlaceReader
    private let encoder: FrameEncoder
    private let checker: FrameChecker?
    private let assembler: PackAssembler
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    init(
        _ layout: MoveLayout, packs: PackReader, options: CollectOptions, assembler: PackAssembler
    ) throws(StoreError) {
        self.layout = layout
        census = layout.census
        self.assembler = assembler
        reader = try PlaceReader(layout.census, packs: packs)
        encoder = try FrameEncoder(suite: packs.keys.suite, level: options.compressionLevel)
        checker = options.verifiesEncoding ? try FrameChecker(suite: packs.keys.suite) : nil
    }

    deinit { memory.deallocate() }

    /// Does one task and returns the bytes of plaintext in it.
    func move(_ task: MoveLayout.Task) throws(StoreError) -> Int {
        switch task {
        case .made(let frames):
            return try make(frames.map { layout.sequence[layout.made[$0]].map { Int($0) } })
        case .whole(let frame):
            let positions = Array(census.positions(inFrame: frame))
            let isMoved = try reader.readWhole(frame) { encoded, rawLength throws(StoreError) in
                try assembler.append(encoded, rawLength: rawLength, try blobs(positions), isMade: false)
            }
            // Perhaps its blobs are whole elsewhere.
            if !isMoved {
                return try make([positions.filter { layout.bases.contains(frame) || layout.kept.contains($0) }])
            }
            return Int(census.frames[frame].rawLength)
        case .delta(let frame): return try moveDelta(frame)
        }
    }

    /// Moves a delta frame, without its blobs that do not count.
    private func moveDelta(_ frame: Int) throws(StoreError) -> Int {
        let all = Array(census.positions(inFrame: frame))
        let positions = all.filter { layout.kept.contains($0) }
        guard let old = census.baseFrames[frame], let stored = census.bases[frame] else { return try make([positions]) }
        let base = assembler.place(ofBase: old) ?? stored
        if positions.count == all.count {
            let isMoved = try reader.readWhole(frame) { encoded, rawLength throws(StoreError) in
                try assembler.appendDelta(encoded, base: base, rawLength: rawLength, try blobs(all), isMade: false)
            }
            return isMoved ? Int(census.frames[frame].rawLength) : try make([positions])
        }
        guard let bytes = try? reader.readBase(old) else { return try make([positions]) }
        let length = try gatherAnew(positions)
        let raw = UnsafeRawBufferPointer(rebasing: memory[..<length])
        try bytes.withBytes { bytes throws(StoreError) in
            let encoded = try encoder.encodeDelta(raw, base: bytes)
            try checker?.check(encoded, raw, base: bytes)
            try assembler.appendDelta(encoded, base: base, rawLength: length, try blobs(positions), isMade: true)
        }
        return length
    }

    /// Makes frames of these positions.
    private func make(_ frames: [[Int]]) throws(StoreError) -> Int {
        let lengths = frames.map { $0.reduce(0) { $0 + census.table.length($1) } }
        let total = try gatherAnew(frames.flatMap(\.self))
        var start = 0
        for (frame, length) in zip(frames, lengths) {
            let raw = UnsafeRawBufferPointer(rebasing: memory[start..<start + length])
            let encoded = try encoder.encode(raw)
            try checker?.check(encoded, raw)
            try assembler.append(encoded, rawLength: length, try blobs(frame), isMade: true)
            start += length
        }
        return total
    }

    /// Reads blobs into the memory, in the order given, and returns their length.
    private func gatherAnew(_ positions: [Int]) throws(StoreError) -> Int {
        let total = positions.reduce(0) { $0 + census.table.length($1) }
        if memory.count < total {
            memory.deallocate()
            memory = UnsafeMutableRawBufferPointer.allocate(byteCount: total, alignment: 64)
        }
        try gather(positions)
        return total
    }

    /// Reads blobs into the memory, in the order given; each frame that they lie in is decoded once.
    private func gather(_ positions: [Int]) throws(StoreError) {
        var target = 0
        var targets: [(position: Int, target: Int)] = []
        targets.reserveCapacity(positions.count)
        for position in positions {
            targets.append((position, target))
            target += census.table.length(position)
        }
        targets.sort { $0.position < $1.position }
        let sorted = targets.map(\.position)
        var start = 0
        while start < sorted.count {
            let frame = census.frame(ofPosition: sorted[start])
            let end = census.positions(inFrame: frame).upperBound
            let next = sorted[start...].firstIndex { $0 >= end } ?? sorted.count
            try reader.read(sorted[start..<next], inFrame: frame) { position, blob in
                let index = sorted.lowerBound { $0 < position }
                UnsafeMutableRawBufferPointer(rebasing: memory[targets[index].target...]).copyMemory(from: blob)
            }
            start = next
        }
    }

    private func blobs(_ positions: [Int]) throws(StoreError) -> [PackBlob] {
        let table = census.table
        return try positions.map { (position) throws(StoreError) in
            PackBlob(type: table.type(position), id: try table.id(position), length: table.length(position))
        }
    }
}
