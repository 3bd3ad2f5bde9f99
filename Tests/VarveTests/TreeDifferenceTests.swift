import CSys
import Glibc
import Testing
import Varve
import VarveFormat

@Suite struct TreeDifferenceTests {
    private func text(_ change: TreeDifference.Change) -> String {
        let names = change.aspects.names.joined(separator: ",")
        let path = String(decoding: change.path, as: UTF8.self)
        return "\(change.kind.rawValue) \(path)" + (names.isEmpty ? "" : " \(names)")
    }

    private func compare(
        _ fixture: SnapshotFixture, _ old: Snapshot, _ new: Snapshot, _ oldPath: String = "/", _ newPath: String = "/"
    ) throws -> [String] {
        var changes: [String] = []
        let failures = try TreeDifference(repository: fixture.repository, progress: Progress()).compare(
            old, at: Array(oldPath.utf8), with: new, at: Array(newPath.utf8)
        ) { (change) throws(StoreError) in changes.append(text(change)) }
        return changes + failures.map { "\($0.code)" }
    }

    private func compare(
        _ fixture: SnapshotFixture, _ snapshot: Snapshot, directory: String, at path: String = "/"
    ) throws -> [String] {
        var changes: [String] = []
        let failures = try TreeDifference(repository: fixture.repository, progress: Progress()).compare(
            snapshot, at: Array(path.utf8), withDirectory: fixture.path(directory)
        ) { (change) throws(StoreError) in changes.append(text(change)) }
        return changes + failures.map { "\($0.code)" }
    }

    @Test func `Two snapshots differ in what was added, removed and changed`() throws {
        let fixture = try SnapshotFixture()
        let same = fixture.directory("same", [fixture.file("f")])
        let old = try fixture.snapshot([
            fixture.directory("d", [fixture.file("content", "1"), fixture.file("gone"), fixture.file("mode")]),
            fixture.link("link", to: "a"), same, fixture.file("z"),
        ])
        var mode = fixture.file("mode", mode: 0o600)
        mode.attributes.mtimeSeconds = 5
        let new = try fixture.snapshot([
            fixture.directory("d", [fixture.file("content", "2"), mode]),
            fixture.directory("d.new", [fixture.file("f")]),
            fixture.link("link", to: "b"), fixture.directory("same", [fixture.file("f")]), fixture.link("z", to: "q"),
        ])
        #expect(
            try compare(fixture, old, new) == [
                "modified /d/content content", "removed /d/gone", "modified /d/mode mode,mtime", "added /d.new",
                "added /d.new/f", "modified /link target", "type /z",
            ])
        #expect(try compare(fixture, new, new).isEmpty)
    }

    @Test func `Equal directories are not even read`() throws {
        let fixture = try SnapshotFixture()
        var unreadable = fixture.directory("d", [])
        unreadable.content = .directory(.tree(BlobID(1, 2, 3, 4)))
        let old = try fixture.snapshot([unreadable])
        let new = try fixture.snapshot([unreadable, fixture.file("e")])
        #expect(try compare(fixture, old, new) == ["added /e"])
    }

    @Test func `Nothing is said about what a damaged directory may hold`() throws {
        let fixture = try SnapshotFixture()
        var unreadable = fixture.directory("d", [])
        unreadable.content = .directory(.tree(BlobID(1, 2, 3, 4)))
        let old = try fixture.snapshot([unreadable])
        let new = try fixture.snapshot([fixture.directory("d", [fixture.file("f")]), fixture.file("e")])
        #expect(try compare(fixture, old, new) == ["added /e", "missing"])
    }

    @Test func `Paths of two snapshots can be compared`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([
            fixture.directory("a", [fixture.file("f", "1"), fixture.file("g")]),
            fixture.directory("b", [fixture.file("f", "2")]),
        ])
        #expect(
            try compare(fixture, snapshot, snapshot, "/a", "/b") == ["modified /b/f content", "removed /a/g"])
    }

    @Test func `A restored directory does not differ, whatever it holds`() throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("seed of the random tree: \(seed)")
        let fixture = try SnapshotFixture()
        let source = fixture.directory.path + "/source"
        RandomTree.make(at: source, seed: seed)
        let snapshot = try fixture.capture(Array(source.utf8))
        try fixture.restore(snapshot, to: "target")
        #expect(try compare(fixture, snapshot, directory: "target").isEmpty, "seed \(seed)")
        #expect(try compare(fixture, snapshot, directory: "source", at: source).isEmpty, "seed \(seed)")
    }

    @Test func `A directory differs by content, attributes and names`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot(
            [
                fixture.directory(
                    "d",
                    [
                        fixture.file("bytes", "abc"), fixture.file("gone"), fixture.file("mode"),
                        fixture.file("type"), fixture.file("xattr"),
                    ])
            ], implied: true)
        try fixture.restore(snapshot, to: "target")
        let root = fixture.directory.path + "/target"
        let descriptor = open(root + "/d/bytes", O_WRONLY | O_CLOEXEC)
        #expect(write(descriptor, "xyz", 3) == 3)
        close(descriptor)
        _ = sys_utimensat(AT_FDCWD, root + "/d/bytes", 0, SYS_UTIME_OMIT, 1_000_000_000, 7, 0)
        unlink(root + "/d/gone")
        chmod(root + "/d/mode", 0o755)
        unlink(root + "/d/type")
        symlink("x", root + "/d/type")
        let isTagged = sys_lsetxattr(root + "/d/xattr", "user.a", "b", 1) == 0
        mkdir(root + "/d/new", 0o755)
        _ = sys_utimensat(AT_FDCWD, root + "/d", 0, SYS_UTIME_OMIT, 1_000_000_000, 7, 0)
        // Beside what was captured may lie anything.
        mkdir(root + "/beside", 0o755)
        let expected = [
            "modified /d/bytes content", "removed /d/gone", "modified /d/mode mode", "added /d/new", "type /d/type",
        ]
        #expect(
            try compare(fixture, snapshot, directory: "target")
                == expected + (isTagged ? ["modified /d/xattr xattrs"] : []))
    }
}
