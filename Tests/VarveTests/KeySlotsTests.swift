import Testing
import Varve
import VarveFormat

@Suite("KeySlots")
struct KeySlotsTests {
    private static func secret(_ bytes: some Sequence<UInt8>) -> SecretBytes {
        var bytes = Array(bytes)
        return SecretBytes(taking: &bytes)
    }

    private static func key(_ byte: UInt8) -> RepositorySecret { .keyFile(secret(repeatElement(byte, count: 32))) }
    private static func password(_ text: String) -> RepositorySecret { .password(secret(text.utf8)) }

    private func make(_ secret: RepositorySecret?) throws -> MemoryBackend {
        let backend = MemoryBackend()
        var options = Repository.CreateOptions()
        options.secret = secret
        options.label = "first"
        _ = try Repository.create(on: backend, options: options, openOptions: .init())
        return backend
    }

    private func open(_ backend: MemoryBackend, _ secrets: RepositorySecret...) throws -> Repository {
        var options = Repository.OpenOptions()
        options.secrets = secrets
        return try Repository.open(on: backend, options: options)
    }

    private func code(_ body: () throws -> Void) -> StoreError.Code? {
        do { try body() } catch { return (error as? StoreError)?.code }
        return nil
    }

    private func replace(_ backend: MemoryBackend, _ name: String, _ change: (inout [UInt8]) -> Void) throws {
        var bytes = try backend.read("keys/" + name, limit: 8_192)
        change(&bytes)
        try backend.remove("keys/" + name)
        try backend.putIfAbsent("keys/" + name, bytes, session: nil)
    }

    @Test("a key file opens its repository, and nothing else does")
    func keyFile() throws {
        let backend = try make(Self.key(1))
        let repository = try open(backend, Self.key(2), Self.key(1))
        #expect(repository.isEncrypted && repository.warnings.isEmpty)
        #expect(code { _ = try open(backend, Self.key(2)) } == .wrongKey)
        #expect(code { _ = try open(backend, Self.password("1")) } == .wrongKey)
        #expect(code { _ = try open(backend) } == .wrongKey)
    }

    @Test("slots are added and removed, all passwords share one salt, and the last slot stays")
    func addRemove() throws {
        let backend = try make(Self.password("old"))
        let repository = try open(backend, Self.password("old"))
        let existing = [Self.password("old")]
        let added = try repository.addKey(Self.password("new"), existing: existing, label: "two", timeMade: 7)
        _ = try repository.addKey(Self.key(3), existing: existing, label: "three", timeMade: 8)
        let stranger = [Self.key(5)]
        let refused = code {
            _ = try repository.addKey(Self.key(4), existing: stranger, label: "", timeMade: 0)
        }
        #expect(refused == .wrongKey)
        let records = try KeySlots.read(from: backend).compactMap(\.record)
        let salts = records.filter { $0.kind == .password }.map(\.scryptSalt)
        #expect(salts.count == 2 && Set(salts).count == 1)
        #expect(try repository.keySlots().map(\.label).sorted() == ["first", "three", "two"])
        #expect(try KeySlots.opened(in: repository, by: [Self.password("new")]) == added)
        _ = try open(backend, Self.key(3))
        for slot in try repository.keySlots() where slot.id != added { try repository.removeKey(slot.id) }
        #expect(code { try repository.removeKey(added) } == .refused)
        #expect(code { try repository.removeKey(FileID(1, 2, 3, 4)) } == .notFound)
        #expect(code { _ = try open(backend, Self.password("old")) } == .wrongKey)
        _ = try open(backend, Self.password("new"))
    }

    @Test("any flipped bit of a slot is told as damage; one in a copy does no harm")
    func damage() throws {
        let backend = try make(Self.key(1))
        let name = try #require(try backend.list("keys").first).name
        let original = try backend.read("keys/" + name, limit: 8_192)
        var opened = 0
        for bit in stride(from: 0, to: original.count * 8, by: 5) {
            try replace(backend, name) { bytes in
                bytes = original
                bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            }
            let failure = code {
                let repository = try open(backend, Self.key(1))
                #expect(!repository.warnings.isEmpty, "bit \(bit)")
                opened += 1
            }
            #expect(failure == nil || failure == .damaged, "bit \(bit)")
        }
        #expect(opened > 0)
        // Both copies of the record.
        try replace(backend, name) { bytes in
            bytes = original
            for index in bytes.indices { bytes[index] ^= 0x10 }
        }
        #expect(code { _ = try open(backend, Self.key(1)) } == .damaged)
        try backend.remove("keys/" + name)
        #expect(code { _ = try open(backend, Self.key(1)) } == .damaged)
    }

    @Test("a secret for an unencrypted repository is refused")
    func unencrypted() throws {
        let backend = try make(nil)
        #expect(try !open(backend).isEncrypted)
        #expect(code { _ = try open(backend, Self.key(1)) } == .refused)
        let repository = try open(backend)
        #expect(code { _ = try repository.addKey(Self.key(1), existing: [], label: "", timeMade: 0) } == .usage)
    }
}
