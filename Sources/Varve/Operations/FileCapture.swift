import CSys
import Glibc
import VarveFormat

/// Captures what is not a directory: reuses what is unchanged, reads files twice where they change meanwhile.
extension ArchiveWorker {
    private static let attemptCount = 3
    /// A change this shortly before the read may leave no trace in the times.
    private static let racySeconds: Int64 = 2

    /// Fills a slot from the stat caches if the file is unchanged and all its blobs are there; otherwise notes how it
    /// differs.
    func reuse(_ slot: inout Slot, _ node: DirectoryNode) -> Bool {
        let name = slot.name[...]
        let (resumed, cached) = node.state.withLock { state in
            (state.resumeCursor?.find(name), state.cursor?.find(name))
        }
        guard let (entry, encoded) = resumed ?? cached else { return false }
        guard entry.matches(slot.stat) else {
            slot.history = .changed
            return false
        }
        slot.history = .unmodified
        let isQuick = run.options.kind == .quick
        // A full capture goes on where an interrupted full one stopped; anything else it reads again.
        let wasJustRead = resumed != nil && run.caches.interrupted?.isFull == true
            && entry.flags & StatCache.Entry.readFlag != 0
        guard isQuick || wasJustRead, entry.flags & StatCache.Entry.unsureFlag == 0,
            let reused = reusable(Array(encoded), slot)
        else { return false }
        slot.outcome = reused
        slot.cacheFlags = entry.flags
        if slot.stat.isRegular { counters.filesUnmodified += 1 }
        count(slot.stat)
        if case .linked(let entry) = reused {
            run.links.add(.init(slot.stat), path: node.path(of: slot.name), entry: entry)
        }
        return true
    }

    /// The old entry if the repository still holds every blob of it.
    private func reusable(_ encoded: [UInt8], _ slot: Slot) -> Slot.Outcome? {
        var reader = ByteReader(encoded)
        guard var entry = try? TreeEntry(from: &reader), entry.name == slot.name else { return nil }
        if case .file(_, let blobs) = entry.content {
            switch blobs {
            case .empty: break
            case .blobs(let ids): guard ids.allSatisfy(run.index.contains) else { return nil }
            case .list(let id): guard run.lists.isComplete(id) else { return nil }
            }
        }
        guard slot.stat.links > 1 else { return .encoded(encoded) }
        entry.hardLinkKey = nil
        return .linked(entry)
    }

    /// The entry of a symlink, FIFO, device or socket.
    func specialOutcome(
        _ slot: Slot, _ node: DirectoryNode, _ handle: DirectoryHandle
    ) throws(StoreError) -> Slot.Outcome {
        let path = node.path(of: slot.name)
        var content = EntryContent.none
        let type: EntryType
        let stat = slot.stat
        if stat.isSymbolicLink {
            type = .symlink
            content = .symlink(target: try Syscalls.readLink(slot.name, at: handle.descriptor))
        } else if stat.isFIFO {
            type = .fifo
        } else if stat.isSocket {
            type = .socket
        } else {
            type = stat.isBlockDevice ? .blockDevice : .characterDevice
            content = .device(major: sys_major(stat.specialDevice), minor: sys_minor(stat.specialDevice))
        }
        let xattrs = Syscalls.withName(slot.name) { run.xattrs(.name(directory: handle.descriptor, $0), path) }
        let entry = TreeEntry(
            name: slot.name, type: type,
            attributes: run.attributes(stat, xattrs: xattrs, inodeFlags: [], isImplied: false), content: content)
        count(stat)
        guard stat.links > 1 else { return .entry(entry) }
        run.links.add(.init(stat), path: path, entry: entry)
        return .linked(entry)
    }

    /// A file that was read, whose content is complete after the next flush.
    private struct Read {
        let slot: Int
        let stat: FileStat
        let entry: TreeEntry
        /// Which of the writer's contents; nil for an empty file or a dry run.
        let file: Int?
        let isUnsure: Bool
    }

    /// Reads a batch of files of the slice at work.
    func captureFiles(_ node: DirectoryNode, _ positions: [Int]) throws(StoreError) {
        let (slots, handle) = node.state.withLock { state in
            (positions.compactMap { state.slices.last?.slots[$0] }, state.handle)
        }
        var reads: [Read] = []
        reads.reserveCapacity(slots.count)
        var outcomes: [(Int, Slot)] = []
        for (position, slot) in zip(positions, slots) {
            guard let handle else { break }
            if slot.stat.links > 1, let entry = run.links.entry(of: .init(slot.stat)) {
                outcomes.append((position, linkedSlot(slot, node, entry)))
            } else if let read = try capture(slot, position, node, handle) {
                reads.append(read)
            } else {
                var omitted = slot
                omitted.outcome = .omitted
                outcomes.append((position, omitted))
            }
        }
        try content.flush()
        for read in reads {
            outcomes.append((read.slot, try finished(read, slots[positions.firstIndex(of: read.slot) ?? 0], node)))
        }
        try finishTask(node, outcomes)
    }

    /// Does something with a source file; an error is reported and costs that file only.
    private func attempt<Value>(
        _ path: [UInt8], _ operation: String, _ body: () throws(StoreError) -> Value
    ) -> Value? {
        do {
            return try body()
        } catch {
            run.report(path, operation, error)
            return nil
        }
    }

    /// Another link to a file that was read already.
    private func linkedSlot(_ slot: Slot, _ node: DirectoryNode, _ known: TreeEntry) -> Slot {
        var entry = known
        entry.name = slot.name
        var result = slot
        result.outcome = .linked(entry)
        run.links.add(.init(slot.stat), path: node.path(of: slot.name), entry: entry)
        countFile(slot.stat, slot.history)
        return result
    }

    /// Opens and reads one file; again if it changes meanwhile. Nil if that failed and was reported.
    private func capture(
        _ slot: Slot, _ position: Int, _ node: DirectoryNode, _ handle: DirectoryHandle
    ) throws(StoreError) -> Read? {
        let path = node.path(of: slot.name)
        guard let descriptor = attempt(path, "open", { () throws(StoreError) in
            try openFile(handle.descriptor, slot.name)
        }) else { return nil }
        defer { close(descriptor) }
        for remaining in (0..<Self.attemptCount).reversed() {
            try run.progress.check()
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            guard let stat = attempt(path, "stat", { () throws(StoreError) in try regularStat(descriptor) })
            else { return nil }
            let xattrs = run.xattrs(.descriptor(descriptor), path)
            let flags = run.inodeFlags(descriptor, path)
            var read: ContentWriter.FileRead?
            if stat.size > 0 && writesBlobs {
                read = try readContent(descriptor, stat)
                if let error = read?.error {
                    run.report(path, "read", error)
                    return nil
                }
            }
            guard let after = attempt(path, "stat", { () throws(StoreError) in try FileStat.of(descriptor) })
            else { return nil }
            let size = read.map(\.byteCount) ?? (writesBlobs ? 0 : stat.size)
            let isStable = after.isSameContent(as: stat) && size == stat.size
            if !isStable && remaining > 0 {
                lseek(descriptor, 0, SEEK_SET)
                continue
            }
            if !isStable {
                run.report(
                    CaptureError(
                        path: path, operation: "changed", errno: 0,
                        message: "changed while it was read, \(Self.attemptCount) times"))
            }
            let entry = TreeEntry(
                name: slot.name, type: .file, isSparse: stat.blocks * 512 < size,
                attributes: run.attributes(stat, xattrs: xattrs, inodeFlags: flags, isImplied: false),
                content: .file(size: size, blobs: .empty))
            return Read(
                slot: position, stat: stat, entry: entry, file: size > 0 ? read?.file : nil,
                isUnsure: !isStable || Self.isRacy(stat, now))
        }
        return nil
    }

    private func regularStat(_ descriptor: Int32) throws(StoreError) -> FileStat {
        let stat = try FileStat.of(descriptor)
        guard stat.isRegular else { throw StoreError(.missing, "became something else while it was captured") }
        return stat
    }

    /// Whether a later change could leave the same times: they lie less than two seconds before the read, or after it.
    private static func isRacy(_ stat: FileStat, _ now: timespec) -> Bool {
        func isLate(_ seconds: Int64, _ nanoseconds: UInt32) -> Bool {
            (seconds, Int(nanoseconds)) > (Int64(now.tv_sec) - racySeconds, now.tv_nsec)
        }
        return isLate(stat.mtimeSeconds, stat.mtimeNanoseconds) || isLate(stat.ctimeSeconds, stat.ctimeNanoseconds)
    }

    private func readContent(_ descriptor: Int32, _ stat: FileStat) throws(StoreError) -> ContentWriter.FileRead {
        let read = try content.read(descriptor, parameters: run.parameters(forSize: stat.size), expected: stat.size)
        counters.bytesRead += read.byteCount
        return read
    }

    private func openFile(_ directory: Int32, _ name: [UInt8]) throws(StoreError) -> Int32 {
        let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
        do {
            return try sysOpen(directory, name, flags | SYS_O_NOATIME)
        } catch {
            // Only the owner may ask for no access time.
            guard error.errno == EPERM else { throw error }
            return try sysOpen(directory, name, flags)
        }
    }

    private func finished(_ read: Read, _ old: Slot, _ node: DirectoryNode) throws(StoreError) -> Slot {
        var entry = read.entry
        if let file = read.file, case .file(let size, _) = entry.content {
            entry.content = .file(size: size, blobs: try content.content(of: content.contents[file]))
        }
        countFile(read.stat, old.history)
        var slot = Slot(name: entry.name, stat: read.stat, outcome: .entry(entry))
        slot.cacheFlags = StatCache.Entry.readFlag | (read.isUnsure ? StatCache.Entry.unsureFlag : 0)
        if read.stat.links > 1 {
            run.links.add(.init(read.stat), path: node.path(of: entry.name), entry: entry)
            slot.outcome = .linked(entry)
        }
        return slot
    }

    /// Counts a file that was read.
    private func countFile(_ stat: FileStat, _ history: Slot.History) {
        switch history {
        case .new: counters.filesNew += 1
        case .changed: counters.filesChanged += 1
        case .unmodified:
            counters.filesUnmodified += 1
            counters.bytesUnchanged += stat.size
        }
        count(stat)
    }

    func count(_ stat: FileStat) {
        if stat.isRegular {
            counters.files += 1
            counters.bytesTotal += stat.size
        } else if stat.isSymbolicLink {
            counters.symlinks += 1
        } else {
            counters.specials += 1
        }
    }
}
