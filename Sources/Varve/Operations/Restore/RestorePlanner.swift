import CSys
import Glibc
import VarveFormat

/// Walks the tree of a snapshot and decides what becomes of each entry. Makes the directories; everything else goes to
/// the workers in windows.
struct RestorePlanner {
    /// A directory of the walk.
    private struct Place {
        let entry: TreeEntry
        let path: [UInt8]
        let name: [UInt8]
        let decision: PathRules.Decision?
        /// Nil until something in it is to be restored, or if that failed.
        var directory: RestoreDirectory?
        var isFailed = false
        /// Its contents go into the directory above it.
        var isStripped = false
        var deletion: RestoreDeletion?
        /// In place: what SQLite left beside databases that are restored.
        var leftovers: DatabaseLeftovers?
    }

    let run: RestoreRun
    let scope: RestoreScope
    let worker: RestoreWorker
    private var walker: TreeWalker
    private var window: RestoreWindow
    private var places: [Place] = []
    private var links: [UInt64: RestoreLinkSet] = [:]

    init(_ run: RestoreRun, scope: RestoreScope, walker: TreeWalker) throws(StoreError) {
        self.run = run
        self.scope = scope
        self.walker = walker
        worker = try RestoreWorker(run)
        window = RestoreWindow(run)
    }

    // MARK: the walk

    /// Plans everything, and waits until no task can ask for more.
    mutating func plan() {
        while !run.isStopped, let event = walker.next() {
            switch event {
            case .entry(let entry): visit(entry)
            case .leave: leave()
            case .failure(let error):
                places[places.count - 1].deletion = nil
                run.report(walker.path, RestoreFailure(reading: error))
            }
            if window.isFull { flush() }
        }
        flush()
        run.waitForTasks()
        while !run.isStopped {
            let again = run.takeAgain()
            if again.isEmpty { break }
            for file in again { planContent(file) }
            window.flush()
            run.waitForTasks()
        }
        for file in run.takeAgain() {
            worker.fail(file, RestoreFailure("create", StoreError(.interrupted, "interrupted")))
        }
    }

    /// After all workers have ended: sets the flags that had to wait, and finishes the directories that hard links and
    /// the target had to keep open.
    mutating func finish() {
        // Of what stays where it is, the flags are among the attributes that are noted.
        for file in run.lockedFiles where !run.isStopped && (run.transaction == nil || file.directory.isNew) {
            do throws(StoreError) {
                let directory = try worker.directories.open(file.directory)
                let descriptor = try directory.openFile(file.name)
                defer { _ = sys_close(descriptor) }
                try run.metadata.apply(file.entry.attributes, to: .open(descriptor))
            } catch { run.report(file.path, "metadata", error) }
        }
        for set in links.values {
            if let first = set.first { worker.release(first.directory) }
        }
        worker.addCounts(path: nil)
        worker.release(scope.target)
    }

    private mutating func flush() {
        for file in run.takeAgain() { planContent(file) }
        window.flush()
    }

    private mutating func visit(_ entry: TreeEntry) {
        let depth = places.count
        if depth == 0 { return visitStart(entry) }
        guard depth > scope.focusDepth || scope.leads(to: walker.path) else { return walker.skipContents() }
        let isAbove = depth < scope.focusDepth
        let decision = depth <= scope.focusDepth ? scope.initialDecision : decide(entry)
        let isExcluded = decision?.isExcluded ?? false
        if entry.type == .directory {
            if let decision, isExcluded, !scope.couldInclude(below: walker.path, decision) {
                return walker.skipContents()
            }
            var place = Place(entry: entry, path: walker.path, name: entry.name, decision: decision)
            place.isStripped = scope.strips(depth: depth)
            places.append(place)
            if !isExcluded, !isAbove { materialize() }
            if places[depth].isFailed {
                walker.skipContents()
                places.removeLast()
            }
            return
        }
        guard !isExcluded, !isAbove, !scope.strips(depth: depth), scope.isInPart(walker.path) else { return }
        guard let directory = materialize() else { return }
        plan(entry, directory)
    }

    private mutating func visitStart(_ entry: TreeEntry) {
        var place = Place(
            entry: entry, path: walker.path, name: [], decision: scope.initialDecision, directory: scope.target)
        guard entry.type == .directory else {
            places.append(place)
            plan(entry, scope.target)
            return
        }
        let isOurs = !entry.isImplied && scope.focusDepth == 0 && run.options.stripComponents == 0
        if run.options.deletes, isOurs, !scope.target.isNew {
            place.deletion = deletion(scope.target)
        }
        places.append(place)
        if let transaction = run.transaction { keepStart(entry, isOurs: isOurs, transaction) }
    }

    private func decide(_ entry: TreeEntry) -> PathRules.Decision? {
        guard let parent = places.last?.decision ?? scope.initialDecision else { return nil }
        let path = walker.path
        return scope.decide(
            path, nameStart: path.count - entry.name.count, isDirectory: entry.type == .directory, parent: parent)
    }

    private mutating func leave() {
        guard var place = places.popLast() else { return }
        if place.deletion != nil { place.deletion?.finish(run, worker.directories) }
        removeLeftovers(place.leftovers, in: place.directory)
        guard let directory = place.directory, !place.isStripped, !places.isEmpty else { return }
        worker.release(directory)
    }

    // MARK: directories

    /// Makes the directories down to here that are not there yet; nil if that fails, which is reported.
    @discardableResult
    private mutating func materialize() -> RestoreDirectory? {
        if let directory = places.last?.directory { return directory }
        for index in places.indices where places[index].directory == nil {
            guard index > 0, !places[index].isFailed, let parent = places[index - 1].directory else { return nil }
            if places[index].isStripped {
                places[index].directory = parent
                continue
            }
            let place = places[index]
            places[index - 1].deletion?.advance(to: place.name, run, worker.directories)
            do throws(StoreError) {
                let directory = try make(place, in: parent, isAbove: index < scope.focusDepth)
                places[index].directory = directory
                if run.options.deletes, !place.entry.isImplied, !directory.isNew, index >= scope.focusDepth {
                    places[index].deletion = deletion(directory)
                }
                if run.transaction != nil, !directory.isNew {
                    places[index].leftovers = DatabaseLeftovers(try worker.directories.open(directory).list())
                }
            } catch {
                places[index].isFailed = true
                run.report(place.path, "create", error)
                return nil
            }
        }
        return places.last?.directory
    }

    private func make(
        _ place: Place, in parent: RestoreDirectory, isAbove: Bool
    ) throws(StoreError) -> RestoreDirectory {
        let entry = place.entry
        let isImplied = entry.isImplied || isAbove
        // In place, what only leads to something that was chosen stays as it is.
        let stays = isImplied || (run.options.target == nil && place.decision?.isExcluded == true)
        func directory(isNew: Bool, _ attributes: Attributes?) -> RestoreDirectory {
            RestoreDirectory(
                parent: parent, name: place.name, path: place.path, attributes: attributes,
                isImplied: isNew ? isImplied : stays, isNew: isNew)
        }
        func make(_ opened: OpenDirectory) throws(StoreError) -> RestoreDirectory {
            try opened.makeDirectory(place.name)
            run.count { $0.directoriesMade += 1 }
            return directory(isNew: true, entry.attributes)
        }
        guard !parent.isNew || !run.options.isDryRun else { return foresee(place, directory(isNew: true, nil)) }
        let opened = try worker.directories.open(parent)
        guard !parent.isNew, let found = try opened.status(place.name) else {
            if !parent.isNew, !run.options.isDryRun, let transaction = run.transaction {
                return try stage(
                    entry, place.path, in: parent, opened, over: nil, isImplied: isImplied, transaction)
            }
            return run.options.isDryRun ? foresee(place, directory(isNew: true, nil)) : try make(opened)
        }
        if found.isDirectory {
            if stays || run.options.isDryRun { return directory(isNew: false, nil) }
            if let transaction = run.transaction {
                try keep(place.entry, found, in: parent, opened, transaction)
                return directory(isNew: false, nil)
            }
            _ = try RestoreObstacles.openUnlocked(place.name, in: opened)
            return directory(isNew: false, scope.replaces(entry, found) ? entry.attributes : nil)
        }
        guard !stays, run.options.overwrite != .never else {
            throw StoreError(
                .refused, "a file or link stands where a directory should",
                remedy: "move it away, or restore to another place with --target")
        }
        guard !run.options.isDryRun else { return foresee(place, directory(isNew: true, nil)) }
        if let transaction = run.transaction {
            return try stage(entry, place.path, in: parent, opened, over: found, isImplied: false, transaction)
        }
        try RestoreObstacles.remove(place.name, in: opened)
        return try make(opened)
    }

    private func foresee(_ place: Place, _ directory: RestoreDirectory) -> RestoreDirectory {
        run.foresee { $0.created += 1 } change: { .init(path: place.path, action: .create) }
        return directory
    }

    private func deletion(_ directory: RestoreDirectory) -> RestoreDeletion? {
        do throws(StoreError) {
            return RestoreDeletion(directory, try worker.directories.open(directory).list(), scope)
        } catch {
            run.report(directory.path, "list", error)
            return nil
        }
    }

    // MARK: files

    private mutating func plan(_ entry: TreeEntry, _ directory: RestoreDirectory) {
        places[places.count - 1].deletion?.advance(to: entry.name, run, worker.directories)
        let name = places.count == 1 && entry.name.isEmpty ? scope.startName : entry.name
        let fate: RestoreFate
        let found: FileStat?
        do throws(StoreError) {
            found = directory.isNew ? nil : try worker.directories.open(directory).status(name)
            fate = try scope.fate(of: entry, found, name: name, in: directory, worker.directories)
        } catch {
            return run.report(walker.path, "create", error)
        }
        places[places.count - 1].leftovers?.visit(name, isRestored: fate != .leave)
        guard !run.options.isDryRun else { return foresee(entry, fate, found) }
        if fate == .leave {
            run.count { $0.filesUnchanged += 1 }
            return
        }
        guard let key = entry.hardLinkKey else {
            return start(
                RestoreFile(directory: directory, name: name, path: walker.path, entry: entry, linkSet: nil), fate)
        }
        let set = links[key] ?? RestoreLinkSet(entry)
        links[key] = set
        guard set.fingerprint == RestoreLinkSet.fingerprint(entry) else {
            return run.report(
                walker.path,
                RestoreFailure(reading: StoreError(.damaged, "two different files share a hard-link key")))
        }
        let file = RestoreFile(directory: directory, name: name, path: walker.path, entry: entry, linkSet: set)
        switch set.join(file) {
        case .first: start(file, fate)
        case .waiting: break
        case .link(let first): window.add(.link(file, to: first))
        case .lost(let failure):
            run.report(file.path, failure)
            worker.release(file)
        }
    }

    private func foresee(_ entry: TreeEntry, _ fate: RestoreFate, _ found: FileStat?) {
        var size: UInt64 = 0
        if fate == .make, case .file(let bytes, _) = entry.content { size = bytes }
        // In place both the old and the new file are there for a while.
        let freed = run.options.target == nil ? 0 : found.map { $0.links == 1 ? $0.blocks * 512 : 0 } ?? 0
        run.foresee { forecast in
            switch fate {
            case .leave, .refresh: forecast.unchanged += 1
            case .compare: forecast.compared += 1
            case .make: if found == nil { forecast.created += 1 } else { forecast.replaced += 1 }
            }
            forecast.bytes += size
            let space = entry.isSparse ? 0 : (size + 4_095) & ~4_095
            forecast.space += space > freed ? space - freed : 0
        } change: {
            fate == .make ? .init(path: walker.path, action: found == nil ? .create : .replace) : nil
        }
    }

    private mutating func start(_ file: RestoreFile, _ fate: RestoreFate) {
        switch fate {
        case .leave: worker.release(file)
        case .compare: window.add(.compare(file))
        case .refresh: window.add(.refresh(file))
        case .make: planContent(file)
        }
    }

    private mutating func planContent(_ planned: RestoreFile) {
        guard let file = staged(planned) else { return }
        guard case .file(let size, let blobs) = file.entry.content, size > 0 else { return window.add(.make(file)) }
        do throws(StoreError) {
            try window.add(file, blobs, size: size)
            worker.finishPart(file, nil)
        } catch {
            worker.finishPart(file, RestoreFailure(reading: error))
        }
    }
}
