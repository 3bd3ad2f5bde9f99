import CSys
import Glibc
import Testing
import Varve

@Suite("NameList")
struct NameListTests {
    private func list(_ names: [[UInt8]]) throws -> NameList {
        var list = NameList()
        for name in names { try name.withUnsafeBytes { try list.append($0, type: SYS_DT_REG) } }
        list.sort()
        return list
    }

    private func names(_ list: NameList) -> [[UInt8]] { (0..<list.count).map { Array(list.name($0)) } }

    @Test("names are sorted by bytes, whatever they begin with, each once")
    func order() throws {
        let seed = UInt64.random(in: .min ... .max)
        var state = seed
        func next(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
        for _ in 0..<50 {
            let prefix = Array(repeating: UInt8(ascii: "p"), count: Int(next(20)))
            let input = (0..<next(300)).map { _ in
                prefix + (0...next(12)).map { _ in UInt8(1 + (next(4) == 0 ? next(255) : next(3))) }
            }
            let expected = Set(input).sorted { $0.lexicographicallyPrecedes($1) }
            #expect(names(try list(input)) == expected, "seed \(seed)")
        }
    }

    @Test("a name is found, one that is not there is not")
    func search() throws {
        let found = try list(["b", "a", "ab", "abc", "\u{FF}"].map { Array($0.utf8) })
        for index in 0..<found.count { #expect(found.firstIndex(of: Array(found.name(index))) == index) }
        for absent in ["", "aa", "abcd", "c"] { #expect(found.firstIndex(of: Array(absent.utf8)) == nil) }
        #expect(NameList().firstIndex(of: [65]) == nil)
    }

    @Test("a name is handed to system calls as it is, with a NUL behind it")
    func cStrings() throws {
        let one = try list([[0xFF, 0x0A, 0x80], [0x41]])
        one.withName(1) { name, length in
            #expect(length == 3)
            #expect((0...3).map { UInt8(bitPattern: name[$0]) } == [0xFF, 0x0A, 0x80, 0])
        }
    }

    @Test("a directory is listed whole, with types, without . and .., again and again from one descriptor")
    func directories() throws {
        let scratch = try ScratchDirectory()
        for index in 0..<3000 { try scratch.file("file-with-a-long-name-to-fill-buffers-\(index)") }
        try scratch.makeDirectory("dir")
        try scratch.file("..dots")
        try scratch.root.directory.makeSymbolicLink(Array("link".utf8), target: Array("nowhere".utf8))
        try scratch.root.directory.makeFIFO([0xFE, 0x0A])
        for _ in 0..<2 {
            let listed = try scratch.root.directory.list()
            #expect(listed.count == 3004)
            func type(_ name: [UInt8]) -> UInt8? { listed.firstIndex(of: name).map { listed.type($0) } }
            #expect(type(Array("dir".utf8)) == SYS_DT_DIR)
            #expect(type(Array("link".utf8)) == SYS_DT_LNK)
            #expect(type([0xFE, 0x0A]) == SYS_DT_FIFO)
            #expect(type(Array("..dots".utf8)) == SYS_DT_REG)
        }
    }

    @Test("a file is not a directory")
    func notADirectory() throws {
        let scratch = try ScratchDirectory()
        let name = try scratch.file("f")
        let descriptor = try scratch.root.directory.openFile(name)
        defer { _ = sys_close(descriptor) }
        #expect { try listDirectory(descriptor) } throws: { ($0 as? StoreError)?.errno == ENOTDIR }
    }
}
