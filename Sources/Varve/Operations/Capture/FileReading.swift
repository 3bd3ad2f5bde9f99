import Glibc
import VarveFormat

/// Reads files, again where they change meanwhile, and databases as the provider says.
extension ArchiveWorker {
    private static let attemptCount = 3

    /// Opens and reads one file; again if it changes meanwhile. Nil if that failed and was reported, or if the file is
    /// part of a database that was captured.
    func capture(
        _ slot: Slot, _ position: Int, _ node: DirectoryNode, _ handle: DirectoryHandle
    ) throws(StoreError) -> Read? {
        if isCapturedElsewhere(slot, node) { return nil }
        let target = Target(slot: slot, position: position, node: node)
        let open = { [self] () throws(StoreError) in try openFile(handle.descriptor, slot.name) }
        guard var descriptor = attempt(target.path, "open", open) else { return nil }
        defer { close(descriptor) }
        var asksProvider = true
        for remaining in (0..<Self.attemptCount).reversed() {
            try run.progress.check()
            var attempt = try read(target, descriptor, asksProvider: asksProvider, isLast: remaining == 0)
            if case .withoutProvider = attempt {
                asksProvider = false
                attempt = try read(target, descriptor, asksProvider: false, isLast: remaining == 0)
            }
            switch attempt {
            case .read(let read): return read
            case .failed, .withoutProvider: return nil
            case .unstable: lseek(descriptor, 0, SEEK_SET)
            case .replaced:
                guard let other = self.attempt(target.path, "open", open) else { return nil }
                close(descriptor)
                descriptor = other
            }
        }
        reportChange(target.path)
        return nil
    }

    /// The file that is captured.
    struct Target {
        let slot: Slot
        let position: Int
        let node: DirectoryNode

        /// Put together where it is needed: most files give no report.
        var path: [UInt8] { node.path(of: slot.name) }
    }

    /// How one attempt at a file ended.
    private enum Attempt {
        case read(Read)
        /// It failed for good, and that was reported.
        case failed
        /// It changed meanwhile.
        case unstable
        /// Another file has its name now.
        case replaced
        /// Only its bytes can be had.
        case withoutProvider
    }

    /// Reads an open file once. One that changes is kept as it was read if this was the last attempt.
    private func read(
        _ target: Target, _ descriptor: Int32, asksProvider: Bool, isLast: Bool
    ) throws(StoreError) -> Attempt {
        let slot = target.slot
        let now = timespec.realTime()
        guard let stat = attempt(target.path, "stat", { () throws(StoreError) in try regularStat(descriptor) })
        else { return .failed }
        var entry = TreeEntry(
            name: slot.name, type: .file, isSparse: stat.blocks * 512 < stat.size,
            attributes: attributes(
                stat, xattrs: run.xattrs(.descriptor(descriptor), target.path),
                inodeFlags: run.inodeFlags(descriptor, target.path), isImplied: false),
            content: .file(size: stat.size, blobs: .empty))
        func made(_ file: Int?, _ flags: UInt32) -> Attempt {
            .read(Read(target, stat, entry, file: file, flags: flags))
        }
        let isTrusted = slot.parentContent != nil && stat.isSameContent(as: slot.stat)
        if isTrusted || !writesBlobs, run.options.contentProvider != nil,
            DatabaseFile.isDatabase(descriptor, size: stat.size)
        {
            run.keepDatabase(target.path)
            noteCaptured(slot.name, target.node)
        }
        if isTrusted, let known = slot.parentContent {
            entry.content = .file(size: stat.size, blobs: known)
            return made(nil, flags(stat, now))
        }
        if asksProvider, writesBlobs {
            switch try provision(target.path, descriptor, stat) {
            case .plain: break
            case .refused: return .failed
            case .failed: return .withoutProvider
            case .replaced: return .replaced
            case .content(let provided):
                return try read(target, descriptor, stat, entry, provided, now)
            }
        }
        var read: ContentWriter.FileRead?
        if writesBlobs {
            read = try readContent(descriptor, .file(stat), size: stat.size, target.path)
            count(read?.readCount ?? 0, target)
            if let error = read?.error {
                run.report(target.path, "read", error)
                return .failed
            }
        }
        guard let after = attempt(target.path, "stat", { () throws(StoreError) in try FileStat.of(descriptor) })
        else { return .failed }
        let isStable = after.isSameContent(as: stat) && read?.isWhole ?? true
        if !isStable {
            guard isLast else { return .unstable }
            reportChange(target.path)
        }
        let size = read?.byteCount ?? stat.size
        entry.isSparse = stat.blocks * 512 < size
        entry.content = .file(size: size, blobs: .empty)
        // What could not be had as a database is tried again next time.
        let isSure = isStable && size == stat.size && asksProvider
        let cacheFlags = isSure ? flags(stat, now) : StatCache.Entry.unsureFlag
        return made(size > 0 ? read?.file : nil, cacheFlags | StatCache.Entry.readFlag)
    }

    /// Reads what the provider has for a file.
    private func read(
        _ target: Target, _ descriptor: Int32, _ stat: FileStat, _ attributes: TreeEntry,
        _ provided: any ProvidedContent, _ now: timespec
    ) throws(StoreError) -> Attempt {
        let read = try readContent(descriptor, .provided(provided), size: provided.size, target.path)
        count(read.readCount, target)
        let statement: ProvidedStatement?
        do throws(StoreError) {
            if let error = read.error { throw error }
            statement = try provided.finish()
        } catch {
            if error.code == .interrupted { throw error }
            if case .refused = fail(target.path, error) { return .failed }
            return .withoutProvider
        }
        guard let statement else { return .unstable }
        run.add(target.path, statement)
        noteCaptured(target.slot.name, target.node)
        var entry = attributes
        if read.byteCount != stat.size { entry.isSparse = false }
        entry.content = .file(size: read.byteCount, blobs: .empty)
        let isSure = !target.slot.isLogFresh && ((try? FileStat.of(descriptor)).map(stat.isSameContent) ?? false)
        return .read(
            Read(
                target, stat, entry, file: read.file,
                flags: (isSure ? flags(stat, now) : StatCache.Entry.unsureFlag) | StatCache.Entry.readFlag))
    }

    /// Reads the bytes of a file or what a provider has for it, cut the same way: databases by their pages and beside
    /// what the parent snapshot has of them.
    private func readContent(
        _ descriptor: Int32, _ kind: ContentWriter.Kind, size: UInt64, _ path: @autoclosure () -> [UInt8]
    ) throws(StoreError) -> ContentWriter.FileRead {
        guard let parameters = run.databaseParameters(descriptor, size: size) else {
            return try content.read(descriptor, kind, parameters: run.parameters(forSize: size))
        }
        return try content.read(
            descriptor, kind, parameters: parameters, parent: run.parentContents?.pages(at: path()))
    }

    private func count(_ bytes: UInt64, _ target: Target) {
        counters.bytesRead += bytes
        tally(run.component(of: target.slot.name, in: target.node)) { $0.bytesRead += bytes }
    }

    private func reportChange(_ path: [UInt8]) {
        run.report(
            CaptureError(
                path: path, operation: "changed", errno: 0,
                message: "changed while it was read, \(Self.attemptCount) times"))
    }
}

extension ArchiveWorker.Read {
    fileprivate init(
        _ target: ArchiveWorker.Target, _ stat: FileStat, _ entry: TreeEntry, file: Int?, flags: UInt32
    ) {
        let slot = target.slot
        self.init(
            position: target.position, history: slot.history, isTrusted: slot.isTrusted, log: slot.log, stat: stat,
            entry: entry, file: file, flags: flags)
    }
}
