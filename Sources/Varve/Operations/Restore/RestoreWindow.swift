import VarveFormat

/// A bounded part of a restore's plan: which blobs go where, gathered by frame, so that each frame is decoded once for
/// all files of the window.
struct RestoreWindow {
    private struct FrameKey: Hashable {
        let pack: PackID
        let number: Int
    }

    private struct Frame {
        var content: FrameUses
        /// Of the pack of the anchor.
        let packOrder: Int
        /// The frame itself, or the base of a delta frame: frames with one anchor are one task.
        let anchor: FrameBase
        var isDelta: Bool { content.location.base != nil }
    }

    /// Files and uses after which a window is handed to the workers.
    private static let fileLimit = 16_384
    private static let useLimit = 131_072
    private static let looseLimit = 256
    /// The first window is this share of a full one, so that the workers need not wait long for it; the following ones
    /// grow.
    private static let firstShare = 16
    /// Plaintext of frames that are one task: enough blobs for all lanes of the hash where each frame holds one.
    private static let taskLength = 6 << 20

    private let run: RestoreRun
    private var frames: [Frame] = []
    private var frameNumbers: [FrameKey: Int] = [:]
    private var packOrders: [PackID: Int] = [:]
    private var loose: [LooseEntry] = []
    private var fileCount = 0
    private var useCount = 0
    private var share = Self.firstShare

    init(_ run: RestoreRun) { self.run = run }

    mutating func add(_ entry: LooseEntry) {
        loose.append(entry)
        if loose.count >= Self.looseLimit { flushLoose() }
    }

    /// Plans the content of a file that is not empty.
    ///
    /// - Throws: why the content cannot be read; the file is still to be released by the caller.
    mutating func add(_ file: RestoreFile, _ blobs: FileContent, size: UInt64) throws(StoreError) {
        var sequence = BlobSequence(blobs)
        var offset: UInt64 = 0
        var last: FrameLocation?
        while let blobs = try sequence.nextRun(run.content.loader) {
            let location = try run.content.location(of: blobs.id, preferred: last)
            last = location.frame
            let (length, isLong) = UInt64(location.length).multipliedReportingOverflow(by: blobs.count)
            guard !isLong, length <= size - offset else { throw Self.wrongSize }
            add(
                BlobUse(
                    id: blobs.id, offset: Int32(truncatingIfNeeded: location.offset),
                    length: Int32(truncatingIfNeeded: location.length), fileOffset: offset, count: blobs.count,
                    file: file),
                location.frame)
            offset += length
            if useCount >= Self.useLimit / share { flush() }
        }
        guard offset == size else { throw Self.wrongSize }
        fileCount += 1
    }

    var isFull: Bool { fileCount >= Self.fileLimit / share || useCount >= Self.useLimit / share }

    private static var wrongSize: StoreError {
        StoreError(.damaged, "the blobs of the file have another length than the file")
    }

    private mutating func add(_ use: BlobUse, _ location: FrameLocation) {
        let key = FrameKey(pack: location.pack, number: location.number)
        let number: Int
        if let known = frameNumbers[key] {
            number = known
        } else {
            let anchor = location.base ?? FrameBase(pack: location.pack, number: location.number)
            let order = packOrders[anchor.pack] ?? packOrders.count
            packOrders[anchor.pack] = order
            number = frames.count
            frameNumbers[key] = number
            frames.append(Frame(content: FrameUses(location: location), packOrder: order, anchor: anchor))
        }
        // One file is planned at a time, so that the uses of each in a frame follow one another.
        if frames[number].content.uses.last?.file !== use.file { use.file.parts.withLock { $0.remaining += 1 } }
        frames[number].content.uses.append(use)
        useCount += 1
    }

    private mutating func flushLoose() {
        guard !loose.isEmpty else { return }
        run.push(.loose(loose))
        loose.removeAll(keepingCapacity: true)
    }

    /// Hands everything to the workers, pack by pack and frame by frame. Waits while they have enough to do.
    mutating func flush() {
        flushLoose()
        frames.sort {
            ($0.packOrder, $0.anchor.number, $0.isDelta ? 1 : 0, $0.content.location.pack, $0.content.location.number)
                < ($1.packOrder, $1.anchor.number, $1.isDelta ? 1 : 0, $1.content.location.pack,
                    $1.content.location.number)
        }
        var chain: [FrameUses] = []
        var batch: [FrameUses] = []
        var length = 0
        for (number, frame) in frames.enumerated() {
            chain.append(frame.content)
            let isLast = number + 1 == frames.count || frames[number + 1].anchor != frame.anchor
            guard isLast else { continue }
            if chain.count > 1 || frame.isDelta {
                run.push(.chain(chain))
            } else {
                batch += chain
                length += frame.content.location.rawLength
                if length >= Self.taskLength {
                    run.push(.frames(batch))
                    (batch, length) = ([], 0)
                }
            }
            chain.removeAll()
        }
        if !batch.isEmpty { run.push(.frames(batch)) }
        frames.removeAll(keepingCapacity: true)
        frameNumbers.removeAll(keepingCapacity: true)
        packOrders.removeAll(keepingCapacity: true)
        fileCount = 0
        useCount = 0
        share = max(1, share / 4)
    }
}
