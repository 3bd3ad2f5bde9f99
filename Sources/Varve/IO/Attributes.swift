import CSys
import Glibc

/// Extended attributes and inode flags of files.
package enum Attributes {
    /// How a file is reached: by a descriptor open for reading, or by a path whose last link is not followed.
    package enum Place: Sendable {
        case descriptor(Int32)
        case path([UInt8])
        /// A path whose last link is followed: "/proc/self/fd/N" reaches a descriptor opened with O_PATH.
        case followedPath([UInt8])
    }

    /// The names of all extended attributes in the order of their bytes; none where the file system has none.
    package static func names(_ place: Place) throws(StoreError) -> [[UInt8]] {
        let list = try growing("list the extended attributes", place) { pointer, count in
            switch place {
            case .descriptor(let descriptor): sys_flistxattr(descriptor, pointer, count)
            case .path(let path): Syscalls.withName(path) { sys_llistxattr($0, pointer, count) }
            case .followedPath(let path): Syscalls.withName(path) { sys_listxattr($0, pointer, count) }
            }
        }
        return (list ?? []).split(separator: 0).map { Array($0) }.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// The value of an extended attribute; nil if there is none of this name.
    package static func value(of name: [UInt8], _ place: Place) throws(StoreError) -> [UInt8]? {
        try growing("read an extended attribute", place) { pointer, count in
            Syscalls.withName(name) { name in
                switch place {
                case .descriptor(let descriptor): sys_fgetxattr(descriptor, name, pointer, count)
                case .path(let path): Syscalls.withName(path) { sys_lgetxattr($0, name, pointer, count) }
                case .followedPath(let path): Syscalls.withName(path) { sys_getxattr($0, name, pointer, count) }
                }
            }
        }
    }

    package static func set(_ name: [UInt8], to value: [UInt8], _ place: Place) throws(StoreError) {
        let result = Syscalls.withName(name) { name in
            switch place {
            case .descriptor(let descriptor): sys_fsetxattr(descriptor, name, value, value.count)
            case .path(let path): Syscalls.withName(path) { sys_lsetxattr($0, name, value, value.count) }
            case .followedPath(let path): Syscalls.withName(path) { sys_setxattr($0, name, value, value.count) }
            }
        }
        try Syscalls.check(result, "set an extended attribute", self.path(of: place))
    }

    /// The inode flags of chattr(1); nil where the file system has none.
    package static func inodeFlags(_ descriptor: Int32) -> UInt32? {
        var flags: UInt32 = 0
        return sys_get_inode_flags(descriptor, &flags) < 0 ? nil : flags
    }

    package static func setInodeFlags(_ flags: UInt32, _ descriptor: Int32) throws(StoreError) {
        try Syscalls.check(sys_set_inode_flags(descriptor, flags), "set the inode flags", nil)
    }

    /// Calls `fill` with larger buffers while the value does not fit; nil if there is no such attribute.
    private static func growing(
        _ action: String, _ place: Place, _ fill: (UnsafeMutableRawPointer?, Int) -> Int
    ) throws(StoreError) -> [UInt8]? {
        var capacity = 512
        while true {
            var count = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, initialized in
                count = fill(buffer.baseAddress, capacity)
                initialized = max(0, count)
            }
            if count >= 0 { return bytes }
            switch Int32(-count) {
            case ENODATA, ENOTSUP: return nil
            case ERANGE where capacity < 1 << 20: capacity *= 8
            default: throw .system(Int32(-count), action, path: path(of: place))
            }
        }
    }

    private static func path(of place: Place) -> [UInt8]? {
        switch place {
        case .descriptor: nil
        case .path(let path), .followedPath(let path): path
        }
    }
}
