import CSys
import Glibc
import Varve
import VarveFormat

/// A small real directory to capture, and what it holds.
final class SourceTree {
    /// What a path leads to, as far as these tests compare.
    enum Item: Hashable, Sendable {
        case file([UInt8])
        case symlink([UInt8])
        case directory
        case special(EntryType)
    }

    /// The tree at one time.
    struct State: Sendable {
        /// Keeps the files.
        let directory: TemporaryDirectory
        let path: [UInt8]
        /// By the absolute path.
        let contents: [[UInt8]: Item]
    }

    private let directory: TemporaryDirectory
    /// By the name below the source.
    private(set) var items: [[UInt8]: Item] = [:]

    /// The absolute path.
    var path: [UInt8] { Array(directory.path.utf8) }

    /// What a capture made now must hold.
    var state: State {
        var contents: [[UInt8]: Item] = [path: .directory]
        for (name, item) in items { contents[absolute(name)] = item }
        return State(directory: directory, path: path, contents: contents)
    }

    init() throws { directory = try TemporaryDirectory() }

    func makeDirectory(_ name: String) throws {
        try Syscalls.makeDirectory(absolute(Array(name.utf8)), mode: 0o755)
        items[Array(name.utf8)] = .directory
    }

    /// Makes or replaces a file.
    func write(_ name: String, _ bytes: [UInt8]) throws { try write(Array(name.utf8), bytes) }

    func write(_ name: [UInt8], _ bytes: [UInt8]) throws {
        let flags = SYS_O_WRONLY | SYS_O_CREAT | SYS_O_TRUNC
        let descriptor = try Syscalls.open(absolute(name), flags: flags, mode: 0o644)
        defer { _ = sys_close(descriptor) }
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { sys_write(descriptor, $0.baseAddress, $0.count) }
            done += Int(try Syscalls.check(count, "write", name))
        }
        items[name] = .file(bytes)
    }

    func symlink(_ name: String, _ target: String) throws {
        try Syscalls.symlink(target: Array(target.utf8), absolute(Array(name.utf8)))
        items[Array(name.utf8)] = .symlink(Array(target.utf8))
    }

    func link(_ name: String, _ other: String) throws {
        try Syscalls.link(absolute(Array(name.utf8)), to: absolute(Array(other.utf8)))
        items[Array(other.utf8)] = items[Array(name.utf8)]
    }

    func fifo(_ name: String) throws {
        let made = Syscalls.withName(absolute(Array(name.utf8))) { mkfifo($0, 0o600) }
        try Syscalls.check(made, "make the FIFO", Array(name.utf8))
        items[Array(name.utf8)] = .special(.fifo)
    }

    func remove(_ name: String) throws {
        try Syscalls.unlink(absolute(Array(name.utf8)))
        items[Array(name.utf8)] = nil
    }

    private func absolute(_ name: [UInt8]) -> [UInt8] { path + [UInt8(ascii: "/")] + name }

    /// Files of many kinds: empty, tiny, random, one that takes a list of chunks, links, odd names.
    static func varied(seed: UInt64) throws -> SourceTree {
        var random = SeededBytes(seed: seed)
        let tree = try SourceTree()
        try tree.makeDirectory("code")
        try tree.makeDirectory("code/deep")
        try tree.makeDirectory("empty")
        try tree.write("nothing", [])
        try tree.write("letter", Array("a few words\n".utf8))
        try tree.write("noise", random.bytes(9_000))
        // Equal chunks, and more of them than an entry names.
        try tree.write("flat", [UInt8](repeating: 7, count: 600_000))
        for number in 0..<6 { try tree.write("code/file\(number)", random.bytes(300 + 700 * number)) }
        try tree.write("code/deep/long", Array(repeatElement(random.bytes(100), count: 60).joined()))
        try tree.write([0x6e, 0xff, 0x0a, 0x6e], random.bytes(50))
        try tree.symlink("code/link", "../letter")
        try tree.link("letter", "code/letter")
        try tree.fifo("pipe")
        return tree
    }
}

extension SeededBytes {
    /// So many bytes of a seed.
    static func of(_ seed: UInt64, count: Int) -> [UInt8] {
        var random = SeededBytes(seed: seed)
        return random.bytes(count)
    }
}
