import CSys
import Glibc
import VarveFormat

/// Captures what is not a directory: reuses what is unchanged, reads files twice where they change meanwhile.
extension ArchiveWorker {
    /// Batches that wait for each other at most; their directories stay open.
    private static let unfinishedLimit = 64

    /// Fills a slot from the stat caches if the file is unchanged and all its blobs are there; otherwise notes how it
    /// differs.
    func reuse(_ slot: inout Slot, _ path: [UInt8], _ node: DirectoryNode) -> Bool {
        if run.caches.areEmpty, run.parentTree == nil { return false }
        let name = slot.name[...]
        let (resumed, cached) = node.state.withLock { state in
            (state.resumeCursor?.find(name), state.cursor?.find(name))
        }
        guard let (entry, encoded) = resumed ?? cached else {
            if run.parentTree != nil, slot.log == 0 { findInParent(&slot, node) }
            return false
        }
        guard entry.matches(slot.stat), entry.log == slot.log else {
            slot.history = .changed
            return false
        }
        slot.history = .unmodified
        guard entry.flags & StatCache.Entry.unsureFlag == 0, let reused = reusable(Array(encoded), &slot)
        else { return false }
        slot.isTrusted = true
        // A full capture goes on where an interrupted full one stopped; anything else it reads again.
        let wasJustRead = resumed != nil && run.caches.interrupted?.isFull == true
            && entry.flags & StatCache.Entry.readFlag != 0
        guard run.options.kind == .quick || wasJustRead else { return false }
        slot.outcome = reused
        slot.cacheFlags = entry.flags
        if slot.stat.isRegular { counters.filesUnmodified += 1 }
        count(slot.stat, slot.capturedSize)
        if case .linked(let entry) = reused {
            run.links.add(path, .init(entry: entry, stat: slot.stat, cacheFlags: slot.cacheFlags))
        }
        return true
    }

    /// The old entry, with the names that its owners have now, if the repository still holds every blob of it.
    private func reusable(_ encoded: [UInt8], _ slot: inout Slot) -> Slot.Outcome? {
        var reader = ByteReader(encoded)
        guard var entry = try? TreeEntry(from: &reader), entry.name == slot.name else { return nil }
        if case .file(let size, let blobs) = entry.content {
            guard run.isStored(blobs) else { return nil }
            slot.capturedSize = size
        }
        let isRenamed = !owners.areCurrent(entry.attributes, run.owners)
        if isRenamed {
            entry.attributes.owner = run.owners.user(entry.attributes.uid)
            entry.attributes.group = run.owners.group(entry.attributes.gid)
        }
        if slot.stat.links > 1 {
            entry.hardLinkKey = nil
            return .linked(entry)
        }
        // The other links of the file are gone, or were never captured: no key without a set.
        let isAlone = entry.hardLinkKey != nil
        guard isRenamed || isAlone else { return .encoded(encoded) }
        entry.hardLinkKey = nil
        return .entry(entry)
    }

    /// The entry of a symlink, FIFO, device or socket.
    func specialOutcome(
        _ slot: inout Slot, _ path: [UInt8], _ handle: DirectoryHandle
    ) throws(StoreError) -> Slot.Outcome {
        var content = EntryContent.none
        let type: EntryType
        let stat = slot.stat
        slot.cacheFlags = flags(stat, .realTime())
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
            attributes: attributes(stat, xattrs: xattrs, inodeFlags: [], isImplied: false), content: content)
        count(stat, nil)
        guard stat.links > 1 else { return .entry(entry) }
        run.links.add(path, .init(entry: entry, stat: stat, cacheFlags: slot.cacheFlags))
        return .linked(entry)
    }

    /// Files of one directory that were read.
    struct ReadBatch {
        let node: DirectoryNode
        fileprivate var reads: [Read] = []
        /// What is known already of others of the batch, by slot.
        fileprivate var outcomes: [(Int, Slot)] = []
    }

    /// A file that was read, whose content is complete after the next flush.
    struct Read {
        let position: Int
        /// From the slot as it was before.
        let history: Slot.History
        let isTrusted: Bool
        let log: UInt32
        let stat: FileStat
        let entry: TreeEntry
        /// Which of the writer's contents; nil for an empty file or a dry run.
        let file: Int?
        /// For the stat cache.
        let flags: UInt32
    }

    /// Reads a batch of files of the slice at work.
    func captureFiles(_ node: DirectoryNode, _ positions: [Int]) throws(StoreError) {
        let (slots, handle) = node.state.withLock { state in
            (positions.compactMap { state.slices.last?.slots[$0] }, state.handle)
        }
        var batch = ReadBatch(node: node)
        batch.reads.reserveCapacity(slots.count)
        for (position, slot) in zip(positions, slots) {
            guard let handle else { break }
            if slot.stat.links > 1, let known = run.links.capture(of: slot.stat) {
                batch.outcomes.append((position, linkedSlot(slot, node, known)))
            } else if let read = try capture(slot, position, node, handle) {
                batch.reads.append(read)
            } else {
                var omitted = slot
                omitted.outcome = .omitted
                batch.outcomes.append((position, omitted))
            }
        }
        unfinished.append(batch)
        if content.isWellFilled || unfinished.count == Self.unfinishedLimit { try settle() }
    }

    /// Puts the files of a batch into their directory, once their chunks are stored.
    func finish(_ batch: ReadBatch) throws(StoreError) {
        var outcomes = batch.outcomes
        outcomes.reserveCapacity(outcomes.count + batch.reads.count)
        for read in batch.reads { outcomes.append((read.position, try finished(read, batch.node))) }
        try finishTask(batch.node, outcomes)
    }

    /// Does something with a source file; an error is reported and costs that file only.
    func attempt<Value>(
        _ path: @autoclosure () -> [UInt8], _ operation: String, _ body: () throws(StoreError) -> Value
    ) -> Value? {
        do {
            return try body()
        } catch {
            run.report(path(), operation, error)
            return nil
        }
    }

    /// Another link to a file that was read already.
    private func linkedSlot(_ slot: Slot, _ node: DirectoryNode, _ known: HardLinkTable.Capture) -> Slot {
        var entry = known.entry
        entry.name = slot.name
        var result = slot
        result.outcome = .linked(entry)
        result.cacheFlags = known.cacheFlags
        run.links.add(
            node.path(of: slot.name), .init(entry: entry, stat: slot.stat, cacheFlags: known.cacheFlags))
        if case .file(let size, _) = entry.content { result.capturedSize = size }
        countFile(slot.history, slot.stat, result.capturedSize)
        tally(run.component(of: slot.name, in: node)) { $0.count(slot.stat, result.capturedSize) }
        return result
    }

    func regularStat(_ descriptor: Int32) throws(StoreError) -> FileStat {
        let stat = try FileStat.of(descriptor)
        guard stat.isRegular else { throw StoreError(.missing, "became something else while it was captured") }
        return stat
    }

    /// Flags for the stat cache. A later change could leave the same times if they lie shortly before the read, or
    /// after it.
    func flags(_ stat: FileStat, _ now: timespec) -> UInt32 {
        let limit = Int64(now.tv_sec) - run.options.settlingSeconds
        func isLate(_ seconds: Int64, _ nanoseconds: UInt32) -> Bool {
            (seconds, Int(nanoseconds)) > (limit, now.tv_nsec)
        }
        let isRacy =
            isLate(stat.mtimeSeconds, stat.mtimeNanoseconds) || isLate(stat.ctimeSeconds, stat.ctimeNanoseconds)
        return isRacy ? StatCache.Entry.unsureFlag : 0
    }

    func openFile(_ directory: Int32, _ name: [UInt8]) throws(StoreError) -> Int32 {
        let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
        do {
            return try sysOpen(directory, name, flags | SYS_O_NOATIME)
        } catch {
            // Only the owner may ask for no access time.
            guard error.errno == EPERM else { throw error }
            return try sysOpen(directory, name, flags)
        }
    }

    private func finished(_ read: Read, _ node: DirectoryNode) throws(StoreError) -> Slot {
        var entry = read.entry
        if let file = read.file, case .file(let size, _) = entry.content {
            entry.content = .file(size: size, blobs: try content.finish(file))
        }
        var size: UInt64?
        if case .file(let bytes, _) = entry.content { size = bytes }
        countFile(read.history, read.stat, size)
        tally(run.component(of: entry.name, in: node)) { $0.count(read.stat, size) }
        let outcome: Slot.Outcome
        if read.stat.links > 1 {
            run.links.add(
                node.path(of: entry.name), .init(entry: entry, stat: read.stat, cacheFlags: read.flags))
            outcome = .linked(entry)
        } else {
            outcome = .encoded(entry.encoded)
        }
        var slot = Slot(name: entry.name, stat: read.stat, outcome: outcome)
        slot.cacheFlags = read.flags
        slot.log = read.log
        if read.isTrusted { counters.bytesUnchanged += read.stat.size }
        return slot
    }

    /// Counts a file that was read.
    private func countFile(_ history: Slot.History, _ stat: FileStat, _ size: UInt64?) {
        switch history {
        case .new: counters.filesNew += 1
        case .changed: counters.filesChanged += 1
        case .unmodified:
            counters.filesUnmodified += 1
            counters.bytesUnmodified += stat.size
        }
        count(stat, size)
    }

    /// - Parameter size: bytes in the snapshot, where they are not those of the file.
    func count(_ stat: FileStat, _ size: UInt64?) {
        if stat.isRegular {
            counters.files += 1
            counters.bytesTotal += size ?? stat.size
        } else if stat.isSymbolicLink {
            counters.symlinks += 1
        } else {
            counters.specials += 1
        }
    }
}

extension timespec {
    /// Now, by the clock that file times are taken from.
    static func realTime() -> timespec {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return now
    }
}
