import CSys

/// The kind of a file.
package enum FileType: UInt8, Sendable, Hashable {
    case regular, directory, symlink, fifo, socket, blockDevice, characterDevice, unknown

    /// The kind in the type bits of `st_mode`.
    package init(mode: UInt32) {
        self =
            if sys_is_regular(mode) != 0 {
                .regular
            } else if sys_is_directory(mode) != 0 {
                .directory
            } else if sys_is_symlink(mode) != 0 {
                .symlink
            } else if sys_is_fifo(mode) != 0 {
                .fifo
            } else if sys_is_socket(mode) != 0 {
                .socket
            } else if sys_is_block_device(mode) != 0 {
                .blockDevice
            } else if sys_is_character_device(mode) != 0 {
                .characterDevice
            } else {
                .unknown
            }
    }

    /// The kind in the type byte of a directory record; `unknown` where the file system does not tell.
    init(directoryType: UInt8) {
        self =
            switch directoryType {
            case SYS_DT_REG: .regular
            case SYS_DT_DIR: .directory
            case SYS_DT_LNK: .symlink
            case SYS_DT_FIFO: .fifo
            case SYS_DT_SOCK: .socket
            case SYS_DT_BLK: .blockDevice
            case SYS_DT_CHR: .characterDevice
            default: .unknown
            }
    }
}

/// What stat(2) says of a file.
package struct FileStatus: Sendable, Hashable {
    package let device, inode: UInt64
    /// Bytes.
    package let size: UInt64
    /// Units of 512 bytes that are allocated.
    package let blocks: UInt64
    /// The device that a device file stands for.
    package let specialDevice: UInt64
    /// Type and permission bits.
    package let mode: UInt32
    package let links, user, group: UInt32
    package let blockSize: UInt32
    /// Nanoseconds since 1970, saturated at the ends of Int64 (years 1677 and 2262).
    package let modified, changed: Int64

    package var kind: FileType { FileType(mode: mode) }
    /// The permission bits with setuid, setgid and sticky.
    package var permissions: UInt32 { mode & 0o7777 }

    init(_ raw: sys_status) {
        device = raw.device
        inode = raw.inode
        size = raw.size
        blocks = raw.blocks512
        specialDevice = raw.special_device
        mode = raw.mode
        links = raw.links
        user = raw.user
        group = raw.group
        blockSize = raw.block_size
        modified = Self.nanoseconds(raw.modified_seconds, raw.modified_nanoseconds)
        changed = Self.nanoseconds(raw.changed_seconds, raw.changed_nanoseconds)
    }

    private static func nanoseconds(_ seconds: Int64, _ nanoseconds: UInt32) -> Int64 {
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = product.addingReportingOverflow(Int64(nanoseconds))
        return overflow || carry ? (seconds < 0 ? .min : .max) : sum
    }
}
