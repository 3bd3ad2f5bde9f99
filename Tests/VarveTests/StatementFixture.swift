import Varve
import VarveFormat

/// A repository in memory whose manifests and records a test writes as it likes, and a directory for what machines
/// remember.
final class StatementFixture {
    let backend = MemoryBackend()
    let repository: Repository
    let state: TemporaryDirectory

    init() throws {
        state = try TemporaryDirectory()
        repository = try Repository.create(on: backend, options: .init(), openOptions: .init())
    }

    /// The repository as a machine opens it that remembers.
    func remembering() throws -> Repository {
        var options = Repository.OpenOptions()
        options.stateDirectory = state.path
        return try Repository.open(on: backend, options: options)
    }

    func sealed(_ kind: FileKind, _ bytes: [UInt8]) throws -> FileID {
        let sealed = try repository.sealed.seal(kind, bytes)
        let id = SHA256Digest.of(sealed)
        try backend.putIfAbsent(RepositoryPath.file(kind, id), sealed, session: nil)
        return id
    }

    func manifest(
        _ second: Int64, tips: [FileID] = [], sequence: Int = 1, _ change: (inout Manifest) -> Void = { _ in }
    ) throws -> SnapshotID {
        var manifest = Manifest(
            repositoryID: repository.id, host: "h", program: "test", kind: .full, origin: .user, state: .complete,
            time: Timestamp(seconds: second), paths: [Array("/x".utf8)], treeRoot: BlobID(1, 2, 3, 4), tips: tips,
            sequence: sequence)
        change(&manifest)
        return try sealed(.manifest, manifest.encode())
    }

    @discardableResult
    func record(
        _ statement: Statement, _ subjects: [SnapshotID], tips: [FileID], sequence: Int, second: Int64 = 1_000
    ) throws -> FileID {
        let record = Record(
            repositoryID: repository.id, statement, subjects: subjects, time: Timestamp(seconds: second), tips: tips,
            sequence: sequence)
        return try sealed(.record, record.encode())
    }

    func remove(_ id: SnapshotID) throws { try backend.remove(RepositoryPath.file(.manifest, id)) }
}
