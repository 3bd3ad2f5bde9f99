import CSys
import VarveFormat

/// Removes from a directory what the snapshot does not have, while the walk passes the names that it has.
struct RestoreDeletion {
    private let directory: RestoreDirectory
    private let names: NameList
    private let scope: RestoreScope
    private var next = 0

    /// - Parameter names: what was in the directory before the restore put anything into it.
    init(_ directory: RestoreDirectory, _ names: NameList, _ scope: RestoreScope) {
        self.directory = directory
        self.names = names
        self.scope = scope
    }

    /// Removes the names before the next one that the snapshot has.
    mutating func advance(to name: [UInt8], _ run: RestoreRun, _ directories: DirectoryCache) {
        while next < names.count, names.name(next).lexicographicallyPrecedes(name) { remove(run, directories) }
        if next < names.count, names.name(next).elementsEqual(name) { next += 1 }
    }

    /// Removes the names behind the last one.
    mutating func finish(_ run: RestoreRun, _ directories: DirectoryCache) {
        while next < names.count { remove(run, directories) }
    }

    private mutating func remove(_ run: RestoreRun, _ directories: DirectoryCache) {
        let name = Array(names.name(next))
        let isDirectory = names.type(next) == SYS_DT_DIR
        next += 1
        let slash = UInt8(ascii: "/")
        let path = directory.path == [slash] ? [slash] + name : directory.path + [slash] + name
        guard !run.isStopped, !RestoreStage.isName(name), !scope.protects(path, isDirectory: isDirectory) else {
            return
        }
        guard !run.options.isDryRun else {
            return run.foresee { $0.deleted += 1 } change: { .init(path: path, action: .delete) }
        }
        do throws(StoreError) {
            let opened = try directories.open(directory)
            if let transaction = run.transaction {
                try transaction.remove(name, in: directory, opened)
            } else {
                try RestoreObstacles.remove(name, in: opened)
            }
            run.count { $0.deleted += 1 }
        } catch {
            run.report(path, "delete", error)
        }
    }
}
