import CSys
import Glibc
import Testing
import Varve
import VarveFormat

@Suite("Stat cache")
struct StatCacheTests {
    private func site() throws -> CaptureSite {
        let site = try CaptureSite()
        site.makeDirectory("d")
        for number in 0..<10 { site.write("d/f\(number)", random: 50_000, seed: UInt64(number)) }
        site.write("top", "top")
        #expect(symlink("top", site.path("l")) == 0)
        return site
    }

    @Test("a quick capture of what has not changed reads and adds nothing and has the full one's tree")
    func nothingChanged() throws {
        let site = try site()
        let full = try site.capture(.full)
        let quick = try site.capture(.quick)
        #expect(quick.manifest.treeRoot == full.manifest.treeRoot && quick.snapshotID != full.snapshotID)
        #expect(quick.manifest.bytes.read == 0 && quick.manifest.bytes.added == 0 && quick.manifest.bytes.stored == 0)
        #expect(quick.manifest.counts.filesUnmodified == 11 && quick.bytesUnchanged == 0)
        let again = try site.capture(.full)
        #expect(again.manifest.treeRoot == full.manifest.treeRoot && again.manifest.bytes.read == 500_003)
        #expect(again.bytesUnchanged == 500_003 && again.manifest.bytes.added == 0)
    }

    @Test("changed, new and removed files are found")
    func changes() throws {
        let site = try site()
        try site.capture(.full)
        site.write("d/f3", "shorter now")
        site.write("d/new", "new")
        #expect(unlink(site.path("d/f5")) == 0 && chmod(site.path("top"), 0o600) == 0)
        let quick = try site.capture(.quick)
        #expect(quick.manifest.counts.filesChanged == 2 && quick.manifest.counts.filesNew == 1)
        try site.expectSameAsSource(quick)
        #expect(try site.tree(quick)["d/f5"] == nil)
        #expect(try site.capture(.full).manifest.treeRoot == quick.manifest.treeRoot)
    }

    @Test("a rewrite right after the capture, of the same size and with its time put back, is found")
    func racy() throws {
        let site = try site()
        func capture(_ kind: SnapshotKind) throws -> ArchiveReport {
            // So long that no machine is too slow for it.
            try site.capture(kind) { $0.settlingSeconds = 86_400 }
        }
        _ = try capture(.full)
        let before = try FileStat.at(SYS_AT_FDCWD, Array(site.path("top").utf8))
        FileTool.write(site.path("top"), Array("pot".utf8), flags: 0)
        FileTool.setTime(site.path("top"), before)
        let quick = try capture(.quick)
        #expect(try site.content(site.tree(quick)["top"]) == Array("pot".utf8))
        // What changed too shortly before it was read is read again, whether it changed or not.
        #expect(quick.manifest.bytes.read == 500_003 && quick.bytesUnchanged == 0)
    }

    @Test("times in the future are never trusted")
    func future() throws {
        let site = try CaptureSite()
        site.write("f", "abc")
        let time = timespec(tv_sec: 4_000_000_000, tv_nsec: 1)
        #expect(utimensat(AT_FDCWD, site.path("f"), [time, time], 0) == 0)
        try site.capture(.full)
        #expect(try site.capture(.quick).manifest.bytes.read == 3)
    }

    @Test("a lost pack makes the next quick capture store the lost blobs anew")
    func lostPack() throws {
        let site = try site()
        let full = try site.capture(.full)
        let backend = LocalBackend(path: site.place)
        for directory in try backend.list("packs/data") {
            for pack in try backend.list("packs/data/\(directory.name)") {
                try backend.remove("packs/data/\(directory.name)/\(pack.name)")
            }
        }
        let quick = try site.capture(.quick) { $0.skipsIfUnchanged = true }
        #expect(quick.isUnchanged && quick.manifest.treeRoot == full.manifest.treeRoot)
        try site.expectSameAsSource(full)
    }

    @Test("a cache that is damaged or of a lost snapshot is not used, and costs reading only")
    func badCaches() throws {
        let site = try site()
        let full = try site.capture(.full)
        let directory = try #require(try site.repository().cacheDirectory)
        let names = try LocalBackend(path: directory).list("").map(\.name).filter { $0.hasPrefix("stat-") }
        #expect(names.count == 1)
        let path = directory + "/" + names[0]
        let bytes = FileTool.read(path)
        var random = SeededBytes(seed: 17)
        for _ in 0..<60 {
            var damaged = bytes
            for _ in 0..<8 { damaged[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next()) }
            FileTool.write(path, Array(damaged.prefix(random.below(bytes.count) + 1)))
            _ = try site.capture(.quick) { $0.isDryRun = true }
        }
        FileTool.write(path, bytes)
        try LocalBackend(path: site.place).remove("manifests/\(try #require(full.snapshotID).hex)")
        #expect(try site.capture(.quick).manifest.bytes.read == 500_003)
    }

    @Test("what a process that is gone left in the cache directory is removed")
    func leftovers() throws {
        let site = try site()
        try site.capture(.full)
        let directory = try #require(try site.repository().cacheDirectory)
        FileTool.write(directory + "/stat-\(Int32.max)-77.tmp", [1])
        try site.capture(.quick)
        let names = try LocalBackend(path: directory).list("").map(\.name).filter { $0.hasPrefix("stat-") }
        #expect(names.count == 1)
    }

    @Test("a different name for the same owner is found by quick as by full")
    func owners() throws {
        var memo = OwnerMemo()
        let names = OwnerNames()
        var attributes = Attributes(mode: 0o644, uid: 0, gid: 0, owner: names.user(0), group: names.group(0))
        let (first, again) = (memo.areCurrent(attributes, names), memo.areCurrent(attributes, names))
        #expect(first && again)
        attributes.owner = Array("formerly".utf8)
        let renamed = memo.areCurrent(attributes, names)
        #expect(!renamed)
        attributes.owner = names.user(0)
        attributes.group = Array("staff of old".utf8)
        let regrouped = memo.areCurrent(attributes, names)
        #expect(!regrouped)
    }

    @Test("without a cache size and time of the parent are enough on request, and only then")
    func trustedTimes() throws {
        let site = try site()
        let full = try site.capture(.full, usesCache: false)
        let distrusting = try site.capture(.quick, usesCache: false)
        #expect(distrusting.manifest.bytes.read == 500_003)
        site.write("d/f2", "changed")
        #expect(chmod(site.path("d/f3"), 0o600) == 0)
        let trusting = try site.capture(.quick, usesCache: false) { $0.trustsModificationTime = true }
        #expect(trusting.manifest.trustMtime && trusting.manifest.parent == distrusting.snapshotID)
        #expect(trusting.manifest.bytes.read == 7 && trusting.manifest.counts.filesUnmodified == 10)
        #expect(trusting.manifest.counts.filesChanged == 1)
        #expect(try site.tree(trusting)["d/f3"]?.attributes.mode == 0o600)
        try site.expectSameAsSource(trusting)
        #expect(try site.capture(.full, usesCache: false).manifest.treeRoot == trusting.manifest.treeRoot)
        #expect(full.manifest.treeRoot != trusting.manifest.treeRoot)
    }
}
