import CSys
import Glibc
import Synchronization
import Testing
import Varve

@Suite("SafeRoot")
struct SafeRootTests {
    private static let both: [SafeRoot.Resolution] = [.automatic, .componentwise]

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func root(_ scratch: ScratchDirectory, _ resolution: SafeRoot.Resolution) throws -> SafeRoot {
        try SafeRoot(bytes(scratch.path + "/target"), resolution: resolution)
    }

    /// A target directory with `a/b` in it and, beside it, `outside`, which nothing may reach.
    private func prepare() throws -> ScratchDirectory {
        let scratch = try ScratchDirectory()
        for name in ["target", "target/a", "target/a/b", "outside"] { try scratch.makeDirectory(name) }
        return scratch
    }

    private func code(_ body: () throws -> Void) -> StoreError.Code? {
        do { try body() } catch { return (error as? StoreError)?.code }
        return nil
    }

    @Test("directories below are opened, and the root itself for no components", arguments: both)
    func opens(_ resolution: SafeRoot.Resolution) throws {
        let scratch = try prepare()
        let root = try root(scratch, resolution)
        let deep = try root.openDirectory([bytes("a"), bytes("b")])
        try deep.makeDirectory(bytes("c"))
        #expect(access(scratch.path + "/target/a/b/c", F_OK) == 0)
        #expect(try root.openDirectory([]) === root.directory)
    }

    @Test(
        "what is not one plain name is refused",
        arguments: both, ["", ".", "..", "/", "/etc", "a/b", "../outside", "a\0", "a/"])
    func names(_ resolution: SafeRoot.Resolution, _ name: String) throws {
        let scratch = try prepare()
        let root = try root(scratch, resolution)
        #expect(code { _ = try root.openDirectory([bytes("a"), bytes(name)]) } == .refused)
        let directory = root.directory
        #expect(code { try directory.makeDirectory(bytes(name)) } == .refused)
        #expect(code { try directory.makeSymbolicLink(bytes(name), target: bytes("x")) } == .refused)
        #expect(code { try directory.makeFIFO(bytes(name)) } == .refused)
        #expect(code { try directory.removeFile(bytes(name)) } == .refused)
        #expect(code { try directory.rename(bytes("a"), to: bytes(name), ifTaken: .replaced) } == .refused)
        #expect(code { try directory.rename(bytes(name), to: bytes("z"), ifTaken: .replaced) } == .refused)
        #expect(code { try directory.link(bytes(name), to: directory, as: bytes("z")) } == .refused)
        #expect(code { _ = try directory.status(bytes(name)) } == .refused)
    }

    @Test(
        "a planted symbolic link leads nowhere, wherever it points",
        arguments: both, ["../outside", "/tmp", "a", "."])
    func plantedLink(_ resolution: SafeRoot.Resolution, _ target: String) throws {
        let scratch = try prepare()
        let root = try root(scratch, resolution)
        try root.directory.makeSymbolicLink(bytes("link"), target: bytes(target))
        #expect(code { _ = try root.openDirectory([bytes("link")]) } == .refused)
        #expect(code { _ = try root.openDirectory([bytes("link"), bytes("b")]) } == .refused)
        #expect(code { _ = try root.directory.openDirectory(bytes("link")) } == .refused)
        #expect(code { _ = try root.directory.openFile(bytes("link")) } != nil)
    }

    @Test("a magic link of /proc leads nowhere")
    func magicLink() throws {
        for resolution in Self.both {
            let root = try SafeRoot(bytes("/proc/self"), resolution: resolution)
            #expect(code { _ = try root.openDirectory([bytes("root"), bytes("tmp")]) } == .refused)
            #expect(code { _ = try root.openDirectory([bytes("cwd")]) } == .refused)
        }
    }

    @Test("a directory swapped for a link between two calls does not move what is already open", arguments: both)
    func swapped(_ resolution: SafeRoot.Resolution) throws {
        let scratch = try prepare()
        let root = try root(scratch, resolution)
        let parent = try root.openDirectory([bytes("a")])
        try root.directory.rename(bytes("a"), to: bytes("moved"), ifTaken: .refused)
        try root.directory.makeSymbolicLink(bytes("a"), target: bytes("../outside"))
        try parent.makeDirectory(bytes("made"))
        #expect(access(scratch.path + "/target/moved/made", F_OK) == 0)
        #expect(access(scratch.path + "/outside/made", F_OK) != 0)
        #expect(code { _ = try root.openDirectory([bytes("a")]) } == .refused)
    }

    @Test("while another thread swaps a directory and a link, nothing is ever made outside", arguments: both)
    func raced(_ resolution: SafeRoot.Resolution) throws {
        let scratch = try prepare()
        let root = try root(scratch, resolution)
        try root.directory.makeSymbolicLink(bytes("evil"), target: bytes("../outside"))
        let other = try SafeRoot(bytes(scratch.path + "/target"))
        let racer = Racer { _ = sys_renameat2(other.directory.descriptor, "a", other.directory.descriptor, "evil", 2) }
        for index in 0..<3000 {
            try? root.openDirectory([bytes("a")]).makeDirectory(bytes("d\(index)"))
        }
        racer.stop()
        let outside = try SafeRoot(bytes(scratch.path + "/outside"))
        #expect(try outside.directory.list().count == 0)
    }

    @Test("a path longer than the kernel takes is walked")
    func deep() throws {
        let scratch = try prepare()
        let root = try root(scratch, .automatic)
        let name = [UInt8](repeating: UInt8(ascii: "n"), count: 255)
        var directory = root.directory
        for _ in 0..<20 {
            try directory.makeDirectory(name)
            directory = try directory.openDirectory(name)
        }
        let opened = try root.openDirectory(Array(repeating: name, count: 20))
        #expect(try FileStat.of(opened.descriptor) == FileStat.of(directory.descriptor))
    }

    @Test("a file in the way is an error, not a way", arguments: both)
    func fileInTheWay(_ resolution: SafeRoot.Resolution) throws {
        let scratch = try prepare()
        try scratch.file("target/f")
        let root = try root(scratch, resolution)
        #expect(throws: StoreError.self) { try root.openDirectory([bytes("f")]) }
        #expect(code { _ = try root.openDirectory([bytes("absent")]) } == .missing)
    }

    @Test("a target that is not there is missing, and a link to it is followed")
    func target() throws {
        let scratch = try prepare()
        #expect(code { _ = try SafeRoot(bytes(scratch.path + "/absent")) } == .missing)
        #expect(code { _ = try SafeRoot([]) } == .usage)
        try scratch.root.directory.makeSymbolicLink(bytes("to-target"), target: bytes("target"))
        let root = try SafeRoot(bytes(scratch.path + "/to-target"))
        #expect(try root.directory.status(bytes("a"))?.isDirectory == true)
    }
}

@Suite("OpenDirectory")
struct OpenDirectoryTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("a temporary file has an odd name, is private, and takes its place in one step")
    func temporary() throws {
        let scratch = try ScratchDirectory()
        let directory = scratch.root.directory
        try scratch.file("f", "old")
        let (descriptor, name) = try directory.createTemporary()
        defer { _ = sys_close(descriptor) }
        #expect(name.starts(with: ".varve-".utf8) && name.suffix(4).elementsEqual(".tmp".utf8) && name.count == 27)
        #expect(try FileStat.of(descriptor).mode == S_IFREG | 0o600)
        #expect(throws: StoreError.self) { try directory.rename(name, to: bytes("f"), ifTaken: .refused) }
        #expect(try directory.status(bytes("f"))?.size == 3)
        try directory.rename(name, to: bytes("f"), ifTaken: .replaced)
        #expect(try directory.status(bytes("f"))?.size == 0)
        #expect(try directory.status(name) == nil)
    }

    @Test("links, FIFOs and hard links are what they say, with names of any bytes and of 255 bytes")
    func kinds() throws {
        let scratch = try ScratchDirectory()
        let directory = scratch.root.directory
        let odd: [UInt8] = [0xFF, 0x0A, 0x1B, 0x27]
        let long = [UInt8](repeating: 0xE9, count: 255)
        let target = [UInt8](repeating: UInt8(ascii: "t"), count: 4095)
        try directory.makeSymbolicLink(odd, target: target)
        #expect(try directory.readLink(odd) == target)
        try directory.makeFIFO(long)
        #expect(try directory.status(long)?.isFIFO == true)
        let file = try scratch.file("f")
        try directory.link(file, to: directory, as: bytes("g"))
        #expect(try directory.status(file)?.links == 2)
        #expect(throws: StoreError.self) { try directory.link(file, to: directory, as: bytes("g")) }
        #expect(throws: StoreError.self) { try directory.makeSymbolicLink(bytes("x"), target: []) }
        #expect(throws: StoreError.self) { try directory.makeSymbolicLink(bytes("x"), target: [65, 0]) }
        try directory.removeFile(odd)
        #expect(try directory.status(odd) == nil)
        #expect(throws: StoreError.self) { try directory.makeFIFO(long + [65]) }
    }

    @Test("a FIFO can be opened without a writer")
    func fifo() throws {
        let scratch = try ScratchDirectory()
        try scratch.root.directory.makeFIFO(bytes("p"))
        let descriptor = try scratch.root.directory.openFile(bytes("p"))
        defer { _ = sys_close(descriptor) }
        #expect(try FileStat.of(descriptor).isFIFO)
    }
}

/// A thread that does one thing over and over.
private final class Racer: Sendable {
    private let isDone = Atomic(false)
    private let thread: Mutex<pthread_t?> = Mutex(nil)
    private let step: @Sendable () -> Void

    init(_ step: @escaping @Sendable () -> Void) {
        self.step = step
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { racer in
                guard let racer else { return nil }
                let me = Unmanaged<Racer>.fromOpaque(racer).takeRetainedValue()
                while !me.isDone.load(ordering: .relaxed) { me.step() }
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        let started = thread
        self.thread.withLock { $0 = started }
    }

    func stop() {
        isDone.store(true, ordering: .relaxed)
        if let thread = thread.withLock({ $0 }) { pthread_join(thread, nil) }
    }
}
