import CSys
import Glibc
import VarveFormat

/// What the planner does in place: it notes what will change, and lets new things be made in stages.
extension RestorePlanner {
    /// The directory where the walk starts stays; if it is restored, it gets its attributes.
    func keepStart(_ entry: TreeEntry, isOurs: Bool, _ transaction: RestoreTransaction) {
        guard isOurs else { return }
        do throws(StoreError) {
            try keepAttributes(entry, run.root.directory, name: [], in: [], transaction)
        } catch { run.report([UInt8(ascii: "/")], "metadata", error) }
    }

    /// A directory that is there stays, and gets the attributes of the snapshot if they differ.
    func keep(
        _ entry: TreeEntry, _ found: FileStat, in parent: RestoreDirectory, _ opened: OpenDirectory,
        _ transaction: RestoreTransaction
    ) throws(StoreError) {
        guard scope.replaces(entry, found) else { return }
        let directory = try opened.openDirectory(entry.name)
        try keepAttributes(entry, directory, name: entry.name, in: parent.components, transaction)
    }

    private func keepAttributes(
        _ entry: TreeEntry, _ directory: OpenDirectory, name: [UInt8], in names: [[UInt8]],
        _ transaction: RestoreTransaction
    ) throws(StoreError) {
        let target = MetadataTarget.open(directory.descriptor)
        let stat = try FileStat.of(directory.descriptor)
        var aspects = try AttributeComparison(owners: run.owners).differences(entry.attributes, target, stat)
        if !run.options.restoresOwner { aspects.remove(.owner) }
        if aspects.isEmpty { return }
        try transaction.attributes(of: name, in: names, target, after: entry.attributes)
    }

    /// Makes a directory in a stage, with all that it will hold, to be put in its place.
    func stage(
        _ entry: TreeEntry, _ path: [UInt8], in parent: RestoreDirectory, _ opened: OpenDirectory,
        over found: FileStat?, isImplied: Bool, _ transaction: RestoreTransaction
    ) throws(StoreError) -> RestoreDirectory {
        let slot = try transaction.slot(for: parent, opened)
        try worker.directories.open(slot.directory).makeDirectory(slot.name)
        run.count { $0.directoriesMade += 1 }
        try transaction.put(slot, as: entry.name, in: parent, opened, over: found)
        return RestoreDirectory(
            parent: slot.directory, name: slot.name, path: path, attributes: entry.attributes,
            isImplied: isImplied, isNew: true)
    }

    /// The file as it is made in a stage, unless all is made at its place; nil if that fails, which is reported.
    func staged(_ file: RestoreFile) -> RestoreFile? {
        guard let transaction = run.transaction, !file.directory.isNew else { return file }
        do throws(StoreError) {
            let opened = try worker.directories.open(file.directory)
            let slot = try transaction.slot(for: file.directory, opened)
            defer { worker.release(file) }
            return RestoreFile(file, over: try opened.status(file.name), in: slot)
        } catch {
            worker.fail(file, RestoreFailure("create", error))
            return nil
        }
    }

    /// Notes that what SQLite left beside the old databases of a directory goes.
    func removeLeftovers(_ leftovers: DatabaseLeftovers?, in directory: RestoreDirectory?) {
        guard let leftovers, let directory, let transaction = run.transaction, !run.isStopped else { return }
        do throws(StoreError) {
            let opened = try worker.directories.open(directory)
            for name in leftovers.orphans(in: opened) {
                let path = directory.components + [name]
                guard !transaction.takes(TreePath.joined(path)) else { continue }
                try transaction.remove(name, in: directory, opened)
            }
        } catch { run.report(directory.path, "delete", error) }
    }
}
