import CSys
import Glibc

/// File systems that hold the kernel's state instead of files: left out of a backup unless named as a source.
package enum SpecialFileSystems {
    /// The type of the file system that an open directory lies on, if it is one of these; nil for ordinary ones and
    /// where the system does not say. Worth asking only where the device differs from that of the parent directory.
    package static func virtualType(_ descriptor: Int32, device: UInt64) -> String? {
        let magic = sys_file_system(descriptor)
        guard magic >= 0 else { return nil }
        // devtmpfs says that it is a tmpfs, and tmpfs holds people's files.
        if magic == temporaryMagic { return isDeviceFileSystem(device) ? "devtmpfs" : nil }
        return types[UInt32(truncatingIfNeeded: magic)]
    }

    private static let temporaryMagic: Int64 = 0x0102_1994

    /// `f_type` of statfs(2); the numbers are in linux/magic.h or the sources of the file system.
    private static let types: [UInt32: String] = [
        0x0000_0187: "autofs",
        0x0000_1CD1: "devpts",
        0x0000_9FA0: "proc",
        0x0027_E0EB: "cgroup",
        0x0765_5821: "resctrl",
        0x1980_0202: "mqueue",
        0x4249_4E4D: "binfmt_misc",
        0x4341_5D53: "smackfs",
        0x6165_676C: "pstore",
        0x6265_6570: "configfs",
        0x6265_6572: "sysfs",
        0x6367_7270: "cgroup2",
        0x6462_6720: "debugfs",
        0x6573_5543: "fusectl",
        0x6759_6969: "rpc_pipefs",
        0x6C6F_6F70: "binder",
        0x6E66_7364: "nfsd",
        0x6E73_6673: "nsfs",
        0x7363_6673: "securityfs",
        0x7472_6163: "tracefs",
        0x9584_58F6: "hugetlbfs",
        0xABBA_1974: "xenfs",
        0xCAFE_4A11: "bpf",
        0xDE5E_81E4: "efivarfs",
        0xF97C_FF8C: "selinuxfs",
    ]

    /// Whether a device number is that of a mounted devtmpfs, by `/proc/self/mountinfo` (proc(5)): the third field is
    /// the device, and the type follows the field `-`.
    private static func isDeviceFileSystem(_ device: UInt64) -> Bool {
        let wanted = Array("\(sys_major(device)):\(sys_minor(device))".utf8)
        return readAll("/proc/self/mountinfo").split(separator: UInt8(ascii: "\n")).contains { line in
            let fields = line.split(separator: UInt8(ascii: " "))
            guard fields.count > 3, fields[2].elementsEqual(wanted),
                let dash = fields.firstIndex(of: [UInt8(ascii: "-")]), dash + 1 < fields.count
            else { return false }
            return fields[dash + 1].elementsEqual("devtmpfs".utf8)
        }
    }

    private static func readAll(_ path: String) -> [UInt8] {
        let descriptor = sys_openat(SYS_AT_FDCWD, path, SYS_O_RDONLY, 0)
        guard descriptor >= 0 else { return [] }
        defer { _ = sys_close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while case let count = sys_read(descriptor, &chunk, chunk.count), count > 0 {
            bytes += chunk[..<count]
        }
        return bytes
    }
}
