import CSys
package import Varve
import VarveFormat

/// Looks for what keeps backups from working: the same conditions that errors name, asked before they happen.
package struct Doctor {
    /// What one check found.
    package struct Check: Sendable {
        package enum Result: String, Sendable {
            case ok, warning, failed
        }

        package let name: String
        package let result: Result
        package let message: String
        package let remedy: String?
        /// The error behind a failure.
        package let error: StoreError?

        init(_ name: String, _ result: Result, _ message: String, remedy: String? = nil) {
            self.name = name
            self.result = result
            self.message = message
            self.remedy = remedy
            error = nil
        }

        init(_ name: String, _ error: StoreError) {
            self.name = name
            result = .failed
            message = error.message
            remedy = error.remedy
            self.error = error
        }
    }

    private let cacheDirectory: String?
    package private(set) var checks: [Check] = []

    package init(cacheDirectory: String?) { self.cacheDirectory = cacheDirectory }

    /// Free space below this is worth a warning: bytes.
    private static let lowSpace: Int64 = 1 << 30

    /// Checks the machine.
    package mutating func examineMachine() {
        let root = try? Syscalls.openBeneath(
            [UInt8(ascii: ".")], at: SYS_AT_FDCWD, flags: SYS_O_RDONLY | SYS_O_DIRECTORY)
        if let root { _ = sys_close(root) }
        checks.append(
            root != nil
                ? Check("openat2", .ok, "the kernel keeps restores inside their target")
                : Check("openat2", .warning, "the kernel lacks openat2: restores check every directory themselves"))
        // 2025-01-01: a clock before that was never set.
        let now = Timestamp.now()
        checks.append(
            now.seconds > 1_735_689_600
                ? Check("clock", .ok, "it is \(LocalTime.text(now))")
                : Check("clock", .failed, "the clock says \(LocalTime.text(now))", remedy: "set it"))
        let isRoot = sys_is_root() != 0
        checks.append(
            Check(
                "user", .ok,
                isRoot
                    ? "running as root: owners and devices can be restored"
                    : "running as an ordinary user: restored files belong to you, unreadable ones are reported"))
        examineCache()
    }

    private mutating func examineCache() {
        guard let cacheDirectory else {
            checks.append(Check("cache", .warning, "no cache is used: quick backups read everything"))
            return
        }
        var path = Array(cacheDirectory.utf8)
        // What does not exist yet is made later: then the nearest directory above must be writable.
        while path.count > 1, (try? Syscalls.status(path)) == nil {
            path = Array(path.prefix(upTo: path.lastIndex(of: UInt8(ascii: "/")) ?? 0))
            if path.isEmpty { path = [UInt8(ascii: "/")] }
        }
        let canWrite = Syscalls.withName(path) { sys_can_write($0) } == 0
        checks.append(
            canWrite
                ? Check("cache", .ok, "\(cacheDirectory) is writable")
                : Check(
                    "cache", .warning, "\(cacheDirectory) is not writable: quick backups read everything",
                    remedy: "choose another with --cache-dir"))
    }

    /// Checks an open repository.
    package mutating func examine(_ repository: Repository) {
        let encryption = repository.isEncrypted ? "encrypted" : "not encrypted"
        checks.append(
            Check("repository", .ok, "\(repository.id.hex) at \(repository.location), format 1, \(encryption)"))
        for warning in repository.warnings { checks.append(Check("repository", .warning, warning)) }
        examineModes(repository)
        let space = Syscalls.withName(Array(repository.location.utf8)) { sys_free_space($0) }
        let text = "\(max(0, space) >> 20) MiB are free"
        checks.append(
            space >= 0 && space < Self.lowSpace
                ? Check("space", .warning, text, remedy: "free some, or move the repository")
                : Check("space", .ok, space >= 0 ? text : "the file system does not tell what is free"))
        examineKeys(repository)
        examineSnapshots(repository)
    }

    /// Records that the repository could not be opened.
    package mutating func fail(_ error: StoreError) { checks.append(Check("repository", error)) }

    private mutating func examineModes(_ repository: Repository) {
        guard let status = try? Syscalls.status(Array(repository.location.utf8)) else { return }
        let isOpen = status.permissions & 0o077 != 0
        checks.append(
            isOpen
                ? Check(
                    "mode", .warning, "others than the owner may enter \(repository.location)",
                    remedy: "chmod 700 \(repository.location)")
                : Check("mode", .ok, "only the owner may enter the repository"))
    }

    private mutating func examineKeys(_ repository: Repository) {
        do throws(StoreError) {
            let slots = try repository.keySlots()
            let damaged = slots.filter { !$0.damage.isEmpty }
            for slot in damaged {
                checks.append(
                    Check(
                        "keys",
                        StoreError(
                            .damaged, "key slot \(slot.id.hex) is damaged: \(slot.damage.joined(separator: ", "))",
                            remedy: "put the file back from a copy of the repository")))
            }
            if damaged.isEmpty { checks.append(Check("keys", .ok, "\(slots.count) key files, all whole")) }
        } catch {
            checks.append(Check("keys", error))
        }
    }

    private mutating func examineSnapshots(_ repository: Repository) {
        do throws(StoreError) {
            let list = try repository.snapshots()
            for file in list.unreadable { checks.append(Check("snapshots", file.error)) }
            if !list.vanished.isEmpty {
                let text = "DELETION DETECTED: \(list.vanished.count) snapshots were here and are gone"
                checks.append(Check("snapshots", StoreError(.damaged, text, remedy: "varve list names them")))
            }
            let now = Timestamp.now()
            if let newest = list.snapshots.first, newest.manifest.time.seconds > now.seconds + 86_400 {
                checks.append(
                    Check(
                        "snapshots", .warning, "the newest is of the future: \(LocalTime.text(newest.manifest.time))",
                        remedy: "check the clocks of all machines"))
            }
            let unverified = list.snapshots.filter { $0.verification == nil }.count
            let text = "\(list.snapshots.count) snapshots, \(unverified) never verified"
            checks.append(Check("snapshots", .ok, text))
        } catch {
            checks.append(Check("snapshots", error))
        }
    }
}
