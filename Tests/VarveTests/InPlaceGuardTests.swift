import CSys
import Glibc
import Testing
import Varve
import VarveFormat

/// What keeps a restore in place from making things worse.
@Suite struct InPlaceGuardTests {
    private func differences(_ left: [String: String], _ right: [String: String]) -> [String] {
        Set(left.keys).union(right.keys).sorted().filter { left[$0] != right[$0] }
            .map { "\($0): \(left[$0] ?? "absent") | \(right[$0] ?? "absent")" }
    }

    private func code(_ body: () throws -> Void) -> StoreError.Code? {
        do { try body() } catch { return (error as? StoreError)?.code }
        return nil
    }

    // MARK: the safety snapshot

    /// A repository on a disk, which no more takes anything.
    private func readOnly(_ fixture: InPlaceFixture) -> LocalBackend {
        let changes: Set<Fault.Call> = [.create, .makeDirectory, .rename, .unlink, .removeDirectory, .write]
        let fault = Fault(0, .error(EROFS), calls: changes, isLasting: true)
        return LocalBackend(layer: FaultyFileLayer(RealFileLayer(fixture.scratch.path + "/repository"), fault))
    }

    private func fixtureOnDisk() throws -> InPlaceFixture {
        let scratch = try InPlaceFixture.scratch()
        return try InPlaceFixture(in: scratch, on: LocalBackend(path: scratch.path + "/repository"))
    }

    @Test func `With a repository that cannot be written it is refused, unless nothing is in the way`() throws {
        let fixture = try fixtureOnDisk()
        let snapshot = try fixture.captureAndChange()
        let old = try fixture.image()
        #expect(code { try fixture.restore(snapshot, on: readOnly(fixture)) } == .refused)
        #expect(differences(old, try fixture.image()) == [])
        let report = try fixture.restore(snapshot, on: readOnly(fixture)) { $0.makesSafetySnapshot = false }
        #expect(report.safetySnapshotID == nil && fixture.text("changed") == "recorded")
        #expect(code { try fixture.undo() } == .refused)
        fixture.remove("")
        #expect(try fixture.restore(snapshot, on: readOnly(fixture)).errors.isEmpty)
        #expect(fixture.text("changed") == "recorded")
    }

    @Test func `A repository that fails at any call leaves the old state, or the new one with its way back`() throws {
        var call = 0
        while true {
            let fixture = try fixtureOnDisk()
            let snapshot = try fixture.captureAndChange()
            let old = try fixture.image()
            let layer = FaultyFileLayer(RealFileLayer(fixture.scratch.path + "/repository"), Fault(call, .error(EIO)))
            let report = try? fixture.restore(snapshot, on: LocalBackend(layer: layer))
            if report == nil || report?.isAbandoned == true {
                let left = differences(old, try fixture.image())
                #expect(left == [], "call \(call): \(left)")
            } else {
                #expect(fixture.text("changed") == "recorded")
                #expect(try fixture.undo())
            }
            guard layer.hasFired else { break }
            call += 9
        }
        #expect(call > 50)
    }

    @Test func `What cannot be saved is not overwritten, and a snapshot that was deleted cannot be undone to`() throws {
        let fixture = try InPlaceFixture()
        let snapshot = try fixture.captureAndChange()
        let safety = try #require(try fixture.restore(snapshot).safetySnapshotID)
        let new = try fixture.image()
        let editor = SnapshotEditor(repository: try fixture.repository())
        try editor.delete([safety], reason: "test", includesSafety: true)
        #expect(code { try fixture.undo() } == .notFound)
        #expect(differences(new, try fixture.image()) == [])
    }

    // MARK: other programs

    @Test func `What another program changes meanwhile is not lost: the rest is taken back`() throws {
        let fixture = try InPlaceFixture()
        let snapshot = try fixture.captureAndChange()
        var old = try fixture.image()
        let probe = RestoreProbe(leavesAll: false) { what throws(StoreError) in
            if what == "journal" { fixture.write("changed", "by another program", mtime: 1_650_000_000) }
        }
        #expect(code { try fixture.restore(snapshot) { $0.probe = probe } } == .refused)
        #expect(fixture.text("changed") == "by another program")
        var now = try fixture.image()
        old["/app/changed"] = nil
        now["/app/changed"] = nil
        #expect(differences(old, now) == [])
    }

    @Test func `Another restore waits until the interrupted one was taken back`() throws {
        let fixture = try InPlaceFixture()
        let snapshot = try fixture.captureAndChange()
        let old = try fixture.image()
        let probe = RestoreProbe(leavesAll: true) { what throws(StoreError) in
            if what == "commit" { throw StoreError(.failed, "ended") }
        }
        #expect(code { try fixture.restore(snapshot) { $0.probe = probe } } == .failed)
        #expect(code { try fixture.restore(snapshot) { $0.deletes = false } } == .refused)
        #expect(try fixture.undo())
        #expect(differences(old, try fixture.image()) == [])
    }

    @Test func `Without the state directory an interrupted restore is found beside what it restored`() throws {
        let fixture = try InPlaceFixture()
        let snapshot = try fixture.captureAndChange()
        let old = try fixture.image()
        let probe = RestoreProbe(leavesAll: true) { what throws(StoreError) in
            if what == "attributes" { throw StoreError(.failed, "ended") }
        }
        #expect(code { try fixture.restore(snapshot) { $0.probe = probe } } == .failed)
        #expect(Tool.run("/bin/rm", ["-rf", fixture.state]))
        #expect(try !fixture.undo())
        #expect(try fixture.undo(near: [fixture.path("")]))
        #expect(differences(old, try fixture.image()) == [])
    }

    @Test func `Restores are undone one after the other`() throws {
        let fixture = try InPlaceFixture()
        fixture.write("f", "one")
        let first = try fixture.capture()
        fixture.write("f", "two!")
        let second = try fixture.capture()
        fixture.write("f", "three")
        try fixture.restore(first)
        try fixture.restore(second)
        #expect(fixture.text("f") == "two!")
        #expect(try fixture.undo() && fixture.text("f") == "one")
        #expect(try fixture.undo() && fixture.text("f") == "three")
        #expect(try !fixture.undo())
    }

    // MARK: what is in the way

    @Test func `Flags that protect files and directories are put back by an undo`() throws {
        let fixture = try InPlaceFixture(in: try ScratchDirectory(), on: MemoryBackend())
        fixture.make("d")
        fixture.write("d/f", "recorded")
        let snapshot = try fixture.capture()
        fixture.write("d/f", "changed since")
        let names = [fixture.source + "/d/f", fixture.source + "/d"]
        guard names.allSatisfy({ Tool.run("/usr/bin/chattr", ["+i", $0]) }) else { return }
        let old = try fixture.image()
        for ends in [true, false] {
            let probe = RestoreProbe(leavesAll: true) { what throws(StoreError) in
                if ends, what == "commit" { throw StoreError(.failed, "ended") }
            }
            _ = try? fixture.restore(snapshot) { $0.probe = probe }
            #expect(fixture.text("d/f") == "recorded")
            #expect(try fixture.undo())
            let left = differences(old, try fixture.image())
            #expect(left == [], "\(left)")
        }
    }

    @Test func `Names of any bytes come back, and a symbolic link in the way is never followed`() throws {
        let fixture = try InPlaceFixture()
        let names: [[UInt8]] = [[0x0A, 0xFF, 0x1B], [UInt8](repeating: 0x61, count: 255), Array("-rf *".utf8)]
        func path(_ name: [UInt8]) -> [UInt8] { fixture.path("") + [UInt8(ascii: "/")] + name }
        for name in names { try Syscalls.symlink(target: Array("recorded".utf8), path(name)) }
        fixture.make("d")
        fixture.write("d/f", "recorded")
        let snapshot = try fixture.capture()
        for name in names { try Syscalls.unlink(path(name)) }
        fixture.remove("d")
        #expect(mkdir(fixture.scratch.path + "/outside", 0o755) == 0)
        #expect(symlink("../outside", fixture.source + "/d") == 0)
        let old = try fixture.image()
        let report = try fixture.restore(snapshot)
        #expect(report.errors.isEmpty)
        for name in names { #expect(try Syscalls.readLink(path(name)) == Array("recorded".utf8)) }
        #expect(fixture.text("d/f") == "recorded")
        #expect(access(fixture.scratch.path + "/outside/f", F_OK) != 0)
        #expect(try fixture.undo())
        #expect(differences(old, try fixture.image()) == [])
    }

    @Test func `A disk that fills up while files are staged leaves the old state`() throws {
        let fixture = try InPlaceFixture()
        guard Tool.run("/bin/mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", fixture.source]) else { return }
        defer { _ = Tool.run("/bin/umount", ["-l", fixture.source]) }
        fixture.write("f", String(repeating: "recorded", count: 50_000))
        let snapshot = try fixture.capture()
        fixture.write("f", String(repeating: "changed!", count: 90_000))
        let old = try fixture.image()
        #expect(code { try fixture.restore(snapshot) } == .noSpace)
        #expect(differences(old, try fixture.image()) == [])
    }

    @Test func `Backups leave stages out`() throws {
        let fixture = try InPlaceFixture()
        fixture.write("f", "x")
        let plain = try fixture.capture()
        fixture.make(".varve-0123456789abcdef.restore")
        fixture.write(".varve-0123456789abcdef.restore/journal", "x")
        fixture.make(".varve-0123456789ABCDEF.restore")
        let both = try fixture.capture()
        #expect(both.manifest.counts.dirs == plain.manifest.counts.dirs + 1)
        #expect(both.manifest.counts.files == plain.manifest.counts.files)
    }
}
