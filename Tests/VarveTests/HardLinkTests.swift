import Testing
import Varve
import VarveFormat

@Suite("Hard links")
struct HardLinkTests {
    @Test("links of one file share a key and the content, and are read once")
    func set() throws {
        let site = try CaptureSite()
        site.makeDirectory("a")
        site.makeDirectory("b")
        site.write("b/first", "content")
        site.link("b/first", "a/second")
        site.link("b/first", "b/third")
        let report = try site.capture()
        let tree = try site.tree(report)
        let links = [tree["b/first"], tree["a/second"], tree["b/third"]].compactMap(\.self)
        #expect(Set(links.map(\.hardLinkKey)).count == 1 && links.count == 3)
        let smallest = Array(site.path("a/second").utf8)
        #expect(links[0].hardLinkKey == (try site.repository().keys.nameHash(smallest)))
        #expect(report.manifest.counts.files == 3)
        try site.expectSameAsSource(report)
        let second = try site.capture(.quick)
        #expect(second.manifest.treeRoot == report.manifest.treeRoot && second.manifest.bytes.read == 0)
    }

    @Test("a link whose other paths lie outside has no key")
    func alone() throws {
        let site = try CaptureSite()
        site.write("f", "x")
        FileTool.write(site.scratch.path + "/outside", [])
        site.link("f", "../other")
        #expect(try site.tree(site.capture())["f"]?.hardLinkKey == nil)
    }

    @Test("links far apart in a directory of several slices, and below waiting directories, are one set")
    func acrossSlices() throws {
        let site = try CaptureSite()
        // The first slice holds a directory that waits for keys; the other link comes slices later, and deep.
        site.makeDirectory("aa")
        site.makeDirectory("aa/deep")
        site.write("aa/deep/one", "linked")
        for number in 0..<9_000 { site.write("f\(number)") }
        site.makeDirectory("zz")
        site.makeDirectory("zz/deep")
        site.link("aa/deep/one", "zz/deep/two")
        site.link("aa/deep/one", "zzz")
        let report = try site.capture()
        let tree = try site.tree(report)
        let key = tree["aa/deep/one"]?.hardLinkKey
        #expect(key != nil && tree["zz/deep/two"]?.hardLinkKey == key && tree["zzz"]?.hardLinkKey == key)
        #expect(tree.count == 9_008)
        #expect(try site.capture(.quick).manifest.treeRoot == report.manifest.treeRoot)
    }

    @Test("many directories of linked files need few descriptors")
    func descriptors() throws {
        let site = try CaptureSite()
        for number in 0..<1_500 {
            site.makeDirectory("d\(number)")
            site.write("d\(number)/f", "\(number)")
            site.link("d\(number)/f", "d\(number)/g")
        }
        let report = try site.capture()
        #expect(report.errors.isEmpty && report.manifest.counts.files == 3_000)
        let tree = try site.tree(report)
        #expect(tree["d7/f"]?.hardLinkKey != nil && tree["d7/f"]?.hardLinkKey == tree["d7/g"]?.hardLinkKey)
        #expect(tree["d7/f"]?.hardLinkKey != tree["d8/f"]?.hardLinkKey)
    }
}
