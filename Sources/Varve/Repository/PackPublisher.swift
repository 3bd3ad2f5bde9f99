import Synchronization
package import VarveFormat

/// Makes finished packs durable and names them, on a thread of its own, while workers go on (FORMAT.md section 11).
///
/// A pack is made durable, then named; the names are made durable at a commit point. The first error ends the session:
/// it is thrown to everybody who hands over a pack or waits for a commit point from then on.
package final class PackPublisher: Sendable {
    /// Packs that may wait, each with an open descriptor.
    package static let waitingLimit = 16
    /// Blobs in packs that may wait, or one pack: memory holds their directories, and their ids as being stored.
    private static let waitingBlobLimit = 65_536

    private struct State: Sendable {
        var waiting: [FinishedPack] = []
        var waitingBlobs = 0
        var isBusy = false
        var published: [SegmentPack] = []
        var directories: Set<String> = []
        var failure: StoreError?
        var isClosed = false
    }

    private let backend: any Backend
    private let monitor: Monitor<State>
    private let thread: BackgroundThread
    /// Blobs of packs that came since the last commit point.
    private let blobs = BlobCount()

    private final class BlobCount: Sendable { let value = Atomic<Int>(0) }

    /// Starts the thread. The caller must `close` the publisher.
    package init(backend: any Backend) throws(StoreError) {
        self.backend = backend
        let monitor = Monitor(State())
        self.monitor = monitor
        let blobs = blobs
        thread = try BackgroundThread { Self.work(monitor, blobs) }
    }

    /// How many blobs no index file names yet, of packs that are durable.
    package var blobCount: Int { blobs.value.load(ordering: .relaxed) }

    /// Hands over a pack; waits while too many are waiting.
    package func take(_ pack: FinishedPack) throws(StoreError) {
        let failure = monitor.wait { state -> StoreError?? in
            if let failure = state.failure { return .some(failure) }
            if state.isClosed { return .some(StoreError(.failed, "the session has ended")) }
            guard state.waiting.count < Self.waitingLimit,
                state.waiting.isEmpty || state.waitingBlobs < Self.waitingBlobLimit
            else { return nil }
            state.waiting.append(pack)
            state.waitingBlobs += pack.blobCount
            return .some(nil)
        }
        if let failure {
            pack.upload.abandon()
            throw failure
        }
    }

    /// Waits until every pack handed over so far is durable under its name, and returns those that came since the last
    /// commit point: an index file may now name them. Packs handed over meanwhile may be among them.
    package func commitPoint() throws(StoreError) -> [SegmentPack] {
        let (packs, directories) = try monitor.wait { state -> Result<([SegmentPack], Set<String>), StoreError>? in
            if let failure = state.failure { return .failure(failure) }
            guard state.waiting.isEmpty, !state.isBusy else { return nil }
            defer {
                state.published.removeAll()
                state.directories.removeAll()
                blobs.value.store(0, ordering: .relaxed)
            }
            return .success((state.published, state.directories))
        }.get()
        guard !packs.isEmpty else { return [] }
        do throws(StoreError) {
            try backend.syncDirectories(directories.sorted())
        } catch {
            monitor.withLock { $0.failure = $0.failure ?? error }
            throw error
        }
        return packs
    }

    /// Ends the thread and gives up what is still waiting. To be called once, after the last commit point or an error.
    package func close() {
        monitor.withLock { state in
            state.isClosed = true
            Self.giveUp(&state)
        }
        thread.join()
    }

    private static func giveUp(_ state: inout State) {
        for pack in state.waiting { pack.upload.abandon() }
        state.waiting.removeAll()
        state.waitingBlobs = 0
    }

    private static func work(_ monitor: Monitor<State>, _ blobs: BlobCount) {
        while true {
            let next = monitor.wait { state -> FinishedPack?? in
                if !state.waiting.isEmpty {
                    state.isBusy = true
                    let pack = state.waiting.removeFirst()
                    state.waitingBlobs -= pack.blobCount
                    return .some(pack)
                }
                return state.isClosed ? .some(nil) : nil
            }
            guard let pack = next else { return }
            let failure = publish(pack)
            monitor.withLock { state in
                state.isBusy = false
                if let failure {
                    state.failure = state.failure ?? failure
                    giveUp(&state)
                } else {
                    state.published.append(pack.segmentPack)
                    blobs.value.add(pack.blobCount, ordering: .relaxed)
                    state.directories.insert(RepositoryPath.packDirectory(pack.kind, pack.id))
                }
            }
        }
    }

    private static func publish(_ pack: FinishedPack) -> StoreError? {
        do throws(StoreError) {
            try pack.upload.sync(expected: pack.id)
            try pack.upload.publish(as: RepositoryPath.pack(pack.kind, pack.id))
            return nil
        } catch {
            pack.upload.abandon()
            return error
        }
    }
}
