import CSys
import Glibc
import Synchronization
package import Varve

/// A running program whose standard output can be read.
package final class ChildProcess: Sendable {
    /// Where the program's output arrives.
    package let descriptor: Int32
    private let name: String
    /// nil once the program was waited for.
    private let process: Mutex<Int32?>

    /// Starts a program that is looked for in PATH. It shares standard input, standard error and the environment.
    ///
    /// - Throws: `failed` or another code of the system if it cannot be started.
    package init(_ arguments: [[UInt8]]) throws(StoreError) {
        guard let program = arguments.first, !arguments.contains(where: { $0.contains(0) }) else {
            throw StoreError(.usage, "there is no command to run")
        }
        name = String(decoding: program, as: UTF8.self)
        var ends: [Int32] = [-1, -1]
        try Syscalls.check(sys_pipe(&ends), "make a pipe", nil)
        var started: Int32 = 0
        let result = CStrings.with(arguments) { sys_spawn($0, ends[1], &started) }
        _ = sys_close(ends[1])
        guard result == 0 else {
            _ = sys_close(ends[0])
            throw StoreError.system(-result, "run the command", path: program)
        }
        descriptor = ends[0]
        process = Mutex(started)
    }

    deinit { _ = sys_close(descriptor) }

    /// Waits for the end of the program.
    ///
    /// - Throws: `failed` if it did not exit with 0.
    package func finish() throws(StoreError) {
        guard let id = process.withLock({ $0 }) else { return }
        let status = sys_wait(id)
        process.withLock { $0 = nil }
        guard status != 0 else { return }
        let what =
            switch status {
            case 256...: "was ended by signal \(status - 256)"
            case 127 where name == "/bin/sh": "exited with status 127, which means that it was not found"
            case 0...: "exited with status \(status)"
            default: "could not be waited for"
            }
        throw StoreError(
            .failed, "the command \(what)", path: name, remedy: "run it by hand to see why; nothing was taken from it")
    }

    /// Asks the program to stop.
    package func terminate() {
        process.withLock { id in if let id { _ = kill(id, SIGTERM) } }
    }

    /// Everything that the program writes, once it has exited with 0.
    ///
    /// - Throws: as `finish` does, and `failed` for more than `limit` bytes.
    package func readAll(limit: Int) throws(StoreError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count <= limit {
            let part = try DescriptorReader.read(descriptor, atMost: 64 << 10)
            if part.isEmpty { break }
            bytes += part
        }
        guard bytes.count <= limit else {
            terminate()
            throw StoreError(.failed, "the command writes more than \(limit) bytes", path: name)
        }
        try finish()
        return bytes
    }
}

/// Reads from descriptors that others own.
package enum DescriptorReader {
    /// What one read gives; empty at the end.
    package static func read(_ descriptor: Int32, atMost count: Int) throws(StoreError) -> [UInt8] {
        var result = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            result = sys_read(descriptor, buffer.baseAddress, count)
            filled = max(0, result)
        }
        try Syscalls.check(result, "read", nil)
        return bytes
    }

    /// Everything up to the end, at most `limit` bytes.
    ///
    /// - Throws: `failed` if there is more.
    package static func readAll(_ descriptor: Int32, limit: Int) throws(StoreError) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let part = try read(descriptor, atMost: 64 << 10)
            if part.isEmpty { return bytes }
            bytes += part
            guard bytes.count <= limit else { throw StoreError(.failed, "more than \(limit) bytes") }
        }
    }

    /// The bytes of a file, or of standard input for `-`.
    package static func readFile(_ path: [UInt8], limit: Int) throws(StoreError) -> [UInt8] {
        if path == [UInt8(ascii: "-")] { return try readAll(0, limit: limit) }
        let descriptor = try Syscalls.open(path, flags: SYS_O_RDONLY)
        defer { _ = sys_close(descriptor) }
        do throws(StoreError) {
            return try readAll(descriptor, limit: limit)
        } catch {
            throw error.at(path)
        }
    }
}
