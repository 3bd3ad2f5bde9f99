import Testing
import Varve
import VarveFormat

@Suite("Repository")
struct RepositoryTests {
    private func code(_ body: () throws -> Void) -> StoreError.Code? {
        do { try body() } catch { return (error as? StoreError)?.code }
        return nil
    }

    private func make() throws -> MemoryBackend {
        let backend = MemoryBackend()
        _ = try Repository.create(on: backend, options: .init(), openOptions: .init())
        return backend
    }

    @Test("a new repository has the documented directories and opens")
    func create() throws {
        let backend = try make()
        let names = try backend.list("").map(\.name)
        #expect(
            names == ["condemned", "config", "index", "keys", "manifests", "packs", "records", "sessions"])
        #expect(try backend.list("packs/data").count == 256 && backend.list("packs/tree").count == 256)
        let repository = try Repository.open(on: backend, options: .init())
        #expect(repository.warnings.isEmpty)
        #expect(try repository.snapshots().snapshots.isEmpty && repository.snapshots().nextSequence == 1)
    }

    @Test("a place that holds something is not made a repository, and one that holds none is not opened")
    func places() throws {
        let backend = try make()
        #expect(code { _ = try Repository.create(on: backend, options: .init(), openOptions: .init()) } == .exists)
        let scratch = try ScratchDirectory()
        #expect(code { _ = try Repository.open(at: scratch.path, options: .init()) } == .noRepository)
        #expect(code { _ = try Repository.open(at: scratch.path + "/absent", options: .init()) } == .noRepository)
        try scratch.file("f", "x")
        #expect(code { _ = try Repository.create(at: scratch.path, options: .init(), openOptions: .init()) } == .exists)
    }

    @Test("sizes that the format does not allow are refused before anything is made")
    func sizes() throws {
        let backend = MemoryBackend()
        var options = Repository.CreateOptions()
        options.packBytes = 1_000
        #expect(code { _ = try Repository.create(on: backend, options: options, openOptions: .init()) } == .usage)
        options.packBytes = nil
        options.fileChunkAverage = 100_000
        #expect(code { _ = try Repository.create(on: backend, options: options, openOptions: .init()) } == .usage)
        #expect(code { _ = try Repository.open(on: backend, options: .init()) } == .noRepository)
    }

    @Test("a config that is damaged or gone is replaced by its copy, with a warning")
    func configCopy() throws {
        let backend = try make()
        let original = try backend.read("config", limit: 4_096)
        for index in stride(from: 0, to: original.count, by: 7) {
            var bytes = original
            bytes[index] ^= 0x04
            try backend.remove("config")
            try backend.putIfAbsent("config", bytes, session: nil)
            let repository = try Repository.open(on: backend, options: .init())
            #expect(repository.configBytes == original && repository.warnings.count == 1, "byte \(index)")
        }
        try backend.remove("config")
        #expect(try Repository.open(on: backend, options: .init()).warnings.count == 1)
        for slot in try backend.list("keys") { try backend.remove("keys/" + slot.name) }
        #expect(code { _ = try Repository.open(on: backend, options: .init()) } == .noRepository)
    }
}
