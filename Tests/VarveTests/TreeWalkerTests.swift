import Testing
import Varve
import VarveFormat

@Suite struct TreeWalkerTests {
    private func walk(
        _ fixture: SnapshotFixture, _ snapshot: Snapshot, start: String = "/", skipping: String? = nil
    ) throws -> [String] {
        let content = try SnapshotContent(fixture.repository)
        var walker = try TreeWalker(content.loader, root: snapshot.manifest.treeRoot, start: Array(start.utf8))
        var events: [String] = []
        while let event = walker.next() {
            let path = String(decoding: walker.path, as: UTF8.self)
            switch event {
            case .entry:
                events.append(path)
                if path == skipping { walker.skipContents() }
            case .leave: events.append("leave \(path)")
            case .failure(let error): events.append("\(error.code) \(path)")
            }
        }
        return events
    }

    private func sample(_ fixture: SnapshotFixture) throws -> Snapshot {
        try fixture.snapshot([
            fixture.directory("a", [fixture.directory("b", [fixture.file("f")]), fixture.directory("c", [])]),
            fixture.file("a.txt"),
        ])
    }

    @Test func `What is in a directory comes directly behind it`() throws {
        let fixture = try SnapshotFixture()
        #expect(
            try walk(fixture, try sample(fixture)) == [
                "/", "/a", "/a/b", "/a/b/f", "leave /a/b", "/a/c", "leave /a/c", "leave /a", "/a.txt", "leave /",
            ])
    }

    @Test func `A walk starts at any path`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try sample(fixture)
        #expect(try walk(fixture, snapshot, start: "/a/b") == ["/a/b", "/a/b/f", "leave /a/b"])
        #expect(try walk(fixture, snapshot, start: "a/b/f/") == ["/a/b/f"])
        let error = #expect(throws: StoreError.self) { try walk(fixture, snapshot, start: "/a/x/y") }
        #expect(error?.code == .notFound && error?.path == Array("/a/x".utf8))
    }

    @Test func `A directory can be passed by`() throws {
        let fixture = try SnapshotFixture()
        let events = try walk(fixture, try sample(fixture), skipping: "/a")
        #expect(events == ["/", "/a", "/a.txt", "leave /"])
    }

    @Test func `A directory that cannot be read costs nothing beside it`() throws {
        let fixture = try SnapshotFixture()
        var lost = fixture.directory("b", [])
        lost.content = .directory(.tree(BlobID(1, 2, 3, 4)))
        let snapshot = try fixture.snapshot([fixture.file("a"), lost, fixture.file("c")])
        #expect(
            try walk(fixture, snapshot) == ["/", "/a", "/b", "missing /b", "leave /b", "/c", "leave /"])
    }

    @Test func `A piece of a cut directory that cannot be read costs its own entries alone`() throws {
        let fixture = try SnapshotFixture()
        let pieces = ["a", "c"].map { name in
            fixture.blob(.tree, TreeCoding.encode(entries: [fixture.file(name)]))
        }
        let list = BlobListNode(level: 0, ids: [pieces[0], BlobID(9, 9, 9, 9), pieces[1]])
        var directory = fixture.directory("d", [])
        directory.content = .directory(.treeList(fixture.blob(.treeList, list.encode())))
        #expect(
            try walk(fixture, try fixture.snapshot([directory])) == [
                "/", "/d", "/d/a", "missing /d", "/d/c", "leave /d", "leave /",
            ])
    }

    @Test func `A list that repeats a piece ends its directory`() throws {
        let fixture = try SnapshotFixture()
        let piece = fixture.blob(.tree, TreeCoding.encode(entries: [fixture.file("a")]))
        var directory = fixture.directory("d", [])
        let list = BlobListNode(level: 0, ids: [piece, piece, piece])
        directory.content = .directory(.treeList(fixture.blob(.treeList, list.encode())))
        #expect(
            try walk(fixture, try fixture.snapshot([directory, fixture.file("e")])) == [
                "/", "/d", "/d/a", "damaged /d", "leave /d", "/e", "leave /",
            ])
    }

    @Test func `A root tree of anything but one directory is damage`() throws {
        let fixture = try SnapshotFixture()
        let root = fixture.blob(.tree, TreeCoding.encode(entries: [fixture.file("a")]))
        let error = #expect(throws: StoreError.self) { try walk(fixture, try fixture.snapshot(rootTree: root)) }
        #expect(error?.code == .damaged)
    }

    @Test func `Entries that were dropped to save memory are loaded again`() throws {
        let fixture = try SnapshotFixture()
        // Each level holds many names behind the directory that leads down.
        var names: [TreeEntry] = []
        for number in 0..<3_000 { names.append(fixture.file("f\(number + 10_000)", "")) }
        var entry = fixture.directory("d", names)
        for _ in 0..<30 { entry = fixture.directory("d", [entry] + names) }
        let events = try walk(fixture, try fixture.snapshot([entry]))
        #expect(events.count == 31 * 3_000 + 31 * 2 + 2)
        #expect(Set(events).count == events.count)
    }
}
