import CSys
import Glibc
import Testing
import Varve
import VarveFormat

@Suite struct RestorerTests {
    @Test(arguments: [true, false], [1, 2])
    func `What was captured comes back exactly`(encrypted: Bool, threads: Int) throws {
        for _ in 0..<4 {
            let seed = UInt64.random(in: 0 ... .max)
            print("seed of the random tree: \(seed)")
            let fixture = try SnapshotFixture(encrypted: encrypted)
            let source = fixture.directory.path + "/source"
            RandomTree.make(at: source, seed: seed)
            let snapshot = try fixture.capture(Array(source.utf8))
            let report = try fixture.restore(snapshot, to: "target") {
                $0.subpath = Array(source.utf8)
                $0.threads = threads
            }
            #expect(report.errors.isEmpty, "seed \(seed)")
            let differences = TreeImage.differences(
                try TreeImage(source), try TreeImage(fixture.directory.path + "/target"))
            #expect(differences.isEmpty, "seed \(seed)")
            // And nothing is left to do.
            let again = try fixture.restore(snapshot, to: "target") { $0.subpath = Array(source.utf8) }
            #expect(again.filesRestored == 0 && again.errors.isEmpty, "seed \(seed)")
        }
    }

    @Test func `The whole snapshot goes to its absolute paths below the target`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot(
            [
                fixture.directory(
                    "home", [fixture.directory("u", [fixture.file("f", "hello")], mode: 0o750)], mode: 0o711,
                    implied: true)
            ], implied: true)
        let report = try fixture.restore(snapshot, to: "deep/target")
        #expect(report.errors.isEmpty && report.filesRestored == 1 && report.filesVerified == 1)
        #expect(fixture.text("deep/target/home/u/f") == "hello")
        let image = try TreeImage(fixture.directory.path + "/deep/target", times: false)
        #expect(image.lines["/home"]?.contains("mode 40711 ") == true)
        #expect(image.lines["/home/u"]?.contains("mode 40750 ") == true)
    }

    @Test func `A file as the path goes into the target under its name`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([fixture.directory("d", [fixture.file("f", "one"), fixture.file("g")])])
        try fixture.restore(snapshot, to: "target") { $0.subpath = Array("/d/f".utf8) }
        #expect(fixture.names("target") == ["f"])
        #expect(fixture.text("target/f") == "one")
    }

    @Test func `A path that the snapshot lacks makes nothing`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([fixture.file("f")])
        let error = #expect(throws: StoreError.self) {
            try fixture.restore(snapshot, to: "target") { $0.subpath = Array("/nothing".utf8) }
        }
        #expect(error?.code == .notFound)
        #expect(fixture.names("").contains("target") == false)
    }

    @Test func `A directory gives its attributes to a target that is new or empty, and to no other`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([fixture.directory("d", [fixture.file("f")], mode: 0o701)])
        fixture.make("empty")
        fixture.make("full")
        fixture.put("full/other", "")
        for target in ["new", "empty", "full"] {
            try fixture.restore(snapshot, to: target) { $0.subpath = Array("/d".utf8) }
            let mode = try TreeImage(fixture.directory.path + "/" + target).lines[""]
            #expect(mode?.contains(target == "full" ? "mode 40755 " : "mode 40701 ") == true, "\(target)")
        }
    }

    @Test func `Leading components are cut off`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([
            fixture.directory(
                "a",
                [fixture.directory("b", [fixture.directory("c", []), fixture.file("f", "deep")]), fixture.file("g")])
        ])
        let report = try fixture.restore(snapshot, to: "target") { $0.stripComponents = 2 }
        #expect(report.errors.isEmpty)
        #expect(fixture.names("target") == ["c", "f"])
    }

    @Test func `A plan says what would change and changes nothing`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([
            fixture.directory(
                "d", [fixture.file("new", "12345"), fixture.file("old", "123"), fixture.file("same", "1")])
        ])
        fixture.make("target")
        fixture.make("target/d")
        fixture.put("target/d/old", "2")
        fixture.put("target/d/same", "1", mtime: 1_000_000_000)
        fixture.put("target/d/extra", "")
        var options = Restorer.Options()
        options.target = fixture.path("target")
        options.deletes = true
        let before = try TreeImage(fixture.directory.path + "/target")
        let restorer = Restorer(
            repository: fixture.repository, snapshot: snapshot, options: options, progress: Progress())
        let plan = try restorer.plan()
        #expect(TreeImage.differences(before, try TreeImage(fixture.directory.path + "/target")).isEmpty)
        #expect(plan.created == 1 && plan.replaced == 1 && plan.compared == 1 && plan.deleted == 1)
        #expect(plan.bytes == 8 && plan.hasChanges)
        let changes = plan.changes.map { "\($0.action.rawValue) \(String(decoding: $0.path, as: UTF8.self))" }
        #expect(changes == ["delete /d/extra", "create /d/new", "replace /d/old"])
        let absent = try Restorer(
            repository: fixture.repository, snapshot: snapshot,
            options: { var options = options; options.target = fixture.path("absent"); return options }(),
            progress: Progress()
        ).plan()
        #expect(absent.created == 4 && access(fixture.directory.path + "/absent", F_OK) != 0)
    }

    @Test func `In place only the chosen path is touched`() throws {
        let fixture = try SnapshotFixture()
        let source = fixture.directory.path + "/source"
        RandomTree.make(at: source, seed: 5, entryCount: 5)
        fixture.make("source/chosen")
        fixture.put("source/chosen/f", "recorded")
        fixture.put("source/other", "recorded")
        let snapshot = try fixture.capture(Array(source.utf8))
        fixture.put("source/chosen/f", "changed")
        fixture.put("source/other", "changed")
        let mode = try Syscalls.status(fixture.path("source")).permissions
        try fixture.restore(snapshot, to: "") {
            $0.target = nil
            $0.subpath = fixture.path("source/chosen")
            $0.deletes = true
        }
        #expect(fixture.text("source/chosen/f") == "recorded")
        #expect(fixture.text("source/other") == "changed")
        #expect(try Syscalls.status(fixture.path("source")).permissions == mode)
    }

    // MARK: damage and lack of space

    @Test func `A damaged blob costs the files that need it, and nothing is left of them`() throws {
        let fixture = try SnapshotFixture()
        let bytes = fixture.repository.keys.blobHasher.id(.data, Array("absent".utf8))
        var damaged = fixture.file("damaged")
        damaged.content = .file(size: 6, blobs: .blobs([bytes]))
        var partly = fixture.file("partly")
        partly.content = .file(size: 9, blobs: .blobs([fixture.blob(.data, Array("abc".utf8)), bytes]))
        let snapshot = try fixture.snapshot([damaged, fixture.file("good", "fine"), partly])
        let report = try fixture.restore(snapshot, to: "target")
        #expect(report.errors.map { String(decoding: $0.path, as: UTF8.self) }.sorted() == ["/damaged", "/partly"])
        #expect(report.damagedTotal == 2)
        #expect(fixture.names("target") == ["good"])
    }

    @Test func `A frame that is damaged in one pack is read from another`() throws {
        let fixture = try SnapshotFixture()
        let content = String(repeating: "twice ", count: 1_000)
        _ = try fixture.snapshot([fixture.file("f", content)])
        let first = try packs(fixture)
        let snapshot = try fixture.snapshot([fixture.file("f", content)])
        for pack in first { try damage(fixture, pack) }
        let report = try fixture.restore(snapshot, to: "target")
        #expect(report.errors.isEmpty)
        #expect(fixture.text("target/f") == content)
    }

    @Test func `Every blob of a damaged frame is named by its files`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([fixture.file("f", "one"), fixture.file("g", "two"), fixture.file("h", "")])
        for pack in try packs(fixture) { try damage(fixture, pack) }
        let report = try fixture.restore(snapshot, to: "target")
        #expect(report.errors.map { String(decoding: $0.path, as: UTF8.self) }.sorted() == ["/f", "/g"])
        #expect(report.damagedTotal == 2)
        #expect(fixture.names("target") == ["h"])
    }

    private func packs(_ fixture: SnapshotFixture) throws -> [String] {
        try PackListing(fixture.repository.backend).packs.filter { $0.value.kind == .dataPack }
            .map { RepositoryPath.pack(.dataPack, $0.key) }
    }

    /// Changes a byte of the first frame of a pack.
    private func damage(_ fixture: SnapshotFixture, _ pack: String) throws {
        let backend = fixture.repository.backend
        var bytes = try backend.read(pack, limit: FormatLimits.pack)
        bytes[PackLayout.firstFrameOffset + 20] ^= 1
        try backend.remove(pack)
        try backend.putIfAbsent(pack, bytes, session: nil)
    }

    @Test func `A restore that cannot fit is refused before anything is written`() throws {
        let fixture = try SnapshotFixture()
        let mount = fixture.directory.path + "/small"
        fixture.make("small")
        guard Tool.run("/bin/mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount]) else { return }
        defer { _ = Tool.run("/bin/umount", [mount]) }
        var random = SeededBytes(seed: 3)
        let source = fixture.directory.path + "/source"
        fixture.make("source")
        for number in 0..<8 {
            fixture.put("source/f\(number)", String(repeating: "\(random.bytes(8))", count: 10_000))
        }
        let snapshot = try fixture.capture(Array(source.utf8))
        let error = #expect(throws: StoreError.self) { try fixture.restore(snapshot, to: "small/target") }
        #expect(error?.code == .noSpace)
        #expect(fixture.names("small") == [])
    }

    @Test func `A cancelled restore leaves no temporary files`() throws {
        let fixture = try SnapshotFixture()
        let source = fixture.directory.path + "/source"
        RandomTree.make(at: source, seed: 9)
        let snapshot = try fixture.capture(Array(source.utf8))
        var options = Restorer.Options()
        options.target = fixture.path("target")
        let progress = Progress()
        progress.cancel()
        let error = #expect(throws: StoreError.self) {
            try Restorer(
                repository: fixture.repository, snapshot: snapshot, options: options, progress: progress
            ).run()
        }
        #expect(error?.code == .interrupted)
        #expect(try TreeImage(fixture.directory.path + "/target").lines.keys.allSatisfy { !$0.contains(".varve-") })
    }

    @Test func `A long file of lists and many frames comes back whole`() throws {
        let fixture = try SnapshotFixture()
        var random = SeededBytes(seed: 17)
        fixture.make("source")
        var bytes: [UInt8] = []
        for _ in 0..<24 { bytes += random.bytes(1 << 20) }
        let descriptor = open(fixture.directory.path + "/source/long", O_WRONLY | O_CLOEXEC | O_CREAT, 0o644)
        _ = bytes.withUnsafeBytes { sys_write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
        let snapshot = try fixture.capture(fixture.path("source"))
        let report = try fixture.restore(snapshot, to: "target") { $0.subpath = fixture.path("source") }
        #expect(report.errors.isEmpty && report.bytesWritten == UInt64(bytes.count))
        #expect(TreeImage.content(fixture.directory.path + "/target/long") == bytes)
    }

    @Test func `Flags that lock files come last and do not stop another restore`() throws {
        let fixture = try SnapshotFixture()
        var locked = fixture.file("locked", "text", key: 5)
        locked.attributes.inodeFlags = [.immutable]
        var other = locked
        other.name = Array("other".utf8)
        var single = fixture.file("single", "text")
        single.attributes.inodeFlags = [.append]
        var directory = fixture.directory("d", [locked, other, single])
        directory.attributes.inodeFlags = [.immutable]
        let snapshot = try fixture.snapshot([directory])
        defer { _ = Tool.run("/usr/bin/chattr", ["-R", "-f", "-i", "-a", fixture.directory.path]) }
        let report = try fixture.restore(snapshot, to: "target")
        guard report.notices.isEmpty else { return }
        #expect(report.errors.isEmpty)
        let opened = try Syscalls.open(fixture.path("target/d/locked"), flags: SYS_O_RDONLY)
        defer { _ = sys_close(opened) }
        #expect(try InodeFlags.read(opened).contains(.immutable))
        #expect(try Syscalls.status(of: opened).links == 2)
        let again = try fixture.restore(snapshot, to: "target") { $0.overwrite = .always }
        #expect(again.errors.isEmpty && again.filesRestored == 3)
        #expect(try fixture.restore(try fixture.snapshot([]), to: "target") { $0.deletes = true }.errors.isEmpty)
        #expect(fixture.names("target") == [])
    }
}
