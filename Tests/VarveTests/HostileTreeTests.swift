import CSys
import Glibc
import Testing
import Varve
import VarveFormat

/// Trees that no source has, restored beside a canary.
@Suite struct HostileTreeTests {
    static let resolutions = [SafeRoot.Resolution.automatic, .componentwise]

    private func restore(
        _ fixture: SnapshotFixture, _ snapshot: Snapshot, _ resolution: SafeRoot.Resolution,
        _ change: (inout Restorer.Options) -> Void = { _ in }
    ) throws -> RestoreReport {
        try fixture.restore(snapshot, to: "target") {
            $0.resolution = resolution
            change(&$0)
        }
    }

    private func canary(_ fixture: SnapshotFixture) throws -> TreeImage {
        mkdir(fixture.directory.path + "/canary", 0o755)
        close(open(fixture.directory.path + "/canary/f", O_CREAT | O_WRONLY | O_CLOEXEC, 0o644))
        return try TreeImage(fixture.directory.path + "/canary")
    }

    private func isUntouched(_ fixture: SnapshotFixture, _ before: TreeImage) throws -> Bool {
        TreeImage.differences(before, try TreeImage(fixture.directory.path + "/canary")).isEmpty
    }

    @Test(arguments: ["", "..", ".", "../canary/f", "/etc/x", "a/b", "a\0b"].map { Array($0.utf8) })
    func `A tree with a name that leads elsewhere is damage`(name: [UInt8]) throws {
        let fixture = try SnapshotFixture()
        let before = try canary(fixture)
        let snapshot = try fixture.snapshot([
            fixture.directory("d", [fixture.file(name, "escaped")]), fixture.file("f"),
        ])
        let report = try restore(fixture, snapshot, .automatic)
        #expect(report.errors.map(\.path) == [Array("/d".utf8)] && report.damagedTotal == 1)
        #expect(try isUntouched(fixture, before))
        #expect(TreeImage.names(fixture.directory.path + "/target").sorted() == ["d", "f"])
    }

    @Test(arguments: resolutions)
    func `A link that is there where a directory must be is replaced and never followed`(
        resolution: SafeRoot.Resolution
    ) throws {
        let fixture = try SnapshotFixture()
        let before = try canary(fixture)
        let links = try fixture.snapshot([fixture.link("d", to: fixture.directory.path + "/canary")])
        let files = try fixture.snapshot([fixture.directory("d", [fixture.file("f", "escaped"), fixture.file("g")])])
        #expect(try restore(fixture, links, resolution).errors.isEmpty)
        #expect(try restore(fixture, files, resolution) { $0.deletes = true }.errors.isEmpty)
        #expect(try isUntouched(fixture, before))
        #expect(TreeImage.names(fixture.directory.path + "/target/d").sorted() == ["f", "g"])
    }

    @Test(arguments: resolutions)
    func `A link where an implied directory must be is the user's, and is refused`(
        resolution: SafeRoot.Resolution
    ) throws {
        let fixture = try SnapshotFixture()
        let before = try canary(fixture)
        mkdir(fixture.directory.path + "/target", 0o755)
        symlink(fixture.directory.path + "/canary", fixture.directory.path + "/target/d")
        let snapshot = try fixture.snapshot(
            [fixture.directory("d", [fixture.file("f", "escaped")], implied: true)], implied: true)
        let report = try restore(fixture, snapshot, resolution)
        #expect(report.errors.map(\.path) == [Array("/d".utf8)] && report.damagedTotal == 0)
        #expect(try isUntouched(fixture, before))
    }

    @Test(arguments: resolutions)
    func `A restored link is not written through by a file of its name`(resolution: SafeRoot.Resolution) throws {
        let fixture = try SnapshotFixture()
        let before = try canary(fixture)
        mkdir(fixture.directory.path + "/target", 0o755)
        symlink(fixture.directory.path + "/canary/f", fixture.directory.path + "/target/f")
        let snapshot = try fixture.snapshot([fixture.file("f", "escaped", mode: 0o777)])
        #expect(try restore(fixture, snapshot, resolution).errors.isEmpty)
        #expect(try isUntouched(fixture, before))
        #expect(TreeImage.content(fixture.directory.path + "/target/f") == Array("escaped".utf8))
    }

    @Test func `Different files that share a hard-link key are not linked`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([
            fixture.file("a", "one", key: 9), fixture.file("b", "two", key: 9), fixture.file("c", "one", key: 9),
        ])
        let report = try restore(fixture, snapshot, .automatic)
        #expect(report.errors.map(\.path) == [Array("/b".utf8)] && report.damagedTotal == 1)
        let status = try Syscalls.status(fixture.path("target/a"))
        #expect(try status.links == 2 && status.inode == Syscalls.status(fixture.path("target/c")).inode)
    }

    @Test func `A hard-link set whose content is lost is lost for all its names`() throws {
        let fixture = try SnapshotFixture()
        var first = fixture.file("a", key: 9)
        first.content = .file(size: 3, blobs: .blobs([BlobID(1, 2, 3, 4)]))
        var second = first
        second.name = Array("b".utf8)
        let report = try restore(fixture, try fixture.snapshot([first, second]), .automatic)
        #expect(report.errors.map { String(decoding: $0.path, as: UTF8.self) }.sorted() == ["/a", "/b"])
        #expect(TreeImage.names(fixture.directory.path + "/target").isEmpty)
    }

    @Test(arguments: resolutions)
    func `Directories without any rights are filled first`(resolution: SafeRoot.Resolution) throws {
        let fixture = try SnapshotFixture()
        let inner = fixture.directory("inner", [fixture.file("f", "text", mode: 0)], mode: 0)
        let snapshot = try fixture.snapshot([fixture.directory("outer", [inner], mode: 0)])
        #expect(try restore(fixture, snapshot, resolution).errors.isEmpty)
        let image = try TreeImage(fixture.directory.path + "/target")
        #expect(image.lines["/outer"]?.contains("mode 40000 ") == true)
        #expect(image.lines["/outer/inner/f"]?.contains("mode 100000 ") == true)
    }

    @Test func `Times at the ends of what numbers can say stop nothing`() throws {
        let fixture = try SnapshotFixture()
        var entries: [TreeEntry] = []
        for (number, seconds) in [Int64.min, -1, 0, 4_294_967_296, .max].enumerated() {
            var entry = fixture.file("t\(number)", "text")
            entry.attributes.mtimeSeconds = seconds
            entry.attributes.mtimeNanoseconds = 999_999_999
            entries.append(entry)
        }
        let report = try restore(fixture, try fixture.snapshot(entries), .automatic)
        #expect(report.filesRestored == 5)
        #expect(try Syscalls.status(fixture.path("target/t1")).modified == -1)
    }

    @Test(arguments: resolutions)
    func `Every special file is made, and devices by root alone`(resolution: SafeRoot.Resolution) throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([
            fixture.special("b", .blockDevice, .device(major: 7, minor: 200)),
            fixture.special("c", .characterDevice, .device(major: 1, minor: 3)), fixture.special("f", .fifo),
            fixture.special("s", .socket),
        ])
        let report = try restore(fixture, snapshot, resolution)
        let kinds = try TreeImage.names(fixture.directory.path + "/target").sorted().map {
            try Syscalls.status(fixture.path("target/" + $0)).kind
        }
        if geteuid() == 0, report.errors.isEmpty {
            #expect(kinds == [.blockDevice, .characterDevice, .fifo, .socket])
            #expect(try restore(fixture, snapshot, resolution).filesUnchanged == 4)
        } else {
            #expect(kinds == [.fifo, .socket])
            #expect(report.errors.count == 1 && report.errorsTotal == 1)
        }
    }

    @Test(arguments: resolutions)
    func `Directories deeper than the format allows are cut off, and those above are restored`(
        resolution: SafeRoot.Resolution
    ) throws {
        let fixture = try SnapshotFixture()
        var entry = fixture.directory("d", [])
        for _ in 0..<4_200 { entry = fixture.directory("d", [entry]) }
        let report = try restore(fixture, try fixture.snapshot([entry]), resolution)
        #expect(report.errors.count == 1 && report.damagedTotal == 1)
        #expect(report.directoriesMade == FormatLimits.directoryDepth)
        var depth = 0
        var current = try SafeRoot(fixture.path("target")).directory
        while let next = try? current.openDirectory([UInt8(ascii: "d")]) {
            current = next
            depth += 1
        }
        #expect(depth == FormatLimits.directoryDepth)
    }

    @Test func `A file with another size than its blobs is damage`() throws {
        let fixture = try SnapshotFixture()
        let id = fixture.blob(.data, Array("abc".utf8))
        var long = fixture.file("long")
        long.content = .file(size: .max, blobs: .blobs([id]))
        long.isSparse = true
        var short = fixture.file("short")
        short.content = .file(size: 2, blobs: .blobs([id]))
        let report = try restore(fixture, try fixture.snapshot([long, short]), .automatic)
        #expect(report.damagedTotal == 2)
        #expect(TreeImage.names(fixture.directory.path + "/target").isEmpty)
    }

    @Test func `A list that names itself a level too high is damage`() throws {
        let fixture = try SnapshotFixture()
        let data = fixture.blob(.data, Array("abc".utf8))
        let inner = fixture.blob(.list, BlobListNode(level: 1, ids: [data]).encode())
        let outer = fixture.blob(.list, BlobListNode(level: 1, ids: [inner]).encode())
        var file = fixture.file("f")
        file.content = .file(size: 3, blobs: .list(outer))
        let report = try restore(fixture, try fixture.snapshot([file]), .automatic)
        #expect(report.damagedTotal == 1)
        #expect(TreeImage.names(fixture.directory.path + "/target").isEmpty)
    }
}
