import CSys
import Glibc
import Varve

/// A directory of one test, removed with all it holds when the test is over.
final class ScratchDirectory: Sendable {
    let path: String
    let root: SafeRoot

    init(in parent: String = "/tmp") throws {
        path = parent + "/varve-test-\(String(UInt64.random(in: .min ... .max), radix: 16))"
        try Syscalls.makeDirectory(Array(path.utf8), mode: 0o700)
        root = try SafeRoot(Array(path.utf8))
    }

    deinit {
        _ = Tool.run("/usr/bin/chattr", ["-R", "-f", "-i", "-a", path])
        _ = Tool.run("/bin/rm", ["-rf", path])
    }

    /// Makes a file and returns its name as bytes.
    @discardableResult
    func file(_ name: String, _ content: String = "") throws -> [UInt8] {
        let descriptor = try Syscalls.open(
            Array("\(path)/\(name)".utf8), flags: SYS_O_WRONLY | SYS_O_CREAT | SYS_O_TRUNC, mode: 0o644)
        defer { _ = sys_close(descriptor) }
        let bytes = Array(content.utf8)
        try Syscalls.check(bytes.withUnsafeBytes { sys_write(descriptor, $0.baseAddress, $0.count) }, "write", nil)
        return Array(name.utf8)
    }

    func makeDirectory(_ name: String) throws { try Syscalls.makeDirectory(Array("\(path)/\(name)".utf8), mode: 0o755) }
}

/// Programs that prepare what a test reads.
enum Tool {
    static func exists(_ path: String) -> Bool { access(path, X_OK) == 0 }

    /// Runs a program with what it prints thrown away; true if it ended well.
    static func run(_ path: String, _ arguments: [String]) -> Bool {
        guard exists(path) else { return false }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in [STDOUT_FILENO, STDERR_FILENO] {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
        }
        var child: pid_t = 0
        var argv: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) }
        defer { argv.forEach { free($0) } }
        argv.append(nil)
        guard posix_spawn(&child, path, &actions, nil, argv, [nil]) == 0 else { return false }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 { if errno != EINTR { return false } }
        return status == 0
    }
}
