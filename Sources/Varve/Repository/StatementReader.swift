import Synchronization
import VarveFormat

/// Reads all files of one kind, each thread whatever comes next.
final class StatementReader: Sendable {
    struct Result: Sendable {
        var entries: [StatementGraph.Entry] = []
        var sayings: [StatementGraph.Saying] = []
        var unreadable: [SnapshotList.Unreadable] = []
    }

    private let repository: Repository
    private let kind: FileKind
    private let names: [FileID]
    private let next = Atomic<Int>(0)
    private let result = Mutex(Result())

    init(_ repository: Repository, _ kind: FileKind, _ names: [FileID]) {
        self.repository = repository
        self.kind = kind
        self.names = names
    }

    func read() throws(StoreError) -> Result {
        // More than there are processors: a cold file is waited for.
        let threads = min(4 * repository.threadCount, 16, names.count / 32)
        if threads > 1 {
            try Threads.run(threads) { [self] _ throws(StoreError) in try work() }
        } else {
            try work()
        }
        var all = result.withLock { $0 }
        all.entries.sort { $0.id < $1.id }
        all.unreadable.sort { $0.id < $1.id }
        return all
    }

    private func work() throws(StoreError) {
        let opener = try repository.sealed.opener()
        var words = SharedWords()
        var own = Result()
        while true {
            let index = next.add(1, ordering: .relaxed).oldValue
            guard index < names.count else { break }
            let id = names[index]
            do throws(StoreError) {
                let bytes = try opener.read(kind, id, from: repository.backend)
                if kind == .manifest {
                    let manifest = words.sharing(try Manifest(stored: bytes, id, repository.id))
                    own.entries.append(StatementGraph.Entry(id: id, box: Snapshot.Box(manifest)))
                } else {
                    own.sayings.append(
                        StatementGraph.Saying(id: id, record: try Record(stored: bytes, id, repository.id)))
                }
            } catch {
                // Removed since the listing: not damage.
                if error.code == .missing { continue }
                own.unreadable.append(
                    SnapshotList.Unreadable(id: id, directory: RepositoryPath.directory(kind), error: error))
            }
        }
        let found = own
        result.withLock { all in
            all.entries += found.entries
            all.sayings += found.sayings
            all.unreadable += found.unreadable
        }
    }
}

/// Words and paths that most manifests have in common, kept once.
private struct SharedWords {
    private var texts: [String: String] = [:]
    private var lists: [[String]: [String]] = [:]
    private var paths: [[[UInt8]]: [[UInt8]]] = [:]

    mutating func sharing(_ manifest: Manifest) -> Manifest {
        var manifest = manifest
        manifest.host = shared(manifest.host)
        manifest.program = shared(manifest.program)
        manifest.user = manifest.user.map { shared($0) }
        manifest.job = manifest.job.map { shared($0) }
        manifest.description = manifest.description.map { shared($0) }
        if !manifest.tags.isEmpty { manifest.tags = shared(manifest.tags) }
        if !manifest.excludes.isEmpty { manifest.excludes = shared(manifest.excludes) }
        if let known = paths[manifest.paths] {
            manifest.paths = known
        } else {
            paths[manifest.paths] = manifest.paths
        }
        return manifest
    }

    /// A short string lies in the manifest itself.
    private mutating func shared(_ text: String) -> String {
        guard text.utf8.count > 15 else { return text }
        // == takes canonically equivalent strings for the same: only the same bytes may stand for one another.
        if let known = texts[text], known.utf8.elementsEqual(text.utf8) { return known }
        texts[text] = text
        return text
    }

    private mutating func shared(_ list: [String]) -> [String] {
        if let known = lists[list], known.elementsEqual(list, by: { $0.utf8.elementsEqual($1.utf8) }) { return known }
        lists[list] = list
        return list
    }
}

extension Manifest {
    /// Reads the opened bytes of a manifest.
    init(stored bytes: [UInt8], _ id: SnapshotID, _ repository: RepositoryID) throws(StoreError) {
        do throws(FormatError) {
            try self.init(parsing: bytes, repositoryID: repository)
        } catch {
            throw StoreError(
                error.code == .unsupported ? .unsupported : .damaged, "the manifest is refused: \(error.message)",
                path: RepositoryPath.file(.manifest, id))
        }
    }
}

extension Record {
    /// Reads the opened bytes of a record.
    init(stored bytes: [UInt8], _ id: FileID, _ repository: RepositoryID) throws(StoreError) {
        do throws(FormatError) {
            try self.init(parsing: bytes, repositoryID: repository)
        } catch {
            throw StoreError(
                error.code == .unsupported ? .unsupported : .damaged, "the record is refused: \(error.message)",
                path: RepositoryPath.file(.record, id))
        }
    }
}
