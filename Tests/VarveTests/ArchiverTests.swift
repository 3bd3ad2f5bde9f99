import CSys
import Glibc
import Testing
import Varve
import VarveFormat

@Suite("Archiver")
struct ArchiverTests {
    @Test("every kind of entry comes out with its content and attributes")
    func kinds() throws {
        let site = try CaptureSite()
        site.write("empty")
        site.write("small", "hello")
        site.write("large", random: 3_000_000, seed: 1)
        site.makeDirectory("d")
        site.write("d/f", "in a directory")
        site.makeDirectory("hollow")
        #expect(symlink("../else where", site.path("link")) == 0)
        #expect(mkfifo(site.path("fifo"), 0o640) == 0)
        #expect(chmod(site.path("small"), 0o4711) == 0)
        let report = try site.capture()
        #expect(report.errors.isEmpty && report.manifest.state == .complete)
        let tree = try site.tree(report)
        #expect(tree.keys.sorted() == ["", "d", "d/f", "empty", "fifo", "hollow", "large", "link", "small"])
        #expect(tree["small"]?.attributes.mode == 0o4711)
        #expect(tree["link"]?.content == .symlink(target: Array("../else where".utf8)))
        #expect(tree["fifo"]?.type == .fifo && tree["fifo"]?.attributes.mode == 0o640)
        #expect(tree["hollow"]?.content == .directory(.empty))
        #expect(tree["empty"]?.content == .file(size: 0, blobs: .empty))
        let stat = try FileStat.at(SYS_AT_FDCWD, Array(site.path("d/f").utf8))
        #expect(tree["d/f"]?.attributes.mtimeNanoseconds == stat.mtimeNanoseconds)
        try site.expectSameAsSource(report)
        let counts = report.manifest.counts
        #expect(counts.files == 4 && counts.symlinks == 1 && counts.specials == 1 && counts.filesNew == 4)
        #expect(report.manifest.bytes.total == 3_000_019 && report.manifest.bytes.read == 3_000_019)
    }

    @Test("directories above a source are implied, also through a symbolic link")
    func implied() throws {
        let site = try CaptureSite()
        site.makeDirectory("real")
        site.write("real/f", "x")
        #expect(symlink("real", site.path("way")) == 0)
        let report = try site.capture { $0.paths = [Array((site.source + "/way/f").utf8)] }
        let tree = try site.fullTree(report.manifest.treeRoot)
        let above = tree[site.source + "/way"]
        #expect(above?.isImplied == true && above?.type == .directory && above?.attributes.mtimeSeconds == 0)
        #expect(try site.content(tree[site.source + "/way/f"]) == Array("x".utf8))
    }

    @Test("a source may be a file or a symbolic link, and an unchanged file is not read again")
    func fileSources() throws {
        let site = try CaptureSite()
        site.write("f", "content")
        #expect(symlink("f", site.path("l")) == 0)
        let paths = [Array(site.path("f").utf8), Array(site.path("l").utf8)]
        let first = try site.capture { $0.paths = paths }
        let tree = try site.fullTree(first.manifest.treeRoot)
        #expect(try site.content(tree[site.path("f")]) == Array("content".utf8))
        #expect(tree[site.path("l")]?.type == .symlink)
        let second = try site.capture(.quick) { $0.paths = paths }
        #expect(second.manifest.bytes.read == 0 && second.manifest.treeRoot == first.manifest.treeRoot)
    }

    @Test("a path below a file is an error, not that file")
    func belowFile() throws {
        let site = try CaptureSite()
        site.write("f", "x")
        #expect(throws: StoreError.self) { try site.capture { $0.paths = [Array(site.path("f/g").utf8)] } }
        let report = try site.capture { $0.paths.append(Array((site.scratch.path + "/absent").utf8)) }
        #expect(report.errors.map(\.errno) == [ENOENT] && report.manifest.state == .partial)
    }

    @Test("an empty source is refused unless that is allowed")
    func emptySource() throws {
        let site = try CaptureSite()
        #expect { try site.capture() } throws: { ($0 as? StoreError)?.code == .failed }
        #expect(try site.files("manifests").isEmpty && site.files("sessions").isEmpty)
        #expect(try site.capture { $0.allowsEmpty = true }.snapshotID != nil)
    }

    @Test("names of any bytes and of 255 bytes are captured in byte order")
    func names() throws {
        let site = try CaptureSite()
        let names: [[UInt8]] = [
            [0xff, 0x0a, 0x1b], Array("caf\u{e9}".utf8), Array("cafe\u{301}".utf8),
            Array(repeating: UInt8(ascii: "n"), count: 255), [1],
        ]
        let directory = try Syscalls.open(Array(site.source.utf8), flags: O_RDONLY | O_DIRECTORY)
        defer { close(directory) }
        for name in names { close(try Syscalls.open(name, at: directory, flags: O_WRONLY | O_CREAT, mode: 0o600)) }
        let report = try site.capture()
        let blobs = try SnapshotBlobs(site.repository())
        let content = try #require(try site.tree(report)[""]).content
        guard case .directory(let entries) = content else { return }
        let sorted = names.sorted { $0.lexicographicallyPrecedes($1) }
        #expect(try blobs.entries(entries).map(\.name) == sorted)
    }

    @Test("a directory of 50,000 names is cut into trees, and one change rewrites one of them", .timeLimit(.minutes(2)))
    func manyNames() throws {
        let site = try CaptureSite()
        for number in 0..<50_000 {
            close(open(site.path("file-\(number)"), O_WRONLY | O_CLOEXEC | O_CREAT, 0o600))
        }
        let first = try site.capture()
        let tree = try site.tree(first)
        #expect(tree.count == 50_001)
        guard case .directory(.treeList)? = tree[""]?.content else {
            Issue.record("not cut")
            return
        }
        site.write("file-777", "changed")
        let second = try site.capture(.quick)
        #expect(second.manifest.counts.filesUnmodified == 49_999 && second.manifest.bytes.read == 7)
        #expect(second.manifest.counts.blobsNew < 12)
        #expect(try site.capture(.full).manifest.treeRoot == second.manifest.treeRoot)
    }

    @Test("a dry run counts and stores nothing")
    func dryRun() throws {
        let site = try CaptureSite()
        site.write("f", "abc")
        let report = try site.capture { $0.isDryRun = true }
        #expect(report.snapshotID == nil && report.manifest.counts.files == 1 && report.manifest.bytes.total == 3)
        #expect(try site.files("manifests").isEmpty && site.files("sessions").isEmpty && site.files("index").isEmpty)
    }

    @Test("counting first tells what is to come")
    func countsFirst() throws {
        let site = try CaptureSite()
        site.write("f", "abc")
        site.makeDirectory("d")
        site.write("d/g", "defg")
        site.write("skipped.log", "long")
        let progress = Progress()
        try site.capture(progress: progress) { options in
            options.countsFirst = true
            let rule = try? PathRule(Array("*.log".utf8), origin: .option("--exclude"))
            options.exclusions.rules = [rule].compactMap(\.self)
        }
        let values = progress.read()
        #expect(values.filesTotal == 2 && values.bytesTotal == 7)
        #expect(values.filesDone == 2 && values.bytesDone == 7 && values.bytesRead == 7)
    }

    @Test("a snapshot that would equal its parent is left out on request")
    func unchanged() throws {
        let site = try CaptureSite()
        site.write("f", "abc")
        let first = try site.capture()
        let second = try site.capture(.quick) { $0.skipsIfUnchanged = true }
        #expect(second.isUnchanged && second.snapshotID == nil)
        site.write("f", "abcd")
        let third = try site.capture(.quick) { $0.skipsIfUnchanged = true }
        #expect(third.snapshotID != nil && third.manifest.parent == first.snapshotID)
    }

    @Test("a name is given once")
    func takenName() throws {
        let site = try CaptureSite()
        site.write("f", "abc")
        try site.capture { $0.name = "before" }
        #expect { try site.capture { $0.name = "before" } } throws: { ($0 as? StoreError)?.code == .exists }
    }

    @Test("a stream becomes a file below directories that need not exist, and its failure ends the capture")
    func streams() throws {
        let site = try CaptureSite()
        site.write("f", "abc")
        var pipes: [Int32] = [0, 0]
        func stream(_ path: String, _ text: String, _ error: StoreError?) -> Archiver.Stream {
            #expect(pipe(&pipes) == 0)
            #expect(Glibc.write(pipes[1], text, text.utf8.count) == text.utf8.count)
            close(pipes[1])
            return Archiver.Stream(path: Array(path.utf8), descriptor: pipes[0]) { () throws(StoreError) in
                if let error { throw error }
            }
        }
        let good = stream("/no such directory/dump.sql", "select 1", nil)
        let report = try site.capture { $0.streams = [good] }
        close(pipes[0])
        let tree = try site.fullTree(report.manifest.treeRoot)
        #expect(try site.content(tree["/no such directory/dump.sql"]) == Array("select 1".utf8))
        #expect(tree["/no such directory"]?.isImplied == true && report.errors.isEmpty)
        let bad = stream("/dump", "half", StoreError(.failed, "exit status 1"))
        #expect(throws: StoreError.self) { try site.capture { $0.streams = [bad] } }
        close(pipes[0])
        let inside = stream(site.source + "/dump", "x", nil)
        #expect { try site.capture { $0.streams = [inside] } } throws: { ($0 as? StoreError)?.code == .usage }
        close(pipes[0])
        #expect(try site.files("manifests").count == 1)
    }

    @Test("a capture with many files and threads equals one with a single thread")
    func threads() throws {
        let site = try CaptureSite(threads: 4)
        var random = SeededBytes(seed: 99)
        for directory in 0..<20 {
            site.makeDirectory("d\(directory)")
            for file in 0..<40 { site.write("d\(directory)/f\(file)", random.bytes(random.below(9_000))) }
        }
        let first = try site.capture()
        let alone = try CaptureSite(threads: 1)
        let second = try alone.capture { $0.paths = [Array(site.source.utf8)] }
        #expect(first.manifest.treeRoot == second.manifest.treeRoot)
        try site.expectSameAsSource(first)
    }

    @Test("a long file that idle workers help with equals one that a single worker stores")
    func sharedFile() throws {
        let site = try CaptureSite(threads: 4)
        site.write("long", random: 40_000_000, seed: 5)
        let first = try site.capture()
        try site.expectSameAsSource(first)
        let alone = try CaptureSite(threads: 1)
        #expect(try alone.capture { $0.paths = [Array(site.source.utf8)] }.manifest.treeRoot == first.manifest.treeRoot)
        let second = try site.capture(.quick)
        #expect(second.manifest.bytes.read == 0 && second.manifest.treeRoot == first.manifest.treeRoot)
    }

    @Test("two captures into one repository at the same time both succeed")
    func concurrent() throws {
        let site = try CaptureSite()
        for number in 0..<30 { site.write("f\(number)", random: 200_000, seed: UInt64(number)) }
        let reports = Reports()
        try Threads.run(2) { number throws(StoreError) in
            do {
                reports.add(try site.capture(usesCache: false) { $0.host = "host \(number)" })
            } catch let error as StoreError {
                throw error
            } catch {
                throw StoreError(.failed, "\(error)")
            }
        }
        #expect(reports.all.count == 2)
        for report in reports.all { try site.expectSameAsSource(report) }
        #expect(try site.repository().snapshots().snapshots.count == 2)
        #expect(try site.files("sessions").isEmpty)
    }

    @Test("a session that is ended by somebody else costs a new start, not the snapshot")
    func lostSession() throws {
        let site = try CaptureSite()
        site.write("f", random: 300_000, seed: 3)
        let place = site.place
        let losses = Counter()
        let backend = HookedBackend(LocalBackend(path: place)) { _ in
        } onCommit: { session in
            if losses.next() == 1 { _ = try LocalBackend(path: place).expire(session: session) }
        }
        let report = try site.capture(on: backend)
        #expect(losses.value == 2)
        try site.expectSameAsSource(report)
        #expect(try site.files("manifests").count == 1 && site.files("sessions").isEmpty)
    }
}
