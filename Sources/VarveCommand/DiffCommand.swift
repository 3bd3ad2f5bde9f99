import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct DiffCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Show what differs between two snapshots, or a snapshot and a directory.",
        discussion: """
            + added, - removed, M modified (and what), T another type. A second argument
            that begins with / or . is a directory; it is compared by content.
            Differences do not change the exit status.

            Examples:
              varve diff latest~1 latest
              varve diff latest:home/me/docs ~/docs
            """)

    @Argument(help: ArgumentHelp("The first snapshot, and a path in it.", valueName: "ref[:path]")) var first: String
    @Argument(help: ArgumentHelp("The second snapshot, or a directory.", valueName: "ref[:path]|dir"))
    var second: String
    @Flag(help: "For @DATE: the closest snapshot, before or after.") var nearest = false
    @OptionGroup(title: "Global options") var global: GlobalOptions

    private enum Other {
        case snapshot(Snapshot, path: [UInt8])
        case directory([UInt8])
    }

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let reference = try SnapshotReference(ArgumentBytes.bytes(first))
        let repository = try context.openRepository()
        let lookup = try SnapshotLookup(repository)
        let snapshot = try lookup.find(reference, nearest: nearest)
        let other = try other(lookup, context)
        let path = reference.path ?? []
        var list = ChangeList(context.output)
        let failures = try context.withProgress { progress throws(StoreError) in
            let difference = TreeDifference(repository: repository, progress: progress)
            switch other {
            case .snapshot(let new, let newPath):
                return try difference.compare(snapshot, at: path, with: new, at: newPath) { change throws(StoreError) in
                    try list.add(change)
                }
            case .directory(let directory):
                return try difference.compare(snapshot, at: path, withDirectory: directory) {
                    change throws(StoreError) in try list.add(change)
                }
            }
        }
        list.finish()
        for failure in failures { context.output.error(context.output.safe(failure.message), path: failure.path) }
        return ExitStatus.worst(
            failures.map { $0.code == .damaged || ($0.code == .missing && $0.errno == nil) ? .damage : .partial })
    }

    /// What the second argument names: a directory by its looks, a snapshot, or a directory after all.
    private func other(_ lookup: SnapshotLookup, _ context: Context) throws(StoreError) -> Other {
        if second.hasPrefix("/") || second.hasPrefix(".") { return .directory(try context.absolute(second)) }
        do throws(StoreError) {
            let reference = try SnapshotReference(ArgumentBytes.bytes(second))
            return .snapshot(try lookup.find(reference, nearest: nearest), path: reference.path ?? [])
        } catch {
            let path = try context.absolute(second)
            guard (try? Syscalls.status(path))?.kind == .directory else { throw error }
            return .directory(path)
        }
    }
}

/// Shows changes as they come, or gathers them for JSON.
private struct ChangeList {
    private let output: Output
    private var counts: [TreeDifference.Kind: Int] = [:]
    private var json: [JSONValue] = []

    init(_ output: Output) { self.output = output }

    mutating func add(_ change: TreeDifference.Change) throws(StoreError) {
        counts[change.kind, default: 0] += 1
        if output.isJSON {
            var members = Output.pathMembers(change.path)
            members["change"] = .string(change.kind.rawValue)
            members["aspects"] = .array(change.aspects.names.map { .string($0) })
            members["old_type"] = SnapshotJSON.text(change.oldType.map(EntryText.type))
            members["new_type"] = SnapshotJSON.text(change.newType.map(EntryText.type))
            members["old_size"] = change.oldType == nil ? .null : .integer(Int64(clamping: change.oldSize))
            members["new_size"] = change.newType == nil ? .null : .integer(Int64(clamping: change.newSize))
            json.append(.object(members))
            return
        }
        try output.checkReader()
        var line = Array(Self.mark(change.kind).utf8)
        line += output.width == nil ? change.path : Array(output.show(change.path).utf8)
        line += Array(Self.explanation(change).utf8)
        output.write(line + [UInt8(ascii: "\n")])
    }

    func finish() {
        let added = counts[.added] ?? 0
        let removed = counts[.removed] ?? 0
        let modified = counts[.modified] ?? 0
        let type = counts[.type] ?? 0
        if output.isJSON {
            output.json([
                "changes": .array(json), "added": .integer(Int64(added)), "removed": .integer(Int64(removed)),
                "modified": .integer(Int64(modified)), "type_changed": .integer(Int64(type)),
            ])
        } else {
            output.note(
                counts.isEmpty
                    ? "no differences"
                    : "\(added) added, \(removed) removed, \(modified) modified, \(type) of another type")
        }
    }

    private static func mark(_ kind: TreeDifference.Kind) -> String {
        switch kind {
        case .added: "+ "
        case .removed: "- "
        case .modified: "M "
        case .type: "T "
        }
    }

    private static func explanation(_ change: TreeDifference.Change) -> String {
        switch change.kind {
        case .added, .removed: ""
        case .modified: "  (\(change.aspects.names.joined(separator: ", ")))"
        case .type:
            "  (\(change.oldType.map(EntryText.type) ?? "") -> \(change.newType.map(EntryText.type) ?? ""))"
        }
    }
}
