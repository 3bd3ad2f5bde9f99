import CSys
import Glibc
import Varve

/// Makes directory trees of every kind of file from a seed.
struct RandomTree {
    private var random: SeededBytes
    private var files: [String] = []

    /// - Parameter root: made by this.
    static func make(at root: String, seed: UInt64, entryCount: Int = 60) {
        var tree = RandomTree(random: SeededBytes(seed: seed))
        mkdir(root, 0o755)
        tree.fill(root, entryCount: entryCount)
    }

    private init(random: SeededBytes) { self.random = random }

    private mutating func below(_ limit: Int) -> Int {
        let bytes = random.bytes(4)
        return Int(bytes.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } % UInt32(limit))
    }

    private mutating func fill(_ root: String, entryCount: Int) {
        var directories = [root]
        var made: [String] = [root]
        for number in 0..<entryCount {
            let parent = directories[below(directories.count)]
            let path = parent + "/" + name(number)
            switch below(12) {
            case 0, 1:
                mkdir(path, 0o755)
                directories.append(path)
            case 2: symlink("../somewhere/\(number)", path)
            case 3: mkfifo(path, 0o640)
            case 4 where !files.isEmpty:
                if link(files[below(files.count)], path) != 0 { continue }
            case 5: write(path, [])
            case 6: sparse(path)
            default: write(path, content())
            }
            made.append(path)
        }
        // From the deepest, so that times of directories stay.
        for path in made.reversed() { decorate(path) }
    }

    private mutating func name(_ number: Int) -> String {
        switch below(5) {
        case 0: "n\(number)-\u{e9}\n\\"
        case 1: String(repeating: "x", count: 240) + "\(number)"
        default: "n\(number)"
        }
    }

    private mutating func content() -> [UInt8] {
        switch below(6) {
        case 0: random.bytes(300_000 + below(400_000))
        case 1: Array(repeating: 7, count: below(100_000) + 1)
        default: random.bytes(below(5_000) + 1)
        }
    }

    private mutating func write(_ path: String, _ bytes: [UInt8]) {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC | O_CREAT | O_TRUNC, 0o644)
        defer { close(descriptor) }
        _ = bytes.withUnsafeBytes { sys_write(descriptor, $0.baseAddress, $0.count) }
        files.append(path)
    }

    private mutating func sparse(_ path: String) {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC | O_CREAT | O_TRUNC, 0o644)
        defer { close(descriptor) }
        for _ in 0..<3 {
            let bytes = random.bytes(below(9_000) + 1)
            _ = bytes.withUnsafeBytes { sys_pwrite(descriptor, $0.baseAddress, $0.count, Int64(below(400) * 4_096)) }
        }
        ftruncate(descriptor, off_t(2_000_000 + below(100_000)))
        files.append(path)
    }

    private mutating func decorate(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT != S_IFLNK {
            let modes: [UInt32] = [0o755, 0o600, 0o4755, 0o2770, 0o1777, 0o444, 0o700, 0o711]
            if geteuid() == 0, below(3) == 0 { lchown(path, uid_t(1_000 + below(9)), gid_t(100 + below(9))) }
            chmod(path, modes[below(modes.count)])
            if below(3) == 0, status.st_mode & S_IFMT != S_IFIFO {
                let value = random.bytes(below(60) + 1)
                _ = sys_lsetxattr(path, "user.t\(below(5))", value, value.count)
            }
        }
        let seconds = [Int64(below(Int(Int32.max))), -5, 4_294_967_296 + Int64(below(9)), 0][below(4)]
        _ = sys_utimensat(
            AT_FDCWD, path, 0, SYS_UTIME_OMIT, seconds, Int64(below(1_000_000_000)), AT_SYMLINK_NOFOLLOW)
    }
}
