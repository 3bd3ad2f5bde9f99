import CSys
import Glibc

/// The directory that a restore writes into.
struct RestoreTarget {
    let root: SafeRoot
    /// Whether it was made for the restore, or is empty.
    let isNew: Bool

    private static let slash = UInt8(ascii: "/")

    /// Opens the target, `/` for nil; with `makes` it is made if absent, with the directories above it.
    ///
    /// - Throws: as the system says.
    init(_ path: [UInt8]?, makes: Bool) throws(StoreError) {
        guard let path else {
            root = try SafeRoot([Self.slash])
            isNew = false
            return
        }
        if makes { try Self.make(path) }
        // Nothing in a new directory is ever looked at, so that for a look ahead any root will do.
        let isThere = makes || (try? Syscalls.status(path, follow: true)) != nil
        root = try SafeRoot(isThere ? path : [Self.slash])
        let names = isThere ? try root.directory.list() : NameList()
        isNew = names.count == 0
    }

    private static func make(_ path: [UInt8]) throws(StoreError) {
        for end in path.indices where end > 0 && (path[end] == slash) { try makeOne(Array(path[..<end])) }
        try makeOne(path)
    }

    private static func makeOne(_ path: [UInt8]) throws(StoreError) {
        do throws(StoreError) {
            try Syscalls.makeDirectory(path, mode: 0o777)
        } catch {
            // Whatever else it is shows when it is opened.
            guard error.code == .exists || error.errno == EROFS, (try? Syscalls.status(path, follow: true)) != nil else {
                throw error
            }
        }
    }

    /// The file system of a path, or of the nearest directory above it that is there: its number and its free bytes.
    static func nearest(_ path: [UInt8]) -> (device: UInt64, free: UInt64)? {
        var path = path
        while true {
            if let status = try? Syscalls.status(path, follow: true) {
                let free = Syscalls.withName(path) { sys_free_space($0) }
                return free < 0 ? nil : (status.device, UInt64(free))
            }
            guard let end = path.lastIndex(of: slash) else { return path == [UInt8(ascii: ".")] ? nil : nearest(Array(".".utf8)) }
            path = end == 0 ? [slash] : Array(path[..<end])
            if path == [slash], (try? Syscalls.status(path)) == nil { return nil }
        }
    }
}
