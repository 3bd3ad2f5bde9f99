import Glibc
import Synchronization
import Testing
import Varve
import VarveFormat

/// Says of every database that its content is another one, or fails.
private final class Provider: ContentProvider {
    enum Behaviour: Sendable {
        case content([UInt8])
        /// The first times it changes while it is read.
        case unstable(times: Int, [UInt8])
        case replaced(times: Int, [UInt8])
        case fails
    }

    let behaviour: Behaviour
    let requiredPaths: Set<[UInt8]>
    let asked = Mutex<[String]>([])

    init(_ behaviour: Behaviour, required: Set<String> = []) {
        self.behaviour = behaviour
        requiredPaths = Set(required.map { Array($0.utf8) })
    }

    func content(of file: ProvidedFile) throws(StoreError) -> ProvidedAnswer {
        let count = asked.withLock { asked in
            asked.append(String(decoding: file.path, as: UTF8.self))
            return asked.count
        }
        switch behaviour {
        case .content(let bytes): return .content(Content(bytes, isStable: true))
        case .unstable(let times, let bytes): return .content(Content(bytes, isStable: count > times))
        case .replaced(let times, let bytes):
            return count > times ? .content(Content(bytes, isStable: true)) : .replaced
        case .fails: throw StoreError(.busy, "it is locked", remedy: "wait")
        }
    }
}

private final class Content: ProvidedContent {
    private let bytes: [UInt8]
    private let isStable: Bool

    init(_ bytes: [UInt8], isStable: Bool) {
        self.bytes = bytes
        self.isStable = isStable
    }

    var size: UInt64 { UInt64(bytes.count) }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        let part = bytes.dropFirst(Int(offset)).prefix(buffer.count)
        buffer.copyBytes(from: part)
        return part.count
    }

    func finish() throws(StoreError) -> ProvidedStatement? {
        isStable ? ProvidedStatement(description: ["capture": .string("online")]) : nil
    }
}

@Suite("Databases in a capture")
struct DatabaseCaptureTests {
    private let stored = DatabaseFile.magic + [UInt8](repeating: 1, count: 4_080)
    private let provided = DatabaseFile.magic + [UInt8](repeating: 2, count: 100_000)

    private func site() throws -> CaptureSite {
        let site = try CaptureSite()
        site.write("app.db", stored)
        site.write("app.db-wal", "log")
        site.write("app.db-shm", "index")
        site.write("app.db-journal", "journal")
        site.write("app.txt", "text")
        site.write("app.txt-wal", "no log")
        return site
    }

    private func names(_ site: CaptureSite, _ report: ArchiveReport) throws -> [String] {
        try site.tree(report).keys.filter { !$0.isEmpty }.sorted()
    }

    @Test("a database has the provider's content, and what belongs to it is left out", arguments: [
        SnapshotKind.full, .quick,
    ])
    func captured(kind: SnapshotKind) throws {
        let site = try site()
        let provider = Provider(.content(provided))
        let report = try site.capture(kind) { $0.contentProvider = provider }
        #expect(try names(site, report) == ["app.db", "app.txt", "app.txt-wal"])
        let entry = try site.tree(report)["app.db"]
        #expect(try site.content(entry) == provided)
        #expect(entry?.content == .file(size: UInt64(provided.count), blobs: try #require(entry?.blobs)))
        #expect(report.manifest.databases.map { $0["path"]?.stringValue } == [site.path("app.db")])
        #expect(report.manifest.databases.first?["capture"]?.stringValue == "online")
        #expect(report.manifest.state == .complete)
        #expect(provider.asked.withLock { $0 } == [site.path("app.db")])
    }

    @Test("files that are sources themselves are taken the same way")
    func sources() throws {
        let site = try site()
        let provider = Provider(.content(provided))
        let report = try site.capture { options in
            options.contentProvider = provider
            options.paths = ["app.db", "app.db-wal", "app.db-shm"].map { Array(site.path($0).utf8) }
        }
        #expect(try names(site, report) == ["app.db"])
        #expect(try site.content(site.tree(report)["app.db"]) == provided)
    }

    @Test("if the provider fails, the bytes are copied with what belongs to them, and that is an error")
    func failed() throws {
        let site = try site()
        let report = try site.capture { $0.contentProvider = Provider(.fails) }
        let all = ["app.db", "app.db-journal", "app.db-shm", "app.db-wal", "app.txt", "app.txt-wal"]
        #expect(try names(site, report) == all)
        try site.expectSameAsSource(report)
        #expect(report.manifest.state == .partial)
        #expect(report.errors.map(\.operation) == ["database"])
        // It is not trusted by the next one.
        let provider = Provider(.content(provided))
        let second = try site.capture(.quick) { $0.contentProvider = provider }
        #expect(try names(site, second) == ["app.db", "app.txt", "app.txt-wal"])
        #expect(try site.content(site.tree(second)["app.db"]) == provided)
    }

    @Test("one that was asked for and cannot be had is left out")
    func refused() throws {
        let site = try site()
        let provider = Provider(.fails, required: [site.path("app.db")])
        let report = try site.capture { $0.contentProvider = provider }
        #expect(try site.tree(report)["app.db"] == nil)
        #expect(report.manifest.state == .partial)
    }

    @Test("a database that changes or is replaced meanwhile is asked for again")
    func again() throws {
        for behaviour in [Provider.Behaviour.unstable(times: 2, provided), .replaced(times: 2, provided)] {
            let site = try site()
            let provider = Provider(behaviour)
            let report = try site.capture { $0.contentProvider = provider }
            #expect(try site.content(site.tree(report)["app.db"]) == provided)
            #expect(report.manifest.state == .complete)
            #expect(provider.asked.withLock { $0.count } == 3)
        }
    }

    @Test("quick reads a database again if only its log changed, and then trusts it")
    func logAlone() throws {
        let site = try site()
        func quick() throws -> Int {
            let provider = Provider(.content(provided))
            let report = try site.capture(.quick) { $0.contentProvider = provider }
            #expect(try names(site, report) == ["app.db", "app.txt", "app.txt-wal"])
            #expect(report.manifest.databases.count == 1)
            return provider.asked.withLock { $0.count }
        }
        #expect(try quick() == 1)
        #expect(try quick() == 0)
        site.write("app.db-wal", "another log")
        #expect(try quick() == 1)
        #expect(try quick() == 0)
    }

    @Test("what is counted is what was captured, not what the file has without its log", arguments: [
        SnapshotKind.full, .quick,
    ])
    func counted(kind: SnapshotKind) throws {
        let site = try CaptureSite()
        site.write("app.db", stored)
        var component = Archiver.Component(record: ["name": .string("database")])
        component.paths = [Array(site.path("app.db").utf8)]
        let components = [component]
        for _ in 0..<2 {
            let report = try site.capture(kind) { options in
                options.contentProvider = Provider(.content(provided))
                options.paths = components[0].paths
                options.components = components
            }
            let size = Int64(provided.count)
            #expect(report.manifest.components.first?["bytes_total"]?.integerValue == size)
            #expect(report.manifest.bytes.total == provided.count)
        }
    }

    @Test("one that was asked for is read by quick captures too")
    func requiredIsRead() throws {
        let site = try site()
        for _ in 0..<2 {
            let provider = Provider(.content(provided), required: [site.path("app.db")])
            try site.capture(.quick) { $0.contentProvider = provider }
            #expect(provider.asked.withLock { $0.count } == 1)
        }
    }

    @Test("without a provider everything is copied")
    func noProvider() throws {
        let site = try site()
        let report = try site.capture()
        try site.expectSameAsSource(report)
        #expect(try names(site, report).count == 6)
        #expect(report.manifest.databases.isEmpty)
    }
}

extension TreeEntry {
    fileprivate var blobs: FileContent? {
        guard case .file(_, let blobs) = content else { return nil }
        return blobs
    }
}
