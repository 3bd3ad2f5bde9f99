import CSys
import Glibc
import Testing
import Varve
import VarveFormat

/// What becomes of the files that are there already, and which are touched at all.
@Suite struct RestoreScopeTests {
    @Test(arguments: [
        (Restorer.Overwrite.always, "new", "new", "new"), (.ifChanged, "new", "new", "new"),
        (.ifNewer, "new", "old", "new"), (.never, "old", "old", "old"),
    ])
    func `The overwrite mode decides about files that are there`(
        mode: Restorer.Overwrite, earlier: String, later: String, same: String
    ) throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([
            fixture.file("absent", "new"), fixture.file("earlier", "new"), fixture.file("later", "new"),
            fixture.file("same", "new"),
        ])
        fixture.make("target")
        fixture.put("target/earlier", "old", mtime: 999_999_999)
        fixture.put("target/later", "old", mtime: 1_000_000_001)
        // The size and time of the snapshot, but not the content.
        fixture.put("target/same", "old", mtime: mode == .ifNewer ? 999_999_999 : 1_000_000_000)
        let report = try fixture.restore(snapshot, to: "target") { $0.overwrite = mode }
        #expect(report.errors.isEmpty)
        #expect(fixture.text("target/absent") == "new")
        #expect(fixture.text("target/earlier") == earlier)
        #expect(fixture.text("target/later") == later)
        #expect(fixture.text("target/same") == same)
    }

    @Test func `A file that is as recorded keeps its inode and only gets its attributes`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([fixture.file("f", "same", mode: 0o640)])
        fixture.make("target")
        fixture.put("target/f", "same", mtime: 1_000_000_000)
        let path = Array("\(fixture.directory.path)/target/f".utf8)
        let before = try Syscalls.status(path)
        let report = try fixture.restore(snapshot, to: "target")
        let after = try Syscalls.status(path)
        #expect(before.inode == after.inode && after.permissions == 0o640)
        #expect(report.filesUnchanged == 1 && report.filesRestored == 0)
    }

    @Test func `Attributes never reach a file through another hard link of it`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([fixture.file("f", "same", mode: 0o4755)])
        fixture.make("target")
        fixture.put("canary", "same", mtime: 1_000_000_000)
        link(fixture.directory.path + "/canary", fixture.directory.path + "/target/f")
        try fixture.restore(snapshot, to: "target")
        #expect(try Syscalls.status(fixture.path("canary")).permissions == 0o644)
        #expect(try Syscalls.status(fixture.path("target/f")).permissions == 0o4755)
    }

    @Test func `Whatever is in the way gives way, but for directories that hold something`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([
            fixture.directory("a", [fixture.file("f", "1")]), fixture.directory("b", []), fixture.file("c", "3"),
            fixture.file("d", "4"), fixture.link("e", to: "x"),
        ])
        fixture.make("target")
        fixture.make("outside")
        fixture.put("target/a", "a file where a directory must be")
        mkfifo(fixture.directory.path + "/target/b", 0o600)
        fixture.make("target/c")
        fixture.make("target/d")
        fixture.put("target/d/kept", "")
        fixture.put("target/e", "a file where a link must be")
        let report = try fixture.restore(snapshot, to: "target")
        #expect(report.errors.map(\.path) == [Array("/d".utf8)])
        #expect(fixture.text("target/a/f") == "1")
        #expect(fixture.text("target/c") == "3")
        #expect(fixture.names("target/d") == ["kept"])
    }

    @Test func `Only what the snapshot lacks is deleted, and nothing that the rules exclude`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot(
            [fixture.directory("d", [fixture.file("b"), fixture.directory("c", [fixture.file("x")])])], implied: true)
        for path in ["target", "target/d", "target/d/c", "target/d/gone", "target/d/gone/deep"] { fixture.make(path) }
        for path in ["target/above", "target/d/a", "target/d/b", "target/d/z.keep", "target/d/gone/deep/f"] {
            fixture.put(path, "")
        }
        fixture.put("canary", "alive")
        symlink(fixture.directory.path, fixture.directory.path + "/target/d/link")
        let keep = try PathRule(Array("*.keep".utf8), origin: .option("--exclude"))
        let report = try fixture.restore(snapshot, to: "target") {
            $0.deletes = true
            $0.rules = [keep]
        }
        #expect(report.errors.isEmpty && report.deleted == 3)
        #expect(fixture.names("target") == ["above", "d"])
        #expect(fixture.names("target/d") == ["b", "c", "z.keep"])
        #expect(fixture.text("canary") == "alive")
    }

    @Test func `Rules choose what is restored, with the directories above it`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([
            fixture.directory("a", [fixture.directory("b", [fixture.file("f.txt"), fixture.file("g")], mode: 0o711)]),
            fixture.directory("c", [fixture.file("h")]),
        ])
        let rule = try PathRule(Array("*.txt".utf8), origin: .option("--include"), action: .forceInclude)
        try fixture.restore(snapshot, to: "included") {
            $0.rules = [rule]
            $0.includesOnly = true
        }
        #expect(fixture.names("included") == ["a"])
        #expect(fixture.names("included/a/b") == ["f.txt"])
        let exclude = try PathRule(Array("/a/b".utf8), origin: .option("--exclude"))
        try fixture.restore(snapshot, to: "excluded") { $0.rules = [exclude] }
        #expect(fixture.names("excluded/a") == [])
        #expect(fixture.names("excluded/c") == ["h"])
    }
}
