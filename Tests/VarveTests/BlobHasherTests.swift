import Glibc
import Testing
import Varve
import VarveFormat

@Suite("BlobHasher")
struct BlobHasherTests {
    private static let key = (0..<32).map { UInt8($0) }

    private func hasher(_ path: VectorPath) throws -> BlobHasher {
        try #require(
            BlobHasher(
                data: Self.key, list: Self.key.reversed(), tree: [UInt8](repeating: 7, count: 32),
                treeList: [UInt8](repeating: 9, count: 32), path: path))
    }

    private func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0 % 251) } }

    /// Those of this processor. VectorPathTests reports the others as skipped.
    private static let paths = VectorPath.allCases.filter(\.isPresent)

    /// The ids of slices of one memory, all in one batch.
    private func batch(_ hasher: BlobHasher, _ type: BlobType, _ memory: [UInt8], _ slices: [Range<Int>]) -> [BlobID] {
        var ids: [BlobID] = []
        memory.withUnsafeBytes { memory in
            hasher.ids(type, slices.map { UnsafeRawBufferPointer(rebasing: memory[$0]) }, into: &ids)
        }
        return ids
    }

    @Test("BLAKE2b-256 of \"abc\" without a key is the known answer")
    func unkeyed() {
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        let id = Array("abc".utf8).withUnsafeBytes { BlobHasher.id(key: none, $0) }
        #expect(id.hex == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319")
    }

    @Test(
        "Keyed digests are those of an independent implementation",
        arguments: [
            (0, "4e51e7a913fc80137da52880fecca175bf81e117d5c68126dc2774033517ea0d"),
            (1, "41ff93a4eaeebd3b78a93438a6f62a92ab5959c859e682b72c7def406197ca4d"),
            (127, "12879e69734944f25f9ed95cbfdbb3659a307e485ed8ec118ce7c60f107357f1"),
            (128, "138893f1631ef3165629515d6ed800da3771b7926dced294205c7507351deebc"),
            (129, "ca60f75cbb714330c046d8f28b4ed351a3ee81776bb02a96abb646fe573e3d5c"),
            (255, "5de94a8a1a2649b337aadbf67a17cc7f3ff63d6c70b84179a3db0614a1cab865"),
            (256, "da3bcd809850732f09afb9c749da4fc019f47d0ea35a28282f482ef5ffd91378"),
            (1000, "bf9c0d3a2590251349ad634ad07f03958d0be63d5f9533daf62752de734b2c76"),
            (65_537, "0a4f65409eed8a06efd3856be83fe7d1928e3d14a779516d22dcd97c478e8df1"),
        ])
    func keyed(count: Int, digest: String) throws {
        let message = pattern(count)
        #expect(try hasher(.libb2).id(.data, message).hex == digest)
        for path in Self.paths {
            #expect(batch(try hasher(path), .data, message, [0..<count, 0..<count]).map(\.hex) == [digest, digest])
        }
    }

    @Test("The lanes give the digests of libb2 for every length up to 300", arguments: BlobType.allCases)
    func lengths(type: BlobType) throws {
        let memory = pattern(600)
        let slices = (0...300).map { $0..<2 * $0 }
        let plain = try hasher(.libb2)
        let expected = slices.map { plain.id(type, Array(memory[$0])) }
        for path in Self.paths { #expect(batch(try hasher(path), type, memory, slices) == expected) }
    }

    @Test("The lanes give the digests of libb2 for any mix of lengths", arguments: 0..<40 as Range<UInt64>)
    func mixes(seed: UInt64) throws {
        var random = SeededBytes(seed: seed)
        let memory = random.bytes(60_000)
        let longest = [130, 1000, 60_000][Int(seed % 3)]
        let slices = (0..<random.below(25)).map { _ in
            let count = random.below(longest)
            let start = random.below(memory.count - count + 1)
            return start..<start + count
        }
        let plain = try hasher(.libb2)
        let expected = slices.map { plain.id(.tree, Array(memory[$0])) }
        for path in Self.paths { #expect(batch(try hasher(path), .tree, memory, slices) == expected, "seed \(seed)") }
    }

    @Test("No lane reads behind the end of its message")
    func bounds() throws {
        let page = sysconf(Int32(_SC_PAGESIZE))
        let memory = try #require(
            mmap(nil, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        defer { munmap(memory, 2 * page) }
        #expect(mprotect(memory + page, page, PROT_NONE) == 0)
        let messages = [1, 127, 128, 129, 130, 256, 257, 1000, 4096].map { count in
            UnsafeRawBufferPointer(start: memory + page - count, count: count)
        }
        let plain = try hasher(.libb2)
        for path in Self.paths {
            var ids: [BlobID] = []
            try hasher(path).ids(.data, messages, into: &ids)
            #expect(ids == messages.map { plain.id(.data, $0) })
        }
    }

    @Test("The same bytes have another id under each type")
    func types() throws {
        let hasher = try hasher(.best)
        #expect(Set(BlobType.allCases.map { hasher.id($0, [1, 2, 3]) }).count == 4)
    }

    @Test("A batch replaces what the result held before")
    func replaces() throws {
        var ids = [BlobID(1, 2, 3, 4)]
        try hasher(.best).ids(.data, [], into: &ids)
        #expect(ids.isEmpty)
    }

    @Test("A key of another length makes no hasher")
    func keyLength() {
        #expect(BlobHasher(data: [1], list: Self.key, tree: Self.key, treeList: Self.key) == nil)
    }
}
