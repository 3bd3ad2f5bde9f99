import CSys
import Glibc
import VarveFormat

/// What becomes of an entry that is no directory.
enum RestoreFate: Equatable {
    case make
    /// A file of this size and time is there.
    case compare
    /// The same link or special file is there.
    case refresh
    /// What is there stays.
    case leave
}

/// What a restore is asked to touch.
struct RestoreScope {
    let options: Restorer.Options
    let target: RestoreDirectory
    private let rules: PathRules?
    /// The path in the snapshot that is restored, for a restore in place: the walk starts above it.
    let focus: [UInt8]
    let focusDepth: Int
    /// The name of the entry where the walk starts, if that is not a directory.
    let startName: [UInt8]

    private static let slash = UInt8(ascii: "/")

    init(options: Restorer.Options, target: RestoreDirectory) {
        self.options = options
        self.target = target
        let start = TreePath.components(options.subpath ?? [])
        focus = options.target == nil ? TreePath.joined(start) : [Self.slash]
        focusDepth = options.target == nil ? start.count : 0
        startName = start.last ?? []
        rules =
            options.rules.isEmpty && !options.includesOnly
            ? nil
            : PathRules(root: TreePath.joined(start), rules: options.rules, excludesByDefault: options.includesOnly)
    }

    // MARK: which paths

    /// Whether a path that is no deeper than the focus is on the way to it.
    func leads(to path: [UInt8]) -> Bool {
        guard focus.starts(with: path) else { return false }
        return path.count == focus.count || focus[path.count] == Self.slash
    }

    /// What holds for the start; nil without rules.
    var initialDecision: PathRules.Decision? { rules?.initial }

    func decide(
        _ path: [UInt8], nameStart: Int, isDirectory: Bool, parent: PathRules.Decision
    ) -> PathRules.Decision? {
        path.withUnsafeBufferPointer { path in
            rules?.decide(path, nameStart: nameStart, isDirectory: isDirectory, parent: parent)
        }
    }

    func couldInclude(below path: [UInt8], _ decision: PathRules.Decision) -> Bool {
        rules?.couldIncludeBelow(path, decision) ?? true
    }

    /// Whether the rules keep the restore from touching a path that the snapshot does not have.
    func protects(_ path: [UInt8], isDirectory: Bool) -> Bool {
        rules?.decide(path: path, isDirectory: isDirectory).isExcluded ?? false
    }

    /// Whether a path that is no directory is in the part that is restored.
    func isInPart(_ path: [UInt8]) -> Bool { options.part?.contains(path) ?? true }

    /// Whether a component at this depth below the start is cut off.
    func strips(depth: Int) -> Bool { depth <= options.stripComponents }

    // MARK: what is there already

    /// Whether an entry takes the place of what is there.
    func replaces(_ entry: TreeEntry, _ found: FileStat) -> Bool {
        switch options.overwrite {
        case .always, .ifChanged: true
        case .ifNewer:
            (entry.attributes.mtimeSeconds, entry.attributes.mtimeNanoseconds)
                > (found.mtimeSeconds, found.mtimeNanoseconds)
        case .never: false
        }
    }

    /// Decides about an entry that is no directory. An empty directory in its way is removed, and with `deletes` any.
    func fate(
        of entry: TreeEntry, _ found: FileStat?, name: [UInt8], in directory: RestoreDirectory,
        _ directories: DirectoryCache
    ) throws(StoreError) -> RestoreFate {
        guard let found else { return .make }
        guard replaces(entry, found) else { return .leave }
        if found.isDirectory {
            guard !options.isDryRun else { return .make }
            let parent = try directories.open(directory)
            if options.target == nil {
                // It goes into a stage when everything else is there.
                let isFree = options.deletes ? true : try parent.openDirectory(name).list().count == 0
                guard isFree else {
                    throw StoreError(
                        .refused, "a directory that is not empty stands where a file should",
                        remedy: "move it away, or restore with --delete")
                }
            } else if options.deletes {
                try RestoreObstacles.remove(name, in: parent)
            } else {
                do throws(StoreError) {
                    try parent.removeDirectory(name)
                } catch {
                    throw StoreError(
                        .refused, "a directory that is not empty stands where a file should",
                        remedy: "move it away, or restore with --delete", errno: error.errno)
                }
            }
            return .make
        }
        return options.overwrite == .ifChanged ? try changed(entry, found, name, directory, directories) : .make
    }

    private func changed(
        _ entry: TreeEntry, _ found: FileStat, _ name: [UInt8], _ directory: RestoreDirectory,
        _ directories: DirectoryCache
    ) throws(StoreError) -> RestoreFate {
        guard found.mode & S_IFMT == RestoreWorker.systemType(entry.type) else { return .make }
        switch entry.content {
        case .file(let size, _):
            return found.size == size && AttributeComparison.isTime(entry.attributes, found) ? .compare : .make
        case .symlink(let target):
            return try directories.open(directory).readLink(name) == target ? .refresh : .make
        case .device(let major, let minor):
            return found.specialDevice == sys_makedev(major, minor) ? .refresh : .make
        case .none, .directory: return .refresh
        }
    }
}
