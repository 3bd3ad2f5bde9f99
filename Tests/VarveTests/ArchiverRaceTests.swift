import CSys
import Glibc
import Testing
import Varve
import VarveFormat

/// Files that change while they are captured. One worker, and a hook that changes them when it starts its first pack:
/// after the listing, and while the first long file is read.
@Suite("Archiver races")
struct ArchiverRaceTests {
    private func capture(
        _ site: CaptureSite, _ hook: @escaping @Sendable (Int) -> Void
    ) throws -> ArchiveReport {
        try site.capture(on: HookedBackend(LocalBackend(path: site.place), onUpload: hook))
    }

    private func site() throws -> CaptureSite {
        let site = try CaptureSite(threads: 1)
        site.write("a", random: 6_000_000, seed: 1)
        site.write("b", "after it")
        return site
    }

    @Test("a file that vanishes after it was listed is reported")
    func vanishes() throws {
        let site = try site()
        let path = site.path("b")
        let report = try capture(site) { if $0 == 1 { unlink(path) } }
        #expect(report.errors.map(\.errno) == [ENOENT] && report.manifest.state == .partial)
        #expect(try site.tree(report)["b"] == nil)
    }

    @Test("a file that becomes a FIFO, a directory or a symbolic link is reported and blocks nobody", arguments: 0..<3)
    func becomesOther(_ what: Int) throws {
        let site = try site()
        let path = site.path("b")
        let report = try capture(site) { number in
            guard number == 1 else { return }
            unlink(path)
            switch what {
            case 0: mkfifo(path, 0o600)
            case 1: mkdir(path, 0o700)
            default: symlink("a", path)
            }
        }
        #expect(report.errors.count == 1 && report.errors.first?.path == Array(path.utf8))
        #expect(try site.tree(report)["b"] == nil && report.manifest.state == .partial)
    }

    @Test("a file that grows or shrinks once while it is read is read again", arguments: [true, false])
    func changesOnce(_ grows: Bool) throws {
        let site = try site()
        let path = site.path("a")
        let report = try capture(site) { number in
            guard number == 1 else { return }
            if grows { FileTool.write(path, [1, 2, 3], flags: O_APPEND) } else { truncate(path, 5_000_000) }
        }
        #expect(report.errors.isEmpty && report.manifest.state == .complete)
        try site.expectSameAsSource(report)
    }

    @Test("a file that changes whenever it is read is reported as changed, and read again by the next quick capture")
    func changesAlways() throws {
        let site = try site()
        let path = site.path("a")
        let report = try capture(site) { number in
            var random = SeededBytes(seed: UInt64(number) + 100)
            FileTool.write(path, random.bytes(6_000_000), flags: 0)
        }
        #expect(report.errors.map(\.operation) == ["changed"] && report.manifest.state == .partial)
        let quick = try site.capture(.quick)
        #expect(quick.manifest.bytes.read == 6_000_000 && quick.errors.isEmpty)
        try site.expectSameAsSource(quick)
    }

    @Test("what an ordinary user may not read is reported, and stays in the tree where its attributes are known")
    func denied() throws {
        let site = try CaptureSite()
        try #require(geteuid() == 0)
        site.makeDirectory("closed")
        site.write("closed/in", "x")
        site.makeDirectory("open")
        site.write("open/f", "x")
        site.write("secret", "x")
        #expect(chmod(site.path("closed"), 0) == 0 && chmod(site.path("secret"), 0) == 0)
        #expect(Tool.run("/bin/chown", ["-R", "65534:65534", site.scratch.path]))
        try captureAsNobody(site)
        let snapshots = try site.repository(usesCache: false).snapshots().snapshots
        let manifest = try #require(snapshots.first).manifest
        #expect(manifest.state == .partial && manifest.errorsTotal == 2)
        #expect(Set(manifest.errors.map(\.errno)) == [Int(EACCES)])
        let tree = try site.fullTree(manifest.treeRoot)
        #expect(tree[site.path("closed")]?.content == .directory(.empty) && tree[site.path("open/f")] != nil)
        #expect(tree[site.path("secret")] == nil && tree[site.path("closed/in")] == nil)
    }

    /// The user whose rights count for files belongs to a thread, and to those that it starts (setfsuid(2)); the
    /// overlay lacks the call.
    private func captureAsNobody(_ site: CaptureSite) throws {
        let symbol = try #require(dlsym(dlopen(nil, RTLD_NOW), "setfsuid"))
        let address = UInt(bitPattern: symbol)
        let thread = try BackgroundThread {
            let setUser = unsafeBitCast(address, to: (@convention(c) (UInt32) -> Int32).self)
            _ = setUser(65534)
            _ = try? site.capture(usesCache: false)
        }
        thread.join()
    }
}
