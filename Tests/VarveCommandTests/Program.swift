import CSys
import Glibc
import Testing
import Varve
import VarveFormat

/// The built program, run as a process in a directory of its own.
final class Program: Sendable {
    /// What a run gave.
    struct Result {
        let status: Int32
        let output: String
        let messages: String

        /// The lines of standard output as JSON.
        var json: [JSONValue] {
            get throws {
                try output.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
            }
        }

        func last(_ type: String) throws -> JSONValue? {
            try json.last { $0["message_type"]?.stringValue == type }
        }
    }

    /// Where everything of a test lies.
    let directory: String

    init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        let name = try Syscalls.randomBytes(8).map { String($0, radix: 16) }.joined()
        directory = parent + "/varve-command-" + name
        try Syscalls.makeDirectory(Array(directory.utf8), mode: 0o700)
    }

    deinit {
        let slash = directory.lastIndex(of: "/") ?? directory.startIndex
        let backend = LocalBackend(path: String(directory[..<slash]))
        try? backend.removeTree(String(directory[directory.index(after: slash)...]))
    }

    /// The program lies beside the test bundle.
    static let path: String = {
        let arguments = CommandLine.arguments
        let bundle = arguments.firstIndex(of: "--test-bundle-path").map { arguments[$0 + 1] } ?? arguments[0]
        return String(bundle[..<(bundle.lastIndex(of: "/") ?? bundle.startIndex)]) + "/varve"
    }()

    var repository: String { directory + "/repo" }
    var keyFile: String { directory + "/key" }

    func write(_ name: String, _ text: String) throws {
        let flags = SYS_O_WRONLY | SYS_O_CREAT | SYS_O_TRUNC
        let descriptor = try Syscalls.open(Array((directory + "/" + name).utf8), flags: flags, mode: 0o644)
        defer { _ = sys_close(descriptor) }
        let count = Array(text.utf8).withUnsafeBytes { sys_write(descriptor, $0.baseAddress, $0.count) }
        #expect(count == text.utf8.count)
    }

    func makeDirectory(_ name: String) throws {
        try Syscalls.makeDirectory(Array((directory + "/" + name).utf8), mode: 0o755)
    }

    func read(_ name: String) throws -> String {
        let descriptor = try Syscalls.open(Array((directory + "/" + name).utf8), flags: SYS_O_RDONLY)
        defer { _ = sys_close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = sys_read(descriptor, &buffer, buffer.count)
            if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }

    /// Makes a repository that a key file opens, with a small source beside it.
    func prepare(arguments: [String] = []) throws {
        let result = try run(["init", "--key-file", keyFile] + arguments)
        #expect(result.status == 0, "\(result.messages)")
        try makeDirectory("source")
        try write("source/a.txt", "first\n")
        try write("source/b.txt", "second\n")
    }

    /// Runs the program with nothing in its environment but the repository, the key file, if one was made, and what
    /// is given; nil takes a variable away.
    func run(
        _ arguments: [String], environment: [String: String?] = [:], input: String = ""
    ) throws -> Result {
        try write("stdin", input)
        let id = try spawn(arguments, environment) { actions in
            posix_spawn_file_actions_addopen(&actions, 0, directory + "/stdin", SYS_O_RDONLY, 0)
            let flags = SYS_O_WRONLY | SYS_O_CREAT | SYS_O_TRUNC
            posix_spawn_file_actions_addopen(&actions, 1, directory + "/stdout", flags, 0o600)
            posix_spawn_file_actions_addopen(&actions, 2, directory + "/stderr", flags, 0o600)
        }
        let status = sys_wait(id)
        return Result(status: status, output: try read("stdout"), messages: try read("stderr"))
    }

    /// Runs the program on a terminal of its own and types `answers`, each after the text that it belongs to was shown.
    func runOnTerminal(
        _ arguments: [String], environment: [String: String?] = [:], answers: [(after: String, type: String)]
    ) throws -> Result {
        var name = [CChar](repeating: 0, count: 256)
        let master = sys_open_pseudoterminal(&name, name.count)
        try #require(master >= 0, "there is no terminal: \(master)")
        defer { _ = sys_close(master) }
        let terminal = name
        let id = try spawn(arguments, environment, newSession: true) { actions in
            // The first terminal that the leader of a session opens becomes its terminal.
            posix_spawn_file_actions_addopen(&actions, 0, terminal, SYS_O_RDWR, 0)
            posix_spawn_file_actions_adddup2(&actions, 0, 1)
            posix_spawn_file_actions_adddup2(&actions, 0, 2)
        }
        var shown: [UInt8] = []
        var pending = answers[...]
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = sys_read(master, &buffer, buffer.count)
            if count <= 0 { break }
            shown += buffer[..<count]
            while let next = pending.first, String(decoding: shown, as: UTF8.self).hasSuffix(next.after) {
                let bytes = Array(next.type.utf8)
                _ = bytes.withUnsafeBytes { sys_write(master, $0.baseAddress, $0.count) }
                pending = pending.dropFirst()
                shown += Array("<answered>".utf8)
            }
        }
        return Result(status: sys_wait(id), output: String(decoding: shown, as: UTF8.self), messages: "")
    }

    private func spawn(
        _ arguments: [String], _ environment: [String: String?], newSession: Bool = false,
        _ prepare: (inout posix_spawn_file_actions_t) -> Void
    ) throws -> pid_t {
        var variables: [String: String] = [
            "PATH": "/usr/bin:/bin", "HOME": directory, "VARVE_REPOSITORY": repository, "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        ]
        if (try? Syscalls.status(Array(keyFile.utf8))) != nil { variables["VARVE_KEY_FILE"] = keyFile }
        for (name, value) in environment { variables[name] = value }
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        _ = sys_spawn_in(&actions, directory)
        prepare(&actions)
        // POSIX_SPAWN_SETSID
        if newSession { posix_spawnattr_setflags(&attributes, 0x80) }
        var id: pid_t = 0
        var result: Int32 = -1
        Self.withStrings([Self.path] + arguments) { arguments in
            Self.withStrings(variables.map { "\($0.key)=\($0.value)" }) { variables in
                result = posix_spawn(&id, Self.path, &actions, &attributes, arguments, variables)
            }
        }
        try #require(result == 0, "the program could not be started: \(result)")
        return id
    }

    private static func withStrings(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Void
    ) {
        var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
        pointers.append(nil)
        pointers.withUnsafeBufferPointer { if let base = $0.baseAddress { body(base) } }
        for pointer in pointers { free(pointer) }
    }
}
