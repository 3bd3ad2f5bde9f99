import Synchronization
import VarveFormat

/// The worker threads of a capture and the checkpoints between their tasks.
final class CaptureCrew: Sendable {
    private let run: ArchiveRun
    private let commit: CaptureCommit
    private let context: PackWriterContext
    private let publisher: PackPublisher
    /// For the bases of delta frames.
    private let packs: PackReader
    private let workerCount: Int

    init(run: ArchiveRun, session: Session, publisher: PackPublisher, commit: CaptureCommit) throws(StoreError) {
        self.run = run
        self.commit = commit
        self.publisher = publisher
        packs = PackReader(
            backend: run.repository.backend, keys: run.repository.keys, repository: run.repository.id)
        let config = run.repository.config
        context = PackWriterContext(
            backend: run.repository.backend, session: session.id, keys: run.repository.keys,
            repository: run.repository.id, dataPackBytes: config.packBytes, treePackBytes: config.treePackBytes,
            compressionLevel: run.options.compressionLevel, verifiesFrames: run.options.verifiesEncoding)
        workerCount = run.repository.threadCount
    }

    /// Walks and captures everything, and leaves all packs with the publisher.
    func work() throws(StoreError) {
        if run.options.countsFirst { try SourceCounter.count(run) }
        run.progress.update { $0.phase = "saving" }
        run.stack.push([.directory(commit.rootNode)])
        try Threads.run(workerCount) { [self] (_) throws(StoreError) in
            let worker: ArchiveWorker
            do throws(StoreError) {
                worker = try makeWorker()
            } catch {
                // The others must not wait for this one at a checkpoint.
                run.stack.fail(error)
                throw error
            }
            do throws(StoreError) {
                drive(worker)
                if let error = run.stack.error { throw error }
                try worker.content.finishPacks()
            } catch {
                worker.content.abandonPacks()
                throw error
            }
        }
        run.reportUnreached()
    }

    /// Walks and counts without reading or storing.
    static func look(_ run: ArchiveRun) throws(StoreError) {
        run.progress.update { $0.phase = "scanning" }
        run.stack.push([.directory(run.makeRoot())])
        try Threads.run(run.repository.threadCount) { (_) throws(StoreError) in
            let worker = ArchiveWorker(run: run, content: ContentWriter(run: run, data: nil, tree: nil))
            run.stack.work(
                whenDry: { run.releaseWaiting() }, paused: {},
                settle: { () throws(StoreError) in try worker.settle() }
            ) { (task) throws(StoreError) in
                try worker.perform(task)
            }
        }
        if let error = run.stack.error { throw error }
        run.reportUnreached()
    }

    private func makeWorker() throws(StoreError) -> ArchiveWorker {
        let publisher = publisher
        let data = try PackWriter(context: context, kind: .dataPack) { (pack) throws(StoreError) in
            try publisher.take(pack)
        }
        let tree = try PackWriter(context: context, kind: .treePack) { (pack) throws(StoreError) in
            try publisher.take(pack)
        }
        var deltas: [DeltaWriter] = []
        if run.parentContents != nil {
            for (kind, writer) in [(FileKind.dataPack, data), (.treePack, tree)] {
                deltas.append(
                    DeltaWriter(context: context, kind: kind, index: run.index, packs: packs, writer: writer))
            }
        }
        let commit = commit
        return ArchiveWorker(
            run: run,
            content: ContentWriter(
                run: run, data: data, tree: tree, dataDeltas: deltas.first, treeDeltas: deltas.last,
                whileReading: { () throws(StoreError) in try commit.indexIfDue() }))
    }

    private func drive(_ worker: ArchiveWorker) {
        let run = run
        run.stack.work(
            whenDry: { run.releaseWaiting() },
            paused: { () throws(StoreError) in try worker.content.finishPacks() },
            settle: { () throws(StoreError) in try worker.settle() }
        ) { (task) throws(StoreError) in
            do throws(StoreError) {
                try worker.perform(task)
            } catch where error.code == .interrupted {
                try checkpoint(worker)
                throw error
            }
            try commit.indexIfDue()
            if run.checkpoints.isDue() {
                try checkpoint(worker)
                run.checkpoints.restart()
            }
        }
    }

    /// Stops the other workers between two tasks and commits what is there as an interrupted snapshot.
    private func checkpoint(_ worker: ArchiveWorker) throws(StoreError) {
        // Half a safety snapshot saves nobody.
        if run.options.origin == .safety { return }
        try worker.settle()
        let finishPacks = { () throws(StoreError) -> Void in try worker.content.finishPacks() }
        try run.stack.pauseOthers(workerCount: workerCount, paused: finishPacks) { () throws(StoreError) in
            var partial = PartialTree(worker: worker)
            guard let root = try partial.store(commit.rootNode) else { return }
            try finishPacks()
            try commit.checkpoint(root: root, records: partial.records)
        }
    }
}
