import Glibc
import Testing
import Varve
import VarveFormat

@Suite("Sparse files")
struct SparseCaptureTests {
    private func sparse(_ path: String, size: Int, data: [(offset: Int, count: Int)], fillsHoles: Bool = false) {
        let descriptor = open(path, O_RDWR | O_CLOEXEC | O_CREAT | O_TRUNC, 0o600)
        defer { close(descriptor) }
        if fillsHoles {
            let zeros = [UInt8](repeating: 0, count: 1 << 20)
            var done = 0
            while done < size { done += write(descriptor, zeros, min(zeros.count, size - done)) }
        }
        #expect(ftruncate(descriptor, size) == 0)
        for (offset, count) in data {
            var random = SeededBytes(seed: UInt64(offset))
            #expect(pwrite(descriptor, random.bytes(count), count, offset) == count)
        }
    }

    @Test("holes give the same chunks as zeros that are read", arguments: [
        [(0, 5_000)], [(3_000_000, 100)], [(0, 700_000), (8_000_000, 300_000)], [(65_536, 4_096), (19_999_999, 1)],
        [(1_048_576, 70_000), (1_200_000, 70_000), (12_345_678, 4_000_000)], [],
    ])
    func sameChunks(data: [(offset: Int, count: Int)]) throws {
        let site = try CaptureSite()
        sparse(site.path("holes"), size: 20_000_000, data: data)
        sparse(site.path("zeros"), size: 20_000_000, data: data, fillsHoles: true)
        let report = try site.capture()
        let tree = try site.tree(report)
        #expect(tree["holes"]?.content == tree["zeros"]?.content)
        #expect(tree["holes"]?.isSparse == true && tree["zeros"]?.isSparse == false)
        #expect(report.manifest.bytes.read < 40_000_000)
        try site.expectSameAsSource(report)
    }

    @Test("a hole of terabytes costs neither time nor memory", .timeLimit(.minutes(1)))
    func hugeHole() throws {
        let site = try CaptureSite()
        sparse(site.path("huge"), size: 2 << 40, data: [(1 << 40, 10_000)])
        let report = try site.capture()
        guard case .file(let size, .list)? = try site.tree(report)["huge"]?.content else {
            Issue.record("not a list")
            return
        }
        #expect(size == 2 << 40 && report.manifest.bytes.read < 100_000_000)
        #expect(report.manifest.bytes.added < 100_000_000)
        let second = try site.capture(.quick)
        #expect(second.manifest.treeRoot == report.manifest.treeRoot && second.manifest.counts.blobsNew == 0)
    }

    @Test("a hole of terabytes comes back and is compared at once", .timeLimit(.minutes(1)))
    func hugeHoleBack() throws {
        let site = try CaptureSite()
        let data = [(offset: 0, count: 3_000), (offset: 1 << 40 + 5, count: 10_000)]
        sparse(site.path("huge"), size: 2 << 40, data: data)
        let report = try site.capture()
        for overwrite in [Restorer.Overwrite.always, .ifChanged] {
            var options = Restorer.Options()
            options.target = Array((site.scratch.path + "/out").utf8)
            options.subpath = Array(site.source.utf8)
            options.overwrite = overwrite
            let repository = try site.repository()
            let snapshot = try #require(try repository.snapshots().snapshots.first { $0.id == report.snapshotID })
            let restored = try Restorer(
                repository: repository, snapshot: snapshot, options: options, progress: Progress()
            ).run()
            #expect(restored.errors.isEmpty && restored.bytesWritten == (overwrite == .always ? 2 << 40 : 0))
            #expect(restored.filesUnchanged == (overwrite == .always ? 0 : 1))
        }
        let descriptor = open(site.scratch.path + "/out/huge", O_RDONLY | O_CLOEXEC)
        defer { close(descriptor) }
        let stat = try FileStat.of(descriptor)
        #expect(stat.size == 2 << 40 && stat.blocks * 512 < 1 << 20)
        for (offset, count) in data {
            var random = SeededBytes(seed: UInt64(offset))
            var bytes = [UInt8](repeating: 1, count: count + 10)
            let length = pread(descriptor, &bytes, count + 10, offset)
            #expect(length == count + 10 && bytes == random.bytes(count) + [UInt8](repeating: 0, count: 10))
        }
    }

    @Test("runs of a list are its ids, however often a node or an id stands in it")
    func runs() throws {
        let site = try CaptureSite()
        sparse(
            site.path("a"), size: 9 << 30, data: [(0, 5_000_000), (4 << 30, 9_000_000), (9 << 30 - 2_000_000, 1_000)])
        sparse(site.path("b"), size: 6 << 30, data: [])
        let tree = try site.tree(try site.capture())
        let repository = try site.repository()
        let loader = repository.loader(try repository.openIndex(isUsable: nil))
        for name in ["a", "b"] {
            guard case .file(_, let blobs)? = tree[name]?.content, case .list(let root) = blobs else {
                Issue.record("\(name) is not a list")
                continue
            }
            var plain: [BlobID] = []
            var cursor = BlobListCursor(.list, root: root)
            while let id = try cursor.next(loader) { plain.append(id) }
            var expanded: [BlobID] = []
            var runs = 0
            var sequence = BlobSequence(blobs)
            while let run = try sequence.nextRun(loader) {
                expanded += [BlobID](repeating: run.id, count: Int(run.count))
                runs += 1
            }
            #expect(expanded == plain && plain.count > 256)
            #expect(runs < plain.count / 4)
        }
    }
}
