import CSys
import Glibc
import VarveFormat

/// What the files beside a database mean for its capture. `X-wal`, `X-shm` and `X-journal` are part of the database
/// `X`: where that was captured as a database they are not captured themselves, and would harm who restores them.
extension ArchiveWorker {
    /// The names that other names of a directory may belong to.
    func databaseCandidates(_ names: NameList) -> Set<[UInt8]> {
        guard run.options.contentProvider != nil else { return [] }
        var result: Set<[UInt8]> = []
        for index in 0..<names.count {
            guard let base = DatabaseFile.base(ofCompanion: names.name(index)), !result.contains(base),
                names.firstIndex(of: base) != nil
            else { continue }
            result.insert(base)
        }
        return result
    }

    /// Notes what a regular file is among the databases of its directory.
    func noteDatabase(_ slot: inout Slot, _ node: DirectoryNode, _ handle: DirectoryHandle) {
        guard run.options.contentProvider != nil, slot.stat.isRegular else { return }
        let candidates = node.state.withLock { $0.databaseCandidates }
        if candidates.contains(slot.name) {
            slot.part = .base
        } else if let base = DatabaseFile.base(ofCompanion: slot.name), candidates.contains(base) {
            slot.part = .companion(of: base)
            return
        }
        guard slot.part == .base || node.isImplied,
            let log = try? FileStat.at(handle.descriptor, slot.name + DatabaseFile.logSuffix), log.isRegular,
            log.size > 0
        else { return }
        slot.log = log.fingerprint
        slot.isLogFresh = flags(log, .realTime()) != 0
    }

    /// Whether a file is captured as it was last time only if it is read.
    func mustRead(_ slot: Slot, _ path: [UInt8]) -> Bool {
        if case .companion = slot.part { return true }
        return isRequired(path)
    }

    /// Whether a file was asked for as a database.
    private func isRequired(_ path: @autoclosure () -> [UInt8]) -> Bool {
        guard let paths = run.options.contentProvider?.requiredPaths, !paths.isEmpty else { return false }
        return paths.contains(path())
    }

    /// A file that stays as it was captured last time: if it is a database, so do the files beside it.
    func keepDatabase(_ slot: Slot, _ path: [UInt8], _ node: DirectoryNode, _ handle: DirectoryHandle) {
        run.keepDatabase(path)
        guard slot.part == .base,
            let descriptor = try? sysOpen(handle.descriptor, slot.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        else { return }
        defer { close(descriptor) }
        if DatabaseFile.isDatabase(descriptor, size: slot.stat.size) { noteCaptured(slot.name, node) }
    }

    /// The file is captured as a database.
    func noteCaptured(_ name: [UInt8], _ node: DirectoryNode) {
        node.state.withLock { _ = $0.databases.insert(name) }
    }

    /// Whether a file's bytes are part of a database that was captured.
    func isCapturedElsewhere(_ slot: Slot, _ node: DirectoryNode) -> Bool {
        guard case .companion(let base) = slot.part else { return false }
        return node.state.withLock { $0.databases.contains(base) }
    }

    /// What the provider has for an open file.
    enum Provision {
        case plain
        case replaced
        case content(any ProvidedContent)
        /// It was asked for as a database and is none, or cannot be had.
        case refused
        /// Only its bytes can be had.
        case failed
    }

    /// Asks the provider about an open file; errors are reported.
    func provision(
        _ place: @autoclosure () -> [UInt8], _ descriptor: Int32, _ stat: FileStat
    ) throws(StoreError) -> Provision {
        guard let provider = run.options.contentProvider else { return .plain }
        guard DatabaseFile.isDatabase(descriptor, size: stat.size) || isRequired(place()) else { return .plain }
        let path = place()
        do throws(StoreError) {
            switch try provider.content(of: ProvidedFile(path: path, descriptor: descriptor, stat: stat)) {
            case .plain: return .plain
            case .replaced: return .replaced
            case .content(let content): return .content(content)
            }
        } catch {
            if error.code == .interrupted { throw error }
            return fail(path, error)
        }
    }

    /// Reports why a database cannot be had as such.
    func fail(_ path: [UInt8], _ error: StoreError) -> Provision {
        let isRequired = isRequired(path)
        let end = isRequired ? "" : "; its bytes were copied as they are"
        let remedy = error.remedy.map { " (\($0))" } ?? ""
        run.report(
            CaptureError(
                path: path, operation: "database", errno: error.errno ?? 0, message: error.message + end + remedy))
        return isRequired ? .refused : .failed
    }
}

extension ArchiveRun {
    /// Notes what is known about a database that was captured.
    func add(_ path: [UInt8], _ statement: ProvidedStatement) {
        var members = statement.description
        members["path"] = FileNameJSON.encode(path)
        databases.withLock { $0[path] = .object(members) }
        for text in statement.notices { notice(text) }
        for problem in statement.problems {
            report(CaptureError(path: path, operation: "database", errno: 0, message: problem))
        }
    }

    /// A database that is in the parent snapshot is the same in this one.
    func keepDatabase(_ path: [UInt8]) {
        guard let known = parentDatabases[path] else { return }
        databases.withLock { $0[path] = known }
    }

    /// The databases of a snapshot by their paths.
    static func databases(of snapshot: Snapshot?) -> [[UInt8]: JSONValue] {
        var result: [[UInt8]: JSONValue] = [:]
        for database in snapshot?.manifest.databases ?? [] {
            guard let value = database["path"], let path = try? FileNameJSON.decode(value) else { continue }
            result[path] = database
        }
        return result
    }
}

extension FileStat {
    /// A number that differs when the file changed; never 0.
    fileprivate var fingerprint: UInt32 {
        var writer = ByteWriter()
        writer.u64(inode)
        writer.u64(size)
        writer.u64(UInt64(bitPattern: mtimeSeconds))
        writer.u64(UInt64(bitPattern: ctimeSeconds))
        writer.u32(mtimeNanoseconds)
        writer.u32(ctimeNanoseconds)
        return max(1, UInt32(truncatingIfNeeded: StatCache.hash(writer.bytes)))
    }
}
