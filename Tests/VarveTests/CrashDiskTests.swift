import Testing
import Varve

@Suite struct CrashDiskTests {
    private func disk(_ operations: [FileOperation]) -> CrashDisk {
        var disk = CrashDisk()
        for operation in operations {
            let isPossible = disk.apply(operation)
            #expect(isPossible, "\(operation)")
        }
        return disk
    }

    private func found(
        _ operations: [FileOperation], _ data: CrashPolicy.Data, _ names: CrashPolicy.Names, seed: UInt64 = 0
    ) -> [String: [UInt8]?] {
        let contents = disk(operations).afterCrash(CrashPolicy(data: data, names: names, seed: seed)).contents
        return Dictionary(uniqueKeysWithValues: contents.map { ($0.path, $0.bytes) })
    }

    private let directory: [UInt8]? = nil
    private let written: [FileOperation] = [
        .makeDirectory("d"), .syncDirectory(""), .create("d/a", file: 0), .write(file: 0, offset: 0, [1, 2]),
    ]

    @Test("Names and bytes that no sync covered are lost or kept as told")
    func lostAndKept() {
        #expect(found(written, .lost, .lost) == ["d": directory])
        #expect(found(written, .lost, .kept) == ["d": directory, "d/a": []])
        #expect(found(written, .kept, .kept) == ["d": directory, "d/a": [1, 2]])
        #expect(found(written, .zeroFilled, .kept)["d/a"] == [0, 0])
    }

    @Test("A synced file has no name until its directory is synced, and then both are safe")
    func syncs() {
        let synced = written + [.syncData(file: 0)]
        #expect(found(synced, .lost, .lost)["d/a"] == nil)
        #expect(found(synced, .zeroFilled, .kept)["d/a"] == [1, 2])
        #expect(found(synced + [.syncDirectory("d")], .lost, .lost)["d/a"] == [1, 2])
        let changed = synced + [.syncDirectory("d"), .write(file: 0, offset: 1, [7, 8])]
        #expect(found(changed, .lost, .lost)["d/a"] == [1, 2])
        #expect(found(changed, .zeroFilled, .lost)["d/a"] == [1, 0, 0])
    }

    @Test("A rename is one step; the old name may stay when only the new directory was synced")
    func renames() {
        let renamed = written + [.syncData(file: 0), .syncDirectory("d"), .rename("d/a", to: "b")]
        #expect(Set(found(renamed, .lost, .lost).keys) == ["d", "d/a"])
        #expect(Set(found(renamed, .lost, .kept).keys) == ["d", "b"])
        #expect(Set(found(renamed + [.syncDirectory("")], .lost, .lost).keys) == ["d", "d/a", "b"])
        #expect(Set(found(renamed + [.syncDirectory("d")], .lost, .lost).keys) == ["d", "b"])
        #expect(found(renamed + [.syncDirectory("")], .lost, .lost)["b"] == [1, 2])
    }

    @Test("A directory that moved takes its files along, and has one name")
    func directoryRenames() {
        let base = written + [.syncData(file: 0), .syncDirectory("d"), .makeDirectory("e"), .syncDirectory("")]
        let moved = base + [.rename("d", to: "e/d"), .syncDirectory("e")]
        #expect(Set(found(moved, .lost, .lost).keys) == ["e", "e/d", "e/d/a"])
    }

    @Test("Removed names come back unless their directory was synced")
    func removals() {
        let removed = written + [.syncData(file: 0), .syncDirectory("d"), .unlink("d/a"), .removeDirectory("d")]
        #expect(Set(found(removed, .lost, .lost).keys) == ["d", "d/a"])
        #expect(found(removed + [.syncDirectory("")], .lost, .lost).isEmpty)
    }

    @Test("Torn files consist of whole blocks that are right or empty, all lengths occur, and seeds repeat")
    func tearing() {
        let bytes = (0..<2000).map { UInt8($0 / 512 + 1) }
        let operations: [FileOperation] = [
            .create("a", file: 0), .syncDirectory(""), .write(file: 0, offset: 0, Array(bytes[..<700])),
            .write(file: 0, offset: 700, Array(bytes[700...])),
        ]
        var lengths: Set<Int> = []
        for seed in 0..<200 as Range<UInt64> {
            let first = found(operations, .torn(blockSize: 512), .lost, seed: seed)["a"] ?? nil
            #expect(first == found(operations, .torn(blockSize: 512), .lost, seed: seed)["a"] ?? nil)
            let torn = first ?? []
            lengths.insert(torn.count)
            #expect(zip(torn, bytes).allSatisfy { $0 == $1 || $0 == 0 })
        }
        #expect(lengths.isSuperset(of: [0, 512, 700, 1024, 1536, 2000]))
    }

    @Test("Unsynced names arrive in any combination")
    func reordering() {
        let operations = (0..<3).map { FileOperation.create("f\($0)", file: $0) }
        let outcomes = Set((0..<200).map { Set(found(operations, .lost, .reordered, seed: $0).keys) })
        #expect(outcomes.count == 8)
    }

    @Test("Recorded operations give back the tree when all is kept, on a real disk too")
    func materializes() throws {
        let recorder = RecordingFileLayer()
        try recorder.makeDirectory("d")
        let file = try recorder.create("d/a")
        try [UInt8](repeating: 4, count: 9000).withUnsafeBytes { try file.writeAll($0, at: 3) }
        try recorder.rename("d/a", to: "b")
        _ = try recorder.create("d/a")
        let found = disk(recorder.operations).afterCrash(CrashPolicy(data: .kept, names: .kept))
        let directory = try TemporaryDirectory()
        let real = RealFileLayer(directory.path)
        try found.materialize(into: real)
        let backend = LocalBackend(layer: real)
        #expect(try backend.read("b", limit: 10_000) == [0, 0, 0] + Array(repeating: 4, count: 9000))
        #expect(try backend.list("").map(\.name) == ["b", "d"])
        #expect(try backend.list("d").map(\.size) == [0])
    }
}
