import Synchronization
package import VarveFormat

/// Copies the live blobs of the packs that a plan rewrites into new packs.
///
/// Frames that the plan moves as they are, those whose blobs all count and those that may keep a little waste, are
/// opened and sealed anew; the others' blobs are decoded, checked against their ids, laid out in path order and
/// compressed anew. What was copied stays where it is: a crash
/// leaves more than is needed, never less.
package struct PackMover {
    /// What was made.
    package struct Outcome: Sendable {
        package fileprivate(set) var packs: [PackID] = []
        /// Bytes of the new packs.
        package fileprivate(set) var byteCount: UInt64 = 0
        package fileprivate(set) var indexFiles: [FileID] = []
        /// Frames that moved without being compressed anew.
        package fileprivate(set) var framesMoved = 0
        /// Frames that were made of loose blobs.
        package fileprivate(set) var framesMade = 0
    }

    private let repository: Repository
    private let session: Session
    private let live: LiveBlobs
    private let plan: CollectionPlan
    private let options: CollectOptions
    private let progress: Progress

    package init(
        repository: Repository, session: Session, live: LiveBlobs, plan: CollectionPlan, options: CollectOptions,
        progress: Progress
    ) {
        self.repository = repository
        self.session = session
        self.live = live
        self.plan = plan
        self.options = options
        self.progress = progress
    }

    /// Copies. The new packs are durable and named by durable index files when it returns.
    ///
    /// - Throws: `damaged` or `missing` if no place of a blob is whole; `missing` or `sessionLost` if the session was
    ///   ended; `interrupted`; what the storage throws.
    package func run() throws(StoreError) -> Outcome {
        let census = live.census
        let (whole, loose) = MoveLayout.split(census, plan)
        let order = try LayoutOrder.of(loose, in: live, repository: repository, progress: progress)
        let layouts = [FileKind.dataPack, .treePack].map {
            MoveLayout(census, kind: $0, kept: plan.kept, whole: whole, order: order)
        }
        progress.update { values in
            values.phase = "rewriting"
            values.bytesTotal = layouts.reduce(0) { $0 + $1.rawBytes }
        }
        let output = try MoveOutput(repository, session, options)
        defer { output.close() }
        for (layout, kind) in zip(layouts, [FileKind.dataPack, .treePack]) where !layout.tasks.isEmpty {
            try move(layout, kind, output)
        }
        return try output.finish()
    }

    private func move(_ layout: MoveLayout, _ kind: FileKind, _ output: MoveOutput) throws(StoreError) {
        let packs = PackReader(backend: repository.backend, keys: repository.keys, repository: repository.id)
        let assembler = try PackAssembler(output, kind)
        let (options, progress) = (options, progress)
        do throws(StoreError) {
            try WorkList.run(
                layout.tasks.count, threads: repository.threadCount,
                makeWorker: { () throws(StoreError) in
                    try FrameMover(layout, packs: packs, options: options, assembler: assembler)
                }
            ) { (mover, number) throws(StoreError) in
                try progress.check()
                let length = try mover.move(layout.tasks[number])
                progress.update { $0.bytesDone += UInt64(length) }
            }
            try assembler.finish()
        } catch {
            assembler.abandon()
            throw error
        }
    }
}

/// Takes the finished packs of a move, makes them durable, and names them in index files now and then, so that memory
/// does not hold the directories of all.
final class MoveOutput: Sendable {
    /// Blobs of packs that wait for their index file.
    private static let blobLimit = 524_288

    private struct State {
        var outcome = PackMover.Outcome()
        var waitingBlobs = 0
    }

    let context: PackWriterContext
    private let publisher: PackPublisher
    private let index: IndexWriter
    private let state = Mutex(State())

    init(_ repository: Repository, _ session: Session, _ options: CollectOptions) throws(StoreError) {
        context = PackWriterContext(
            backend: repository.backend, session: session.id, keys: repository.keys, repository: repository.id,
            dataPackBytes: repository.config.packBytes, treePackBytes: repository.config.treePackBytes,
            compressionLevel: options.compressionLevel, verifiesFrames: options.verifiesEncoding)
        publisher = try PackPublisher(backend: repository.backend)
        index = IndexWriter(
            backend: repository.backend, session: session.id, keys: repository.keys, repository: repository.id)
    }

    func take(_ pack: FinishedPack) throws(StoreError) {
        let blobs = pack.directory.frames.reduce(0) { $0 + $1.blobs.count }
        try publisher.take(pack)
        let isMuch = state.withLock { state in
            state.outcome.packs.append(pack.id)
            state.outcome.byteCount += pack.length
            state.waitingBlobs += blobs
            return state.waitingBlobs > Self.blobLimit
        }
        if isMuch { try publish() }
    }

    func count(moved: Int, made: Int) {
        state.withLock { state in
            state.outcome.framesMoved += moved
            state.outcome.framesMade += made
        }
    }

    func finish() throws(StoreError) -> PackMover.Outcome {
        try publish()
        return state.withLock { $0.outcome }
    }

    func close() { publisher.close() }

    private func publish() throws(StoreError) {
        let written = try index.publish(try publisher.commitPoint())
        state.withLock { state in
            state.outcome.indexFiles += written.map(\.id)
            state.waitingBlobs = 0
        }
    }
}
