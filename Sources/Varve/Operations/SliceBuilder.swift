import CSys
import Glibc
import VarveFormat

/// Turns the next names of a directory into slots: decides what is captured, and finds what has not changed.
extension ArchiveWorker {
    /// Starts slices until one has work that other tasks must finish, or the directory is done.
    func startSlice(_ node: DirectoryNode) throws(StoreError) {
        var (slice, tasks) = try nextSlice(node)
        if slice.slots.isEmpty && node.state.withLock({ $0.nextName >= $0.names.count && $0.slices.isEmpty }) {
            try finish(node)
            return
        }
        // A stream has no file that could be opened: its own task reads it.
        let streams = tasks.compactMap { task in if case .stream(_, let position, _) = task { position } else { nil } }
        let batches = fileBatches(slice.slots, except: streams)
        slice.pending = tasks.count + batches.count
        tasks += batches.reversed().map { .files(node, $0) }
        let isIdle = slice.pending == 0
        let ready = slice
        node.state.withLock { $0.slices.append(ready) }
        if isIdle { try completeSlice(node) } else { run.stack.push(tasks) }
    }

    private func nextSlice(_ node: DirectoryNode) throws(StoreError) -> (Slice, [ArchiveTask]) {
        switch node.kind {
        case .implied: return try impliedSlice(node)
        case .captured(let source, let rules, let decision): return try capturedSlice(node, source, rules, decision)
        }
    }

    /// The names that lead to the sources. There are few: one slice.
    private func impliedSlice(_ node: DirectoryNode) throws(StoreError) -> (Slice, [ArchiveTask]) {
        var slice = Slice(slots: [], pending: 0, hasLinks: false)
        var tasks: [ArchiveTask] = []
        guard !node.state.withLock({ !$0.slices.isEmpty || $0.entryCount > 0 || $0.isDone }),
            let handle = node.state.withLock({ $0.handle })
        else { return (slice, tasks) }
        for (name, target) in run.forest.names(in: node.path) {
            let position = slice.slots.count
            if case .stream(let stream) = target {
                slice.slots.append(Slot(name: name, stat: .stream(), outcome: .pending))
                tasks.append(.stream(node, position, stream))
                continue
            }
            let path = node.path(of: name)
            do throws(StoreError) {
                let flags = if case .implied = target { true } else { false }
                let stat = try stat(handle.descriptor, name, follows: flags)
                let child: DirectoryNode.Kind =
                    if case .implied = target { .implied } else { run.sourceKind(path, stat) }
                try append(name, stat, node, handle, child, to: &slice, &tasks)
            } catch {
                run.report(path, "stat", error)
            }
        }
        tasks.reverse()
        return (slice, tasks)
    }

    private func capturedSlice(
        _ node: DirectoryNode, _ source: CaptureSource, _ inherited: PathRules, _ decision: PathRules.Decision
    ) throws(StoreError) -> (Slice, [ArchiveTask]) {
        var slice = Slice(slots: [], pending: 0, hasLinks: false)
        var tasks: [ArchiveTask] = []
        let work = node.state.withLock { state -> (NameList, Range<Int>, DirectoryHandle)? in
            guard let handle = state.handle, state.nextName < state.names.count else { return nil }
            let end = min(state.nextName + DirectoryNode.sliceCount, state.names.count)
            defer { state.nextName = end }
            return (state.names, state.nextName..<end, handle)
        }
        guard let (names, range, handle) = work else { return (slice, tasks) }
        let rules = directoryRules(node, names, handle, inherited)
        let marker = run.options.exclusions.markers.marker(in: names, directory: handle.descriptor)
        slice.slots.reserveCapacity(range.count)
        let prefix = node.path + [UInt8(ascii: "/")]
        var path = prefix
        for index in range {
            let name = names.name(index)
            path.removeSubrange(prefix.count...)
            path.append(contentsOf: name)
            if let marker, !name.elementsEqual(marker) {
                counters.excluded += 1
                continue
            }
            do throws(StoreError) {
                try consider(
                    index, names, path, node, handle, source, rules, decision, to: &slice, &tasks)
            } catch {
                if error.code == .interrupted || error.code == .noSpace { throw error }
                run.report(path, "stat", error)
            }
        }
        tasks.reverse()
        return (slice, tasks)
    }

    /// The rules for the names of a directory: those it inherits, and its own ignore file.
    private func directoryRules(
        _ node: DirectoryNode, _ names: NameList, _ handle: DirectoryHandle, _ inherited: PathRules
    ) -> PathRules {
        guard names.firstIndex(of: Array(PathRules.ignoreFileName.utf8)) != nil else { return inherited }
        let path = node.path(of: PathRules.ignoreFileName.utf8)
        do {
            let text = try readSmallFile(handle.descriptor, Array(PathRules.ignoreFileName.utf8), limit: 1 << 20)
            let parsed = PathRule.parseLines(text) { .ignoreFile(directory: node.path, line: $0) }
            for problem in parsed.problems { run.report(path, "ignore file", problem) }
            return inherited.adding(ignoreFile: parsed.rules, in: node.path)
        } catch {
            run.report(path, "ignore file", error)
            return inherited
        }
    }

    /// Decides about one name and gives it a slot.
    private func consider(
        _ index: Int, _ names: NameList, _ path: [UInt8], _ node: DirectoryNode, _ handle: DirectoryHandle,
        _ source: CaptureSource, _ rules: PathRules, _ decision: PathRules.Decision, to slice: inout Slice,
        _ tasks: inout [ArchiveTask]
    ) throws(StoreError) {
        var known: FileStat?
        var isDirectory = names.type(index) == SYS_DT_DIR
        if names.type(index) == SYS_DT_UNKNOWN {
            let stat = try names.withName(index) { (name, _) throws(StoreError) in
                try FileStat.at(handle.descriptor, name)
            }
            isDirectory = stat.isDirectory
            known = stat
        }
        var child = decision
        var isKeptForContent = false
        if !rules.isEmpty {
            child = path.withUnsafeBufferPointer { path in
                rules.decide(
                    path, nameStart: path.count - names.name(index).count, isDirectory: isDirectory, parent: decision)
            }
            if child.isExcluded {
                guard isDirectory, rules.couldIncludeBelow(path, child) else {
                    counters.excluded += 1
                    return
                }
                isKeptForContent = true
            }
        }
        let stat: FileStat
        if let known {
            stat = known
        } else {
            stat = try names.withName(index) { (name, _) throws(StoreError) in
                try FileStat.at(handle.descriptor, name)
            }
        }
        if stat.isRegular, let limit = run.options.exclusions.largerThan, stat.size > limit {
            counters.excluded += 1
            return
        }
        try append(
            Array(names.name(index)), stat, node, handle, .captured(source, rules, child),
            isKeptForContent: isKeptForContent, to: &slice, &tasks)
    }

    /// Gives a name its slot: a directory becomes a task, an unchanged file its old entry, a link or device its entry.
    private func append(
        _ name: [UInt8], _ stat: FileStat, _ node: DirectoryNode, _ handle: DirectoryHandle,
        _ kind: DirectoryNode.Kind, isKeptForContent: Bool = false, to slice: inout Slice, _ tasks: inout [ArchiveTask]
    ) throws(StoreError) {
        let position = slice.slots.count
        var slot = Slot(name: name, stat: stat, outcome: .pending)
        if stat.isDirectory {
            let child = DirectoryNode(
                parent: node, slot: position, name: name, kind: kind, isKeptForContent: isKeptForContent)
            tasks.append(.directory(child))
            node.state.withLock { $0.children[position] = child }
        } else if !reuse(&slot, node) && !stat.isRegular {
            slot.outcome = try specialOutcome(slot, node, handle)
        }
        if case .linked = slot.outcome { slice.hasLinks = true }
        slice.slots.append(slot)
    }

    /// The slots that must be read, in batches that one worker reads at a time.
    private func fileBatches(_ slots: [Slot], except streams: [Int]) -> [[Int]] {
        var batches: [[Int]] = []
        var batch: [Int] = []
        var bytes: UInt64 = 0
        for (position, slot) in slots.enumerated() {
            guard case .pending = slot.outcome, slot.stat.isRegular, !streams.contains(position) else { continue }
            batch.append(position)
            bytes += slot.stat.size
            if batch.count == Self.batchFileCount || bytes >= Self.batchByteCount {
                batches.append(batch)
                batch = []
                bytes = 0
            }
        }
        if !batch.isEmpty { batches.append(batch) }
        return batches
    }

    private func stat(_ directory: Int32, _ name: [UInt8], follows: Bool) throws(StoreError) -> FileStat {
        guard follows else { return try FileStat.at(directory, name) }
        let descriptor = try sysOpen(directory, name, SYS_O_PATH)
        defer { close(descriptor) }
        return try FileStat.of(descriptor)
    }

    private func readSmallFile(_ directory: Int32, _ name: [UInt8], limit: Int) throws(StoreError) -> [UInt8] {
        let descriptor = try sysOpen(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count < limit {
            let count = sys_read(descriptor, &buffer, buffer.count)
            if count == 0 { break }
            try Syscalls.check(count, "read the file", nil)
            bytes.append(contentsOf: buffer[..<count])
        }
        return bytes
    }
}
