import CSys
import Glibc
import Varve

/// Who holds locks on a file, as far as the kernel tells (proc(5)).
enum LockHolders {
    /// `" by process 123 (app)"`; empty if it cannot be found out.
    static func describe(_ path: [UInt8]) -> String {
        guard let stat = try? Syscalls.status(path, follow: true) else { return "" }
        let own = getpid()
        let processes = lockers(inode: stat.inode).filter { $0 != own }
        guard let process = processes.first else { return "" }
        let name = (try? text("/proc/\(process)/comm")).map { $0.split(separator: "\n").first.map(String.init) ?? "" }
        let more = processes.count > 1 ? " and \(processes.count - 1) more" : ""
        return " by process \(process)" + (name.map { " (\($0))" } ?? "") + more
    }

    /// Processes with locks on an inode. `/proc/locks` has a line for each:
    /// `1: POSIX  ADVISORY  WRITE 1234 08:01:5678 1073741825 1073742335`. The device is not compared: some file systems
    /// show another one there.
    private static func lockers(inode: UInt64) -> [pid_t] {
        guard let locks = try? text("/proc/locks") else { return [] }
        var writers: [pid_t] = []
        var readers: [pid_t] = []
        for line in locks.split(separator: "\n") where !line.contains("->") {
            let words = line.split(separator: " ")
            guard words.count >= 6, words[5].split(separator: ":").last.flatMap({ UInt64($0) }) == inode,
                let process = pid_t(words[4]), process > 0
            else { continue }
            if words[3] == "WRITE" { writers.append(process) } else { readers.append(process) }
        }
        var known: Set<pid_t> = []
        return (writers + readers).filter { known.insert($0).inserted }
    }

    private static func text(_ path: String) throws(StoreError) -> String {
        let file = try FileHandle(Array(path.utf8), flags: SYS_O_RDONLY)
        var bytes: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 1)
        defer { buffer.deallocate() }
        while bytes.count < 16 << 20 {
            let count = try file.read(into: buffer)
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
