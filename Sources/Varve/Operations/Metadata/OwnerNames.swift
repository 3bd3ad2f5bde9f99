import Glibc
import Synchronization

/// The names of users and groups by number and the numbers by name, as this machine has them; each is asked for once.
package final class OwnerNames: Sendable {
    private struct Tables {
        var users: [UInt32: [UInt8]] = [:]
        var groups: [UInt32: [UInt8]] = [:]
        var userIDs: [[UInt8]: UInt32?] = [:]
        var groupIDs: [[UInt8]: UInt32?] = [:]
    }

    private let tables = Mutex(Tables())

    package init() {}

    /// The name of a user; empty if it has none.
    package func user(_ uid: UInt32) -> [UInt8] {
        tables.withLock { tables in
            if let known = tables.users[uid] { return known }
            let name = Self.lookUp(passwd()) { getpwuid_r(uid, $0, $1, $2, $3) } take: { Self.bytes($0.pw_name) }
            tables.users[uid] = name ?? []
            return name ?? []
        }
    }

    /// The name of a group; empty if it has none.
    package func group(_ gid: UInt32) -> [UInt8] {
        tables.withLock { tables in
            if let known = tables.groups[gid] { return known }
            let name = Self.lookUp(Glibc.group()) { getgrgid_r(gid, $0, $1, $2, $3) } take: { Self.bytes($0.gr_name) }
            tables.groups[gid] = name ?? []
            return name ?? []
        }
    }

    /// The number of a user; nil if nobody has the name.
    package func uid(_ name: [UInt8]) -> UInt32? {
        guard !name.isEmpty, !name.contains(0) else { return nil }
        return tables.withLock { tables in
            if let known = tables.userIDs[name] { return known }
            let text = name.map { CChar(bitPattern: $0) } + [0]
            let uid = Self.lookUp(passwd()) { getpwnam_r(text, $0, $1, $2, $3) } take: { $0.pw_uid }
            tables.userIDs[name] = .some(uid)
            return uid
        }
    }

    /// The number of a group; nil if no group has the name.
    package func gid(_ name: [UInt8]) -> UInt32? {
        guard !name.isEmpty, !name.contains(0) else { return nil }
        return tables.withLock { tables in
            if let known = tables.groupIDs[name] { return known }
            let text = name.map { CChar(bitPattern: $0) } + [0]
            let gid = Self.lookUp(Glibc.group()) { getgrnam_r(text, $0, $1, $2, $3) } take: { $0.gr_gid }
            tables.groupIDs[name] = .some(gid)
            return gid
        }
    }

    /// Calls a `get..._r` function with a buffer that grows until the record fits.
    private static func lookUp<Record, Result>(
        _ empty: Record,
        _ call: (
            UnsafeMutablePointer<Record>, UnsafeMutablePointer<CChar>, Int,
            UnsafeMutablePointer<UnsafeMutablePointer<Record>?>
        ) -> Int32,
        take: (Record) -> Result
    ) -> Result? {
        var capacity = 1 << 10
        // A group of very many members takes a long record.
        while capacity <= 1 << 24 {
            let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: capacity)
            defer { buffer.deallocate() }
            var record = empty
            let answer: Result?? = withUnsafeMutablePointer(to: &record) { record in
                var found: UnsafeMutablePointer<Record>?
                if call(record, buffer, capacity, &found) == ERANGE { return nil }
                return .some(found.map { take($0.pointee) })
            }
            if let answer { return answer }
            capacity *= 4
        }
        return nil
    }

    private static func bytes(_ text: UnsafeMutablePointer<CChar>?) -> [UInt8] {
        guard let text else { return [] }
        return (0..<strlen(text)).map { UInt8(bitPattern: text[$0]) }
    }
}
