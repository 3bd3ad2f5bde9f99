import Synchronization
import VarveFormat

/// Marks live blobs, breadth first.
final class LiveMarker: Sendable {
    private struct State {
        var live: BitSet
        /// Places of the trees and lists to read next.
        var next: [UInt32] = []
        var count = 0
        var rawBytes: UInt64 = 0
        /// Some of them.
        var failures: [StoreError] = []
        var failureCount = 0

        mutating func add(_ failure: StoreError) {
            failureCount += 1
            if failures.count < 64 { failures.append(failure) }
        }
    }

    /// The trees and lists of one frame that a level reads.
    private struct Task {
        let frame: Int
        let range: Range<Int>
    }

    private let census: BlobCensus
    private let packs: PackReader
    private let threads: Int
    private let progress: Progress
    /// Positions in present packs that count, in delta frames only where the pack of the base does too.
    private let usable: BitSet
    private let state: Mutex<State>

    init(_ census: BlobCensus, repository: Repository, avoiding avoided: Set<PackID>, progress: Progress) {
        self.census = census
        packs = PackReader(backend: repository.backend, keys: repository.keys, repository: repository.id)
        threads = repository.threadCount
        self.progress = progress
        var usable = BitSet(limit: census.count)
        for pack in census.packs where pack.isPresent && !avoided.contains(pack.id) { usable.insert(pack.positions) }
        let counts = census.packs.map { $0.isPresent && !avoided.contains($0.id) }
        for frame in census.bases.keys where !census.counts(frame: frame, counts) {
            for position in census.positions(inFrame: frame) { usable.remove(position) }
        }
        self.usable = usable
        state = Mutex(State(live: BitSet(limit: census.count)))
    }

    /// Marks everything below the roots; to be called once.
    func mark(_ roots: [BlobID]) throws(StoreError) -> LiveBlobs {
        var found = Found(census)
        for root in roots { found.add(.tree, root) }
        take(&found)
        var isRoot = true
        while true {
            let level = try takeLevel()
            guard !level.isEmpty else { break }
            try read(level, isRoot: isRoot)
            isRoot = false
        }
        let state = state.withLock { state in
            defer { state.live = BitSet(limit: 0) }
            return state
        }
        return LiveBlobs(
            census: census, roots: roots, positions: state.live, count: state.count, rawBytes: state.rawBytes)
    }

    /// The trees and lists of the next level, in the order of packs and frames.
    private func takeLevel() throws(StoreError) -> [Int] {
        let (next, failures, count) = state.withLock { state in
            defer { state.next = [] }
            return (state.next, state.failures, state.failureCount)
        }
        if let first = failures.min(by: { $0.description < $1.description }) {
            let more = count > 1 ? " (and \(count - 1) more such errors)" : ""
            throw StoreError(
                first.code, first.message + more, path: first.path, remedy: "run varve verify", errno: first.errno)
        }
        return next.map { Int($0) }.sorted()
    }

    private func read(_ level: [Int], isRoot: Bool) throws(StoreError) {
        var tasks: [Task] = []
        var start = 0
        while start < level.count {
            let frame = census.frame(ofPosition: level[start])
            let end = census.positions(inFrame: frame).upperBound
            let next = level[start...].firstIndex { $0 >= end } ?? level.count
            tasks.append(Task(frame: frame, range: start..<next))
            start = next
        }
        let list = tasks
        let (census, packs) = (census, packs)
        try WorkList.run(
            list.count, threads: threads,
            makeWorker: { () throws(StoreError) in try PlaceReader(census, packs: packs) }
        ) { [self] (reader, number) throws(StoreError) in
            try progress.check()
            var found = Found(census)
            do throws(StoreError) {
                let task = list[number]
                try reader.read(level[task.range], inFrame: task.frame) { position, blob throws(StoreError) in
                    try parse(position, blob, isRoot: isRoot, &found)
                }
            } catch {
                guard error.isDamage || error.code == .missing else { throw error }
                found.failures.append(error)
            }
            take(&found)
        }
    }

    private func parse(
        _ position: Int, _ blob: UnsafeRawBufferPointer, isRoot: Bool, _ found: inout Found
    ) throws(StoreError) {
        let type = census.table.type(position)
        do throws(FormatError) {
            try BlobReferences.visit(type, blob, isRoot: isRoot) { found.add($0, $1) }
        } catch {
            throw StoreError(
                error.code == .unsupported ? .unsupported : .damaged,
                "the \(census.table.name(position)) cannot be understood: \(error.message)")
        }
    }

    /// What one thread found, before the state takes it in.
    private struct Found {
        let census: BlobCensus
        var positions: [Int] = []
        var failures: [StoreError] = []

        init(_ census: BlobCensus) { self.census = census }

        mutating func add(_ type: BlobType, _ id: BlobID) {
            do throws(StoreError) {
                if let position = try census.table.position(of: id, type) {
                    positions.append(position)
                } else {
                    failures.append(StoreError(.missing, "no pack has the \(type) blob \(id.hex)"))
                }
            } catch { failures.append(error) }
        }
    }

    private func take(_ found: inout Found) {
        let table = census.table
        state.withLock { state in
            for failure in found.failures { state.add(failure) }
            for position in found.positions where state.live.insert(position) {
                state.count += 1
                state.rawBytes += UInt64(table.length(position))
                var place = usable.contains(position) ? position : nil
                var twin = table.next(position)
                while twin != position {
                    state.live.insert(twin)
                    if place == nil, usable.contains(twin) { place = twin }
                    twin = table.next(twin)
                }
                guard let place else {
                    let name = table.name(position)
                    state.add(StoreError(.missing, "no pack that is present and stays has the \(name)"))
                    continue
                }
                if table.type(position) != .data { state.next.append(UInt32(place)) }
            }
        }
    }
}
