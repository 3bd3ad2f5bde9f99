import CSys
import Glibc
package import VarveFormat

/// Who is running: enough to tell, on this host, whether the process behind a session still lives.
package struct ProcessIdentity: Sendable, Hashable {
    package let host: String
    package let bootID: String
    package let pidNamespace: String
    package let pid: Int
    /// Clock ticks between boot and the start of the process: tells a reused pid from the old one.
    package let startTime: UInt64

    /// The running process.
    package static let current = ProcessIdentity(
        host: hostName(), bootID: text("/proc/sys/kernel/random/boot_id"), pidNamespace: link("/proc/self/ns/pid"),
        pid: Int(getpid()), startTime: startTime(of: Int(getpid())) ?? 0)

    /// Whether the session described by `info` certainly belongs to a process that is gone. False where that cannot be
    /// told: another host, another pid namespace (FORMAT.md section 12, expiry).
    package func isGone(_ info: SessionInfo) -> Bool {
        guard info.host == host else { return false }
        if !info.bootID.isEmpty, info.bootID != bootID { return true }
        guard info.pidNamespace == pidNamespace else { return false }
        guard let start = Self.startTime(of: info.pid) else {
            // /proc may hide the processes of other users.
            guard let pid = pid_t(exactly: info.pid), pid > 0 else { return false }
            return kill(pid, 0) != 0 && errno == ESRCH
        }
        return start != info.startTime
    }

    /// When the process behind a session of this host and boot began; nil for any other.
    package func start(of info: SessionInfo) -> Timestamp? {
        guard info.host == host, !bootID.isEmpty, info.bootID == bootID,
            let uptime = Self.text("/proc/uptime").split(separator: " ").first.flatMap({ Double($0) })
        else { return nil }
        let age = uptime - Double(info.startTime) / Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        return Timestamp(seconds: Timestamp.now().seconds - Int64(max(0, age)), nanoseconds: 0)
    }

    /// Field 22 of /proc/PID/stat; nil if there is no such process. The command name before it may hold anything, so
    /// fields are counted from the last closing parenthesis.
    private static func startTime(of pid: Int) -> UInt64? {
        let stat = text("/proc/\(pid)/stat")
        guard let close = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: close)...].split(separator: " ")
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }

    private static func hostName() -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let result = buffer.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { gethostname($0.assumingMemoryBound(to: CChar.self), bytes.count - 1) }
        }
        return result == 0 ? String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self) : "localhost"
    }

    private static func text(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { return "" }
        return String(decoding: buffer.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    private static func link(_ path: String) -> String {
        let target = try? Syscalls.readLink(Array(path.utf8))
        return String(decoding: target ?? [], as: UTF8.self)
    }
}
