import Synchronization
import VarveFormat

/// Checks packs on several threads, a pack at a time on each.
final class PackCrew: Sendable {
    private let reader: PackReader
    private let table: BlobTable
    private let progress: Progress
    private let threads: Int
    private let outcomes = Mutex<[(pack: BlobTable.Pack, outcome: PackChecker.Outcome)]>([])

    init(reader: PackReader, table: BlobTable, progress: Progress, threads: Int) {
        self.reader = reader
        self.table = table
        self.progress = progress
        self.threads = threads
    }

    /// Checks the packs in about the order given.
    ///
    /// - Parameter visit: gets every blob that is whole, on any thread.
    func check(
        _ packs: [BlobTable.Pack], visit: @escaping @Sendable (Int, UnsafeRawBufferPointer) -> Void
    ) throws(StoreError) -> [(pack: BlobTable.Pack, outcome: PackChecker.Outcome)] {
        progress.update { values in
            values.filesTotal = (values.filesTotal ?? 0) + packs.count
            values.bytesTotal = (values.bytesTotal ?? 0) + packs.reduce(0) { $0 + $1.length }
        }
        let (reader, table) = (reader, table)
        try WorkList.run(
            packs.count, threads: threads,
            makeWorker: { () throws(StoreError) in try PackChecker(reader: reader, table: table) }
        ) { [self] (checker, number) throws(StoreError) in
            let pack = packs[number]
            let outcome = try checker.check(pack, in: table, progress: progress, visit: visit)
            outcomes.withLock { $0.append((pack, outcome)) }
            progress.update { values in
                values.filesDone += 1
                values.bytesDone += pack.length
                values.bytesRead += outcome.bytesRead
            }
        }
        return outcomes.withLock { $0 }
    }
}
