import CSys
import Glibc
import VarveFormat

/// Counts the files and bytes of the sources before a capture, for a display that tells the time left. An estimate: it
/// heeds rules and file system borders, but reports no errors, reads no files and no `.varveignore`.
final class SourceCounter: Sendable {
    private final class Node: Sendable {
        let parent: DirectoryHandle
        let name: [UInt8]
        let path: [UInt8]
        let source: CaptureSource
        let rules: PathRules
        let decision: PathRules.Decision

        init(
            _ parent: DirectoryHandle, _ name: [UInt8], _ path: [UInt8], _ source: CaptureSource, _ rules: PathRules,
            _ decision: PathRules.Decision
        ) {
            self.parent = parent
            self.name = name
            self.path = path
            self.source = source
            self.rules = rules
            self.decision = decision
        }
    }

    private let run: ArchiveRun
    private let stack = WorkStack<Node>()

    private init(_ run: ArchiveRun) { self.run = run }

    /// Walks the sources and fills `filesTotal` and `bytesTotal` of the progress.
    static func count(_ run: ArchiveRun) throws(StoreError) {
        run.progress.update { values in
            values.phase = "scanning"
            values.filesTotal = 0
            values.bytesTotal = 0
        }
        let counter = SourceCounter(run)
        counter.pushSources()
        try Threads.run(run.repository.threadCount) { (_) throws(StoreError) in
            counter.stack.work(whenDry: { [] }, paused: {}) { (node) throws(StoreError) in
                try run.progress.check()
                counter.count(node)
            }
        }
        if let error = counter.stack.error { throw error }
    }

    /// Every source that does not lie in another one.
    private func pushSources() {
        guard let top = try? Syscalls.open([UInt8(ascii: "/")], flags: SYS_O_PATH | O_DIRECTORY) else { return }
        let root = DirectoryHandle(owning: top)
        for path in run.options.paths where run.forest.role(path) != .source {
            let relative = path == [UInt8(ascii: "/")] ? [UInt8(ascii: ".")] : Array(path.dropFirst())
            let place = path == [UInt8(ascii: "/")] ? [] : path
            guard let stat = try? FileStat.at(root.descriptor, relative) else { continue }
            guard stat.isDirectory, case .captured(let source, let rules, let decision) = run.sourceKind(place, stat)
            else {
                if stat.isRegular { add(files: 1, bytes: stat.size) }
                continue
            }
            stack.push([Node(root, relative, place, source, rules, decision)])
        }
    }

    private func add(files: Int, bytes: UInt64) {
        run.progress.update { values in
            values.filesTotal = (values.filesTotal ?? 0) + files
            values.bytesTotal = (values.bytesTotal ?? 0) + bytes
        }
    }

    private func count(_ node: Node) {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK
        guard let descriptor = try? Syscalls.open(node.name, at: node.parent.descriptor, flags: flags) else { return }
        let handle = DirectoryHandle(owning: descriptor)
        guard let stat = try? FileStat.of(descriptor), !run.ownDirectories.contains(.init(stat)),
            node.path == node.source.path || !run.isForeign(descriptor, stat, node.source),
            let names = try? listDirectory(descriptor)
        else { return }
        let marker = run.options.exclusions.markers.marker(in: names, directory: descriptor)
        var files = 0
        var bytes: UInt64 = 0
        var children: [Node] = []
        for index in 0..<names.count {
            let name = names.name(index)
            let path = node.path + [UInt8(ascii: "/")] + name
            if let marker, !name.elementsEqual(marker) { continue }
            if RestoreStage.isName(name) { continue }
            guard let stat = try? names.withName(index, { (name, _) throws(StoreError) in
                try FileStat.at(descriptor, name)
            }), let decision = decision(path, name.count, stat, node) else { continue }
            if stat.isDirectory {
                children.append(Node(handle, Array(name), path, node.source, node.rules, decision))
            } else if stat.isRegular {
                files += 1
                bytes += stat.size
            }
        }
        add(files: files, bytes: bytes)
        stack.push(children.reversed())
    }

    /// nil for what is left out.
    private func decision(
        _ path: [UInt8], _ nameCount: Int, _ stat: FileStat, _ node: Node
    ) -> PathRules.Decision? {
        if stat.isRegular, let limit = run.options.exclusions.largerThan, stat.size > limit { return nil }
        guard !node.rules.isEmpty else { return node.decision }
        let decision = path.withUnsafeBufferPointer { path in
            node.rules.decide(
                path, nameStart: path.count - nameCount, isDirectory: stat.isDirectory, parent: node.decision)
        }
        if decision.isExcluded, !stat.isDirectory || !node.rules.couldIncludeBelow(path, decision) { return nil }
        return decision
    }
}
