import Glibc
import Testing
import Varve
import VarveFormat

@Suite("Sparse files")
struct SparseCaptureTests {
    private func sparse(_ path: String, size: Int, data: [(offset: Int, count: Int)], fillsHoles: Bool = false) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
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
}
