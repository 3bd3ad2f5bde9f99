import Glibc
import Testing
import Varve
import VarveFormat

/// A repository in memory and a source with one file that looks like a SQLite database and whose pages change.
final class DatabaseFixture {
    static let page = 4_096

    let site: CollectFixture
    private(set) var content: [UInt8]
    /// What each snapshot holds.
    private(set) var states: [SnapshotID: [UInt8]] = [:]
    private var random: SeededBytes
    var path: String { site.source.path + "/app.db" }

    /// - Parameter pages: of 4 KiB each.
    init(_ suite: Suite = .aes256GCM, seed: UInt64, pages: Int = 600) throws {
        site = try CollectFixture(suite, seed: seed)
        random = SeededBytes(seed: seed &+ 100)
        content = Array("SQLite format 3\0".utf8) + [0x10, 0x00]
        content += random.text(pages * Self.page - content.count)
        FileTool.write(path, content)
    }

    func below(_ limit: Int) -> Int { random.below(limit) }

    /// Writes a few bytes of one page in `share`, and `added` pages more.
    func change(_ share: Int, added: Int = 0) {
        for page in 0..<content.count / Self.page where random.below(share) == 0 {
            let start = page * Self.page + 32 + random.below(Self.page - 80)
            content.replaceSubrange(start..<start + 40, with: random.text(40))
        }
        content += random.text(added * Self.page)
        FileTool.write(path, content)
    }

    /// Replaces one of the first pages in `share` by something else, the very first one but for its header.
    func replace(_ share: Int, below limit: Int = .max) {
        content.replaceSubrange(18..<Self.page, with: random.text(Self.page - 18))
        for page in 1..<min(limit, content.count / Self.page) where random.below(share) == 0 {
            let start = page * Self.page
            content.replaceSubrange(start..<start + Self.page, with: random.text(Self.page))
        }
        FileTool.write(path, content)
    }

    /// Makes the file longer by a hole.
    func punch(pages: Int) {
        content += [UInt8](repeating: 0, count: pages * Self.page)
        #expect(truncate(path, content.count) == 0)
    }

    /// Flips a bit of a file of the repository.
    func flip(_ file: String, at offset: Int) throws {
        var bytes = try site.backend.read(file, limit: .max)
        bytes[offset] ^= 1
        try site.backend.replace(file, bytes)
    }

    @discardableResult
    func capture(deltas: Bool = true) throws -> ArchiveReport {
        var options = Archiver.Options()
        options.paths = [Array(site.source.path.utf8)]
        options.host = "host"
        options.checkpointInterval = 0
        options.storesDeltas = deltas
        let report = try Archiver(repository: try site.open(), options: options, progress: Progress()).run()
        let id = try #require(report.snapshotID)
        site.note(id)
        states[id] = content
        return report
    }

    /// What the loader reads of the database of a snapshot.
    func read(_ id: SnapshotID) throws -> [UInt8] {
        let repository = try site.open()
        let snapshot = try #require(try repository.snapshots().snapshots.first { $0.id == id })
        var bytes: [UInt8] = []
        try SnapshotReader(repository: repository, snapshot: snapshot).readFile(Array(path.utf8)) { piece in
            bytes += Array(piece)
        }
        return bytes
    }

    /// Restores a snapshot and returns the database.
    func restore(_ id: SnapshotID) throws -> (content: [UInt8], report: RestoreReport) {
        let directory = try TemporaryDirectory()
        let repository = try site.open()
        let snapshot = try #require(try repository.snapshots().snapshots.first { $0.id == id })
        var options = Restorer.Options()
        options.target = Array((directory.path + "/out").utf8)
        let report = try Restorer(repository: repository, snapshot: snapshot, options: options, progress: Progress())
            .run()
        return (FileTool.read(directory.path + "/out" + path), report)
    }

    /// Fails unless each of these snapshots reads and restores as it was captured.
    func expectWhole(_ ids: [SnapshotID], _ comment: Comment? = nil) throws {
        for id in ids {
            #expect(try read(id) == states[id], comment)
            let (content, report) = try restore(id)
            #expect(content == states[id] && report.errors.isEmpty, comment)
        }
    }

    func delete(_ id: SnapshotID) throws {
        try SnapshotEditor(repository: try site.open()).delete([id], reason: "delete", includesSafety: false)
    }

    func verify() throws -> (report: VerifyReport, findings: [Finding]) {
        var options = Verifier.Options()
        options.level = .data
        options.recordResult = false
        var findings: [Finding] = []
        let report = try Verifier(repository: try site.open(), options: options, progress: Progress())
            .run { findings.append($0) }
        return (report, findings)
    }

    /// The packs of a kind that hold bases.
    func basePacks(_ kind: FileKind) throws -> Set<PackID> {
        let census = try site.census()
        return Set(
            try census.packs.indices.map { try census.segmentPack($0) }.filter { $0.kind == kind }
                .flatMap(\.directory.frames).compactMap { $0.base?.pack })
    }

    /// Removes the data packs that hold bases.
    func removeBases() throws {
        for pack in try basePacks(.dataPack) { try site.backend.remove(RepositoryPath.pack(.dataPack, pack)) }
    }

    /// Where a frame that is a base lies.
    func base(_ kind: FileKind) throws -> (pack: PackID, offset: Int) {
        let census = try site.census()
        let packs = try census.packs.indices.map { try census.segmentPack($0) }.filter { $0.kind == kind }
        let base = try #require(packs.flatMap(\.directory.frames).compactMap(\.base).first)
        let pack = try #require(packs.first { $0.id == base.pack })
        let before = pack.directory.frames[..<base.number].reduce(0) { $0 + $1.storedLength }
        return (base.pack, PackLayout.firstFrameOffset + before)
    }
}
