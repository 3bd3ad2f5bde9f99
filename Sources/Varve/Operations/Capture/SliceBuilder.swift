import CSys
import Glibc
import VarveFormat

/// Turns the next names of a directory into slots: decides what is captured, and finds what has not changed.
extension ArchiveWorker {
    /// Looks at the next names of a directory, or goes on with its parent if none are left.
    func startSlice(_ node: DirectoryNode) throws(StoreError) {
        var (slice, tasks) = try nextSlice(node)
        if slice.slots.isEmpty {
            try advance(node)
            return
        }
        // A stream has no file that could be opened: its own task reads it.
        let streams = tasks.flatMap { task -> [Int] in
            if case .streams(_, let streams) = task { streams.map(\.slot) } else { [] }
        }
        let batches = fileBatches(slice.slots, except: streams)
        slice.pending = tasks.count + batches.count
        tasks += batches.reversed().map { .files(node, $0) }
        let isIdle = slice.pending == 0
        let ready = slice
        node.state.withLock { $0.slices.append(ready) }
        if isIdle { try advance(node) } else { run.stack.push(tasks) }
    }

    private func nextSlice(_ node: DirectoryNode) throws(StoreError) -> (Slice, [ArchiveTask]) {
        switch node.kind {
        case .implied: return try impliedSlice(node)
        case .captured(let source, _, let decision): return try capturedSlice(node, source, decision)
        }
    }

    /// The names that lead to the sources. There are few: one slice.
    private func impliedSlice(_ node: DirectoryNode) throws(StoreError) -> (Slice, [ArchiveTask]) {
        var slice = Slice()
        var tasks: [ArchiveTask] = []
        let handle = node.state.withLock { $0.handle }
        for (name, target) in run.forest.names(in: node.path) {
            let path = node.path(of: name)
            do throws(StoreError) {
                switch target {
                case .stream(let stream):
                    let next = (slot: slice.slots.count, stream: stream)
                    if stream.isFollower, case .streams(_, let before)? = tasks.last {
                        tasks[tasks.count - 1] = .streams(node, before + [next])
                    } else {
                        tasks.append(.streams(node, [next]))
                    }
                    slice.slots.append(Slot(name: name, stat: .stream(), outcome: .pending))
                case .implied:
                    let stat = try impliedStat(handle, name, path)
                    let found = Found(name: name, stat: stat, kind: .implied)
                    try append(found, path, node, handle, to: &slice, &tasks)
                case .source:
                    guard let handle else { continue }
                    let stat = try FileStat.at(handle.descriptor, name)
                    let found = Found(name: name, stat: stat, kind: run.sourceKind(path, stat))
                    try append(found, path, node, handle, to: &slice, &tasks)
                }
            } catch {
                if error.isFatalForCapture { throw error }
                run.report(path, "stat", error)
            }
        }
        tasks.reverse()
        return (slice, tasks)
    }

    /// A directory above the sources, which may be reached through a symbolic link. Above nothing but streams it need
    /// not exist.
    private func impliedStat(
        _ handle: DirectoryHandle?, _ name: [UInt8], _ path: [UInt8]
    ) throws(StoreError) -> FileStat {
        do throws(StoreError) {
            guard let handle else { throw StoreError(.missing, "its directory does not exist", errno: ENOENT) }
            let descriptor = try sysOpen(handle.descriptor, name, SYS_O_PATH | O_DIRECTORY)
            defer { close(descriptor) }
            return try FileStat.of(descriptor)
        } catch {
            guard run.forest.holdsOnlyStreams(path) else { throw error }
            return .stream(mode: S_IFDIR | 0o755)
        }
    }

    private func capturedSlice(
        _ node: DirectoryNode, _ source: CaptureSource, _ decision: PathRules.Decision
    ) throws(StoreError) -> (Slice, [ArchiveTask]) {
        var slice = Slice()
        var tasks: [ArchiveTask] = []
        let work = node.state.withLock { state -> (NameList, Range<Int>, DirectoryHandle)? in
            guard let handle = state.handle, state.nextName < state.names.count else { return nil }
            let end = min(state.nextName + DirectoryNode.sliceCount, state.names.count)
            defer { state.nextName = end }
            return (state.names, state.nextName..<end, handle)
        }
        guard let (names, range, handle) = work else { return (slice, tasks) }
        let rules = directoryRules(node, names, handle)
        let marker = source.exclusions.markers.marker(in: names, directory: handle.descriptor)
        slice.slots.reserveCapacity(range.count)
        let scope = Scope(source: source, rules: rules, decision: decision)
        var path = node.path + [UInt8(ascii: "/")]
        let prefixLength = path.count
        for index in range {
            let name = names.name(index)
            path.removeSubrange(prefixLength...)
            path.append(contentsOf: name)
            if let marker, !name.elementsEqual(marker), run.forest.role(path) == .ordinary {
                counters.excluded += 1
                tally(source.component) { $0.excluded += 1 }
                continue
            }
            do throws(StoreError) {
                guard let found = try consider(index, names, path, handle, scope) else { continue }
                try append(found, path, node, handle, to: &slice, &tasks)
            } catch {
                if error.isFatalForCapture { throw error }
                run.report(path, "stat", error)
            }
        }
        tasks.reverse()
        return (slice, tasks)
    }

    /// The rules for the names of a directory: those it inherits, and its own ignore file, which is read once.
    private func directoryRules(_ node: DirectoryNode, _ names: NameList, _ handle: DirectoryHandle) -> PathRules {
        if let known = node.state.withLock({ $0.rules }) { return known }
        guard case .captured(_, var rules, _) = node.kind else { return PathRules(root: node.path, rules: []) }
        let file = Array(PathRules.ignoreFileName.utf8)
        if names.firstIndex(of: file) != nil {
            let path = node.path(of: file)
            do {
                let text = try readSmallFile(handle.descriptor, file, limit: 1 << 20)
                let parsed = PathRule.parseLines(text) { .ignoreFile(directory: node.path, line: $0) }
                for problem in parsed.problems { run.report(path, "ignore file", problem) }
                rules = rules.adding(ignoreFile: parsed.rules, in: node.path)
            } catch {
                run.report(path, "ignore file", error)
            }
        }
        let result = rules
        node.state.withLock { $0.rules = result }
        return result
    }

    /// What holds for the names of one directory.
    private struct Scope {
        let source: CaptureSource
        let rules: PathRules
        let decision: PathRules.Decision
    }

    /// A name that is captured.
    private struct Found {
        let name: [UInt8]
        let stat: FileStat
        let kind: DirectoryNode.Kind
        var isKeptForContent = false
    }

    /// Decides about one name; nil if it is left out.
    private func consider(
        _ index: Int, _ names: NameList, _ path: [UInt8], _ handle: DirectoryHandle, _ scope: Scope
    ) throws(StoreError) -> Found? {
        guard !RestoreStage.isName(names.name(index)) else {
            counters.skipped += 1
            return nil
        }
        var known: FileStat?
        var isDirectory = names.type(index) == SYS_DT_DIR
        if names.type(index) == SYS_DT_UNKNOWN {
            let stat = try self.stat(nil, index, names, handle)
            isDirectory = stat.isDirectory
            known = stat
        }
        let role = run.forest.role(path)
        if role == .source {
            let stat = try self.stat(known, index, names, handle)
            run.reach(path)
            return Found(name: Array(names.name(index)), stat: stat, kind: run.sourceKind(path, stat))
        }
        var decision = scope.decision
        var isKeptForContent = false
        if !scope.rules.isEmpty {
            decision = path.withUnsafeBufferPointer { path in
                scope.rules.decide(
                    path, nameStart: path.count - names.name(index).count, isDirectory: isDirectory,
                    parent: scope.decision)
            }
            if decision.isExcluded {
                guard isDirectory, role == .leads || scope.rules.couldIncludeBelow(path, decision) else {
                    counters.excluded += 1
                    tally(scope.source.component) { $0.excluded += 1 }
                    return nil
                }
                isKeptForContent = true
            }
        }
        let stat = try self.stat(known, index, names, handle)
        if stat.isRegular, let limit = scope.source.exclusions.largerThan, stat.size > limit {
            counters.excluded += 1
            tally(scope.source.component) { $0.excluded += 1 }
            return nil
        }
        return Found(
            name: Array(names.name(index)), stat: stat,
            kind: .captured(scope.source, scope.rules, decision), isKeptForContent: isKeptForContent)
    }

    private func stat(
        _ known: FileStat?, _ index: Int, _ names: NameList, _ handle: DirectoryHandle
    ) throws(StoreError) -> FileStat {
        if let known { return known }
        return try names.withName(index) { (name, _) throws(StoreError) in try FileStat.at(handle.descriptor, name) }
    }

    /// Gives a name its slot: a directory becomes a task, an unchanged file its old entry, a link or device its entry.
    private func append(
        _ found: Found, _ path: [UInt8], _ node: DirectoryNode, _ handle: DirectoryHandle?, to slice: inout Slice,
        _ tasks: inout [ArchiveTask]
    ) throws(StoreError) {
        var slot = Slot(name: found.name, stat: found.stat, outcome: .pending)
        if found.stat.isDirectory {
            let position = node.state.withLock { state in
                DirectoryNode.Position(slice: state.nextSliceNumber, slot: slice.slots.count)
            }
            let child = DirectoryNode(
                parent: node, position: position, name: found.name, kind: found.kind,
                isKeptForContent: found.isKeptForContent)
            if run.parentTree != nil { inheritParentTree(child, node) }
            tasks.append(.directory(child))
            slice.children[position.slot] = child
        } else if let handle {
            noteDatabase(&slot, node, handle)
            if !mustRead(slot, path), reuse(&slot, path, node) {
                if slot.stat.isRegular { keepDatabase(slot, path, node, handle) }
            } else if !found.stat.isRegular {
                slot.outcome = try specialOutcome(&slot, path, handle)
            }
        }
        if case .linked = slot.outcome { slice.hasLinks = true }
        if case .pending = slot.outcome {} else {
            tally(run.component(of: slot.name, in: node)) { $0.count(slot.stat, slot.capturedSize) }
        }
        slice.slots.append(slot)
    }

    /// The slots that must be read, in batches that one worker reads at a time. What belongs to a database comes behind
    /// it in the same batch: whether it is captured depends on how that goes.
    private func fileBatches(_ slots: [Slot], except streams: [Int]) -> [[Int]] {
        var batches: [[Int]] = []
        var batch: [Int] = []
        var bytes: UInt64 = 0
        var bases: [[UInt8]: Int] = [:]
        var companions: [(batch: Int, position: Int)] = []
        for (position, slot) in slots.enumerated() {
            guard case .pending = slot.outcome, slot.stat.isRegular, !streams.contains(position) else { continue }
            if case .companion(let base) = slot.part, let batch = bases[base] {
                companions.append((batch, position))
                continue
            }
            if slot.part == .base { bases[slot.name] = batches.count }
            batch.append(position)
            bytes += slot.stat.size
            if batch.count == Self.batchFileCount || bytes >= Self.batchByteCount {
                batches.append(batch)
                batch = []
                bytes = 0
            }
        }
        if !batch.isEmpty { batches.append(batch) }
        for companion in companions { batches[companion.batch].append(companion.position) }
        return batches
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
        guard bytes.count < limit else { throw StoreError(.refused, "the file is too long, it is not heeded") }
        return bytes
    }
}

extension StoreError {
    /// Ends a capture; everything else about a source file costs that file only.
    var isFatalForCapture: Bool { code == .interrupted || code == .noSpace || code == .sessionLost }
}
