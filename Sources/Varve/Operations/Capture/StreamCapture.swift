import Glibc
import VarveFormat

extension FileStat {
    /// What stands for the stat of a stream, a regular file with one link, or of a directory above it.
    static func stream(mode: UInt32 = UInt32(S_IFREG) | 0o600) -> FileStat {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return FileStat(
            streamMode: mode, uid: getuid(), gid: getgid(), seconds: Int64(now.tv_sec),
            nanoseconds: UInt32(now.tv_nsec))
    }
}

extension ArchiveWorker {
    /// Reads streams to their ends, one after the other. If what produced one failed, so does the capture, or what
    /// follows it is left out too.
    func captureStreams(
        _ node: DirectoryNode, _ streams: [(slot: Int, stream: Archiver.Stream)]
    ) throws(StoreError) {
        var outcomes: [(Int, Slot)] = []
        var isComplete = true
        for (position, stream) in streams {
            guard let old = node.state.withLock({ $0.slices.last?.slots[position] }) else { return }
            let entry = isComplete ? try capture(stream, old) : nil
            isComplete = isComplete && (entry != nil || stream.isOptional)
            outcomes.append(
                (position, Slot(name: old.name, stat: old.stat, outcome: entry.map { .entry($0) } ?? .omitted)))
        }
        try finishTask(node, outcomes)
    }

    /// Reads one stream; nil if it failed and the snapshot is made without it.
    private func capture(_ stream: Archiver.Stream, _ old: Slot) throws(StoreError) -> TreeEntry? {
        var blobs = FileContent.empty
        var size: UInt64 = 0
        if writesBlobs {
            do throws(StoreError) {
                (blobs, size) = try read(stream)
            } catch {
                guard stream.failsAlone, !error.isFatalForCapture else { throw error }
                if stream.isOptional { run.notice(error.description) } else { run.report(stream.path, "run", error) }
                return nil
            }
        }
        if writesBlobs, var statement = stream.describe?() {
            statement.description["size"] = .integer(Int64(clamping: size))
            run.add(stream.path, statement)
        }
        let total = size
        tally(run.components.owner(of: stream.path)) { counts in
            counts.files += 1
            counts.bytesTotal += total
            counts.bytesRead += total
        }
        counters.bytesRead += size
        counters.bytesTotal += size
        counters.files += 1
        counters.filesNew += 1
        return TreeEntry(
            name: old.name, type: .file,
            attributes: attributes(old.stat, xattrs: [], inodeFlags: [], isImplied: false),
            content: .file(size: size, blobs: blobs))
    }

    private func read(_ stream: Archiver.Stream) throws(StoreError) -> (FileContent, UInt64) {
        let descriptor = try stream.start?() ?? stream.descriptor
        // A stream may be a database copied into a file.
        var database: ChunkParameters?
        if let stat = try? FileStat.of(descriptor), stat.isRegular {
            database = run.databaseParameters(descriptor, size: stat.size)
        }
        var parameters = try ChunkParameters(run.repository.config.chunker.stream)
        if let database { parameters = database }
        let parent = database == nil ? nil : run.parentContents?.pages(at: stream.path)
        let read = try content.read(descriptor, .stream(tap: stream.tap), parameters: parameters, parent: parent)
        if let error = read.error { throw error.at(stream.path) }
        try stream.finish()
        try content.flush()
        return (try content.finish(read.file), read.byteCount)
    }
}
