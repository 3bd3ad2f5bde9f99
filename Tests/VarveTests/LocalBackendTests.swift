import Crypto
import Glibc
import Testing
import Varve
import VarveFormat

@Suite struct LocalBackendTests {
    private let session = SessionID(3, 4)

    /// A small life of a repository: everything a writer does once.
    private func write(_ backend: LocalBackend) throws(StoreError) {
        try backend.createLayout(directories: ["index", "manifests", "packs/data/00", "sessions"])
        try backend.putIfAbsent("config", Array(repeating: 1, count: 50), session: nil)
        try backend.makeDirectory("sessions/" + session.hex)
        try backend.replace("sessions/" + session.hex + "/beat", [1])
        let pack = [UInt8](repeating: 9, count: 5000)
        let upload = try backend.beginUpload(session: session)
        defer { upload.abandon() }
        var failure: StoreError?
        pack.withUnsafeBytes { bytes in
            do throws(StoreError) { try upload.append(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
        try upload.sync(expected: id(pack))
        try upload.publish(as: "packs/data/00/pack")
        try backend.syncDirectories(["packs/data/00"])
        try backend.putIfAbsent("index/index", Array(repeating: 2, count: 60), session: session)
        try backend.commit(session: session, Array(repeating: 3, count: 70), as: "manifests/manifest")
    }

    private func id(_ bytes: [UInt8]) -> FileID {
        FileID(bytes: Array(SHA256.hash(data: bytes))) ?? FileID(0, 0, 0, 0)
    }

    private func expectWhole(_ layer: any FileLayer) throws {
        let backend = LocalBackend(layer: layer)
        #expect(try backend.read("config", limit: 99) == Array(repeating: 1, count: 50))
        #expect(try backend.read("packs/data/00/pack", limit: 9999) == Array(repeating: 9, count: 5000))
        #expect(try backend.read("index/index", limit: 99) == Array(repeating: 2, count: 60))
        #expect(try backend.read("manifests/manifest", limit: 99) == Array(repeating: 3, count: 70))
    }

    /// Names of files outside sessions/ that have other bytes than `write` gives them.
    private func torn(_ disk: MemoryDisk) -> [String] {
        let sizes = ["config": 50, "pack": 5000, "index": 60, "manifest": 70]
        return disk.contents.compactMap { path, bytes in
            guard let bytes, !path.hasPrefix("sessions/"), !LayerPath.name(path).hasPrefix("tmp-") else { return nil }
            return sizes[LayerPath.name(path)] == bytes.count && Set(bytes).count == 1 && bytes[0] != 0 ? nil : path
        }
    }

    @Test("Files and directories of a repository are for their owner only")
    func modes() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/repository"
        try Syscalls.makeDirectory(Array(path.utf8), mode: 0o755)
        let backend = LocalBackend(path: path)
        try write(backend)
        #expect(backend.warnings.isEmpty)
        for (name, mode) in [("", 0o700), ("/packs/data/00", 0o700), ("/config", 0o600), ("/index/index", 0o600)] {
            #expect(try Syscalls.status(Array((path + name).utf8)).permissions == UInt32(mode), "\(name)")
        }
    }

    @Test("The place is absolute and free of links, and need not exist yet")
    func location() throws {
        let directory = try TemporaryDirectory()
        let link = Array((directory.path + "/link").utf8)
        try Syscalls.symlink(target: Array(directory.path.utf8), link)
        #expect(LocalBackend(path: directory.path + "/link/new/").location == directory.path + "/new")
        #expect(LocalBackend(path: directory.path + "/link").location == directory.path)
    }

    @Test("Without the directory above, the error says what is missing and makes nothing")
    func missingParent() throws {
        let directory = try TemporaryDirectory()
        let backend = LocalBackend(path: directory.path + "/unmounted/repository")
        let error = #expect(throws: StoreError.self) { try backend.createLayout(directories: []) }
        #expect(error?.code == .missing)
        #expect(error?.description.contains("mount the disk") == true)
        #expect(try RealFileLayer(directory.path).list("").isEmpty)
    }

    @Test("A FIFO in place of a file is damage and does not block")
    func fifo() throws {
        let directory = try TemporaryDirectory()
        #expect(mkfifo(directory.path + "/config", 0o600) == 0)
        let error = #expect(throws: StoreError.self) { try LocalBackend(path: directory.path).read("config", limit: 9) }
        #expect(error?.code == .damaged)
    }

    @Test("Removing a tree removes symbolic links, not what they point to")
    func removeTreeKeepsTargets() throws {
        let directory = try TemporaryDirectory()
        let layer = RealFileLayer(directory.path)
        try layer.makeDirectory("outside")
        _ = try layer.create("outside/file")
        try layer.makeDirectory("tree")
        try Syscalls.symlink(target: Array("../outside".utf8), Array((directory.path + "/tree/link").utf8))
        try LocalBackend(layer: layer).removeTree("tree")
        #expect(try layer.list("outside").map(\.name) == ["file"])
        #expect(try layer.list("").map(\.name) == ["outside"])
    }

    @Test("A full disk at any call is noSpace, and no file has its name with other bytes", arguments: [ENOSPC, EDQUOT])
    func fullDisk(errno: Int32) throws {
        var runs = 0
        while true {
            let disk = MemoryFileLayer()
            let fault = Fault(
                runs, .error(errno), calls: [.create, .write, .makeDirectory, .syncData], isLasting: true)
            let layer = FaultyFileLayer(disk, fault)
            do throws(StoreError) {
                try write(LocalBackend(layer: layer))
                #expect(!layer.hasFired)
                break
            } catch {
                #expect(error.code == .noSpace)
                #expect(torn(disk.disk).isEmpty)
            }
            runs += 1
        }
        #expect(runs > 20)
    }

    @Test("An error at any call is reported, or the files are whole")
    func anyError() throws {
        var runs = 0
        var failures = 0
        while true {
            let disk = MemoryFileLayer()
            let layer = FaultyFileLayer(disk, Fault(runs, .error(EIO)))
            do throws(StoreError) {
                try write(LocalBackend(layer: layer))
            } catch {
                #expect(error.errno == EIO)
                #expect(torn(disk.disk).isEmpty)
                failures += 1
                runs += 1
                continue
            }
            try expectWhole(disk)
            if !layer.hasFired { break }
            runs += 1
        }
        #expect(failures > 30)
    }

    @Test("Short writes and reads are made up for")
    func shortWrites() throws {
        for call in 0..<12 {
            let disk = MemoryFileLayer()
            try write(LocalBackend(layer: FaultyFileLayer(disk, Fault(call, .short, calls: [.write]))))
            try expectWhole(FaultyFileLayer(disk, Fault(0, .short, calls: [.read], isLasting: true)))
        }
    }

    @Test("After a failed sync the bytes are in a new file that was synced")
    func failedSync() throws {
        for call in 0..<4 {
            let recorder = RecordingFileLayer()
            let layer = FaultyFileLayer(recorder, Fault(call, .error(EIO), calls: [.syncData]))
            try write(LocalBackend(layer: layer))
            #expect(layer.hasFired)
            try expectWhole(recorder)
            var disk = CrashDisk()
            for operation in recorder.operations { disk.apply(operation) }
            try expectWhole(MemoryFileLayer(disk.afterCrash(CrashPolicy(data: .lost, names: .lost))))
        }
    }

    @Test("Syncs that keep failing end in an error")
    func lastingSyncFailure() throws {
        let disk = MemoryFileLayer()
        let layer = FaultyFileLayer(disk, Fault(0, .error(EIO), calls: [.syncData], isLasting: true))
        let error = #expect(throws: StoreError.self) { try write(LocalBackend(layer: layer)) }
        #expect(error?.errno == EIO)
        #expect(!disk.disk.contents.contains { $0.bytes != nil })
    }

    @Test("Bytes that changed before a failed sync are not written again as if they were right")
    func lostBytes() throws {
        let layer = FaultyFileLayer(MemoryFileLayer(), Fault(0, .error(EIO), calls: [.syncData]))
        let backend = LocalBackend(layer: layer)
        try layer.makeDirectory("sessions")
        try layer.makeDirectory("sessions/" + session.hex)
        let upload = try backend.beginUpload(session: session)
        try [UInt8](repeating: 1, count: 10).withUnsafeBytes { try upload.append($0) }
        let error = #expect(throws: StoreError.self) { try upload.sync(expected: id([2])) }
        #expect(error?.code == .damaged)
    }

    @Test("A power cut at any point leaves every file that has a name whole, and what was acknowledged")
    func powerCuts() throws {
        let recorder = RecordingFileLayer()
        try write(LocalBackend(layer: recorder))
        var disk = CrashDisk()
        var states = 0
        let data: [CrashPolicy.Data] = [.lost, .kept, .zeroFilled, .torn(blockSize: 512), .torn(blockSize: 4096)]
        for (position, operation) in recorder.operations.enumerated() {
            let isPossible = disk.apply(operation)
            #expect(isPossible)
            for data in data {
                for names in [CrashPolicy.Names.lost, .kept, .reordered] {
                    let found = disk.afterCrash(CrashPolicy(data: data, names: names, seed: UInt64(states)))
                    #expect(torn(found) == [], "operation \(position), \(data), \(names), seed \(states)")
                    states += 1
                    if position == recorder.operations.count - 1 { try expectWhole(MemoryFileLayer(found)) }
                }
            }
        }
    }

    @Test("Without any one of its syncs a power cut does harm")
    func everySyncIsNeeded() throws {
        let recorder = RecordingFileLayer()
        try write(LocalBackend(layer: recorder))
        let operations = recorder.operations
        // The layout's own syncs cover each other; those of the files do not.
        let config = try #require(operations.firstIndex { if case .create = $0 { true } else { false } })
        for (position, operation) in operations.enumerated() where position > config && operation.isSync {
            if case .syncDirectory("sessions") = operation { continue }
            var disk = CrashDisk()
            for (other, operation) in operations.enumerated() where other != position { disk.apply(operation) }
            let found = disk.afterCrash(CrashPolicy(data: .lost, names: .lost))
            let kept = disk.afterCrash(CrashPolicy(data: .lost, names: .kept))
            let files = Set(found.contents.map(\.path))
            let all = ["config", "packs/data/00/pack", "index/index", "manifests/manifest"]
            let isWhole = torn(kept).isEmpty && files.isSuperset(of: all)
            #expect(!isWhole, "\(operation) at \(position)")
        }
    }
}
