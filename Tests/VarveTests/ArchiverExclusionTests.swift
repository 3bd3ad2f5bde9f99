import CSys
import Glibc
import Testing
import Varve
import VarveFormat

@Suite("Archiver exclusions")
struct ArchiverExclusionTests {
    private func names(_ site: CaptureSite, _ change: (inout Archiver.Options) -> Void) throws -> [String] {
        try site.tree(site.capture(.full, change)).keys.filter { !$0.isEmpty }.sorted()
    }

    private func rule(_ text: String, _ action: PathRule.Action = .exclude) throws -> PathRule {
        try PathRule(Array(text.utf8), origin: .option("--exclude"), action: action)
    }

    @Test("rules leave out files and directories, and what is included below comes back")
    func rules() throws {
        let site = try CaptureSite()
        site.makeDirectory("build")
        site.makeDirectory("build/keep")
        site.write("build/x.o", "x")
        site.write("build/keep/y", "y")
        site.makeDirectory("other")
        site.write("a.log", "log")
        site.write("a.txt", "txt")
        let exclude = try [rule("*.log"), rule("build/")]
        let report = try site.capture { $0.exclusions.rules = exclude }
        #expect(try site.tree(report).keys.sorted() == ["", "a.txt", "other"])
        #expect(report.manifest.counts.excluded == 2 && report.manifest.counts.dirs > 0)
        let include = try exclude + [rule("build/keep", .forceInclude)]
        #expect(
            try names(site) { $0.exclusions.rules = include }
                == ["a.txt", "build", "build/keep", "build/keep/y", "other"])
    }

    @Test("an ignore file holds for its directory and those below, also in a directory of several slices")
    func ignoreFile() throws {
        let site = try CaptureSite()
        site.makeDirectory("d")
        site.write("d/.varveignore", "*.tmp\n!keep.tmp\n")
        site.write("d/a.tmp", "x")
        site.write("d/keep.tmp", "x")
        site.write("b.tmp", "x")
        for number in 0..<5_000 { site.write("d/n\(number).tmp") }
        site.write("d/zz.tmp", "x")
        #expect(try names(site) { _ in } == ["b.tmp", "d", "d/.varveignore", "d/keep.tmp"])
    }

    @Test("an ignore file that cannot be a list of rules is reported once")
    func badIgnoreFile() throws {
        let site = try CaptureSite()
        #expect(mkfifo(site.path(".varveignore"), 0o600) == 0)
        site.makeDirectory("d")
        site.makeDirectory("d/.varveignore")
        site.write("d/f", "x")
        let report = try site.capture()
        #expect(report.errors.map(\.operation) == ["ignore file"] && report.manifest.state == .partial)
        #expect(try site.tree(report)["d/f"] != nil)
    }

    @Test("markers and sizes leave out what they should")
    func markers() throws {
        let site = try CaptureSite()
        site.makeDirectory("cache")
        site.write("cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n")
        site.write("cache/big", "x")
        site.makeDirectory("skip")
        site.write("skip/.nobackup")
        site.write("skip/f", "x")
        site.write("small", "12345")
        site.write("large", "123456")
        let found = try names(site) { options in
            options.exclusions.markers = ExcludeMarkers(cacheDirectories: true, names: [Array(".nobackup".utf8)])
            options.exclusions.largerThan = 5
        }
        #expect(found == ["cache", "skip", "skip/.nobackup", "small"])
        // The tag itself is larger than the limit; the directory stays.
    }

    @Test("the repository and its cache inside the source are not captured")
    func ownDirectories() throws {
        let site = try CaptureSite()
        site.write("f", "x")
        let report = try site.capture { options in
            options.paths = [Array(site.scratch.path.utf8)]
            options.ownDirectories = [Array(site.place.utf8), Array(site.cache.utf8)]
        }
        let below = try site.fullTree(report.manifest.treeRoot).keys.filter {
            $0.hasPrefix(site.place + "/") || $0.hasPrefix(site.cache + "/")
        }
        #expect(below.isEmpty && !report.notices.isEmpty && report.errors.isEmpty)
    }

    @Test("a source inside another one is captured whatever rules and markers say about its place")
    func nestedSources() throws {
        let site = try CaptureSite()
        site.makeDirectory("hidden")
        site.makeDirectory("hidden/wanted")
        site.write("hidden/wanted/f", "x")
        site.write("hidden/secret", "x")
        site.write("top", "x")
        let inner = site.path("hidden/wanted")
        let rules = try [rule("hidden")]
        let found = try names(site) { options in
            options.paths.append(Array(inner.utf8))
            options.exclusions.rules = rules
        }
        #expect(found == ["hidden", "hidden/wanted", "hidden/wanted/f", "top"])
    }

    @Test("a source behind a symbolic link inside another source is reported, not left out in silence")
    func nestedBehindLink() throws {
        let site = try CaptureSite()
        site.makeDirectory("real")
        site.write("real/f", "x")
        #expect(symlink("real", site.path("way")) == 0)
        let report = try site.capture { $0.paths.append(Array(site.path("way/f").utf8)) }
        #expect(report.errors.map(\.path) == [Array(site.path("way/f").utf8)])
        #expect(report.manifest.state == .partial)
    }

    @Test("kernel file systems are skipped and counted, and other file systems on request")
    func mountPoints() throws {
        let site = try CaptureSite()
        try #require(geteuid() == 0)
        site.makeDirectory("proc")
        site.makeDirectory("tmpfs")
        site.write("f", "x")
        let isMounted = mount("proc", site.path("proc"), "proc", 0, nil) == 0
            && mount("tmpfs", site.path("tmpfs"), "tmpfs", 0, nil) == 0
        defer { for name in ["proc", "tmpfs"] { umount2(site.path(name), Int32(MNT_DETACH)) } }
        guard isMounted else { return }
        site.write("tmpfs/g", "y")
        let report = try site.capture()
        #expect(try site.tree(report).keys.sorted() == ["", "f", "proc", "tmpfs", "tmpfs/g"])
        #expect(report.manifest.counts.skipped == 1 && report.errors.isEmpty)
        let narrow = try site.capture { $0.staysOnFileSystem = true }
        #expect(try site.tree(narrow).keys.sorted() == ["", "f", "proc", "tmpfs"])
        #expect(narrow.manifest.counts.skipped == 2)
        // One that is named is captured, and so is what says that it is empty but is not.
        let named = try site.capture { options in
            options.staysOnFileSystem = true
            options.paths += [Array(site.path("tmpfs").utf8), Array(site.path("proc/sys/kernel/ostype").utf8)]
        }
        let tree = try site.tree(named)
        #expect(tree["tmpfs/g"] != nil && tree["proc/sys/kernel/ostype"] != nil && tree["proc/uptime"] == nil)
        #expect(try site.content(tree["proc/sys/kernel/ostype"]) == Array("Linux\n".utf8))
    }
}
