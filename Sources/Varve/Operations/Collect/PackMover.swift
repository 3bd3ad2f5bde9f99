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
        let parts = MoveLayout.split(census, plan)
        let order = try LayoutOrder.of(parts.loose, in: live, repository: repository, progress: progress)
        let layouts = [FileKind.dataPack, .treePack].map {
            MoveLayout(census, kind: $0, kept: plan.kept, parts, order: order)
        }
        progress.update { values in
            values.phase = "rewriting"
            values.bytesTotal = layouts.reduce(0) { $0 + $1.rawBytes }
        }
        let rewritten = Set(plan.rewrite)
        let moving = plan.neededBases.filter { rewritten.contains(census.packs[Int(census.frames[$0].pack)].id) }
        let output = try MoveOutput(repository, session, options, places: try MovedBases(census, moving))
        defer { output.close() }
        for (layout, kind) in zip(layouts, [FileKind.dataPack, .treePack]) {
            // Delta frames name the packs of their bases, which have their names only when they are whole.
            if !layout.tasks.isEmpty { try move(layout, layout.tasks, kind, output) }
            if !layout.deltaTasks.isEmpty { try move(layout, layout.deltaTasks, kind, output) }
        }
        return try output.finish()
    }

    private func move(
        _ layout: MoveLayout, _ tasks: [MoveLayout.Task], _ kind: FileKind, _ output: MoveOutput
    ) throws(StoreError) {
        let packs = PackReader(backend: repository.backend, keys: repository.keys, repository: repository.id)
        let assembler = try PackAssembler(output, kind)
        let (options, progress) = (options, progress)
        do throws(StoreError) {
            try WorkList.run(
                tasks.count, threads: repository.threadCount,
                makeWorker: { () throws(StoreError) in
                    try FrameMover(layout, packs: packs, options: options, assembler: assembler)
                }
            ) { (mover, number) throws(StoreError) in
                try progress.check()
                let length = try mover.move(tasks[number])
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
        var places: MovedBases
    }

    let context: PackWriterContext
    private let publisher: PackPublisher
    private let index: IndexWriter
    private let state: Mutex<State>

    init(
        _ repository: Repository, _ session: Session, _ options: CollectOptions, places: MovedBases
    ) throws(StoreError) {
        state = Mutex(State(places: places))
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
            state.places.take(pack)
            state.outcome.byteCount += pack.length
            state.waitingBlobs += blobs
            return state.waitingBlobs > Self.blobLimit
        }
        if isMuch { try publish() }
    }

    /// Where a frame is now that is the base of delta frames; nil if it did not move.
    func place(ofBase frame: Int) -> FrameBase? { state.withLock { $0.places.places[frame] } }

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
