import CSys
import Glibc
import VarveFormat

/// One thread's part of a restore: takes tasks and does each from start to end.
final class RestoreWorker {
    let run: RestoreRun
    let directories: DirectoryCache
    let writer = RestoreWriter()
    let frames: FrameReader
    var frameMemory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// Temporary names are the start's digits counted on: another program that makes such names is met by O_EXCL.
    private var temporaryNumber = UInt64.random(in: .min ... .max)
    /// What was done since it was last added to the report.
    var filesRestored = 0
    var filesVerified = 0
    var bytesWritten: UInt64 = 0

    init(_ run: RestoreRun) throws(StoreError) {
        self.run = run
        directories = DirectoryCache(run.root, limit: run.openDirectoryLimit)
        frames = try FrameReader(run.content.packs, findBase: run.content.index.frameLocation)
    }

    deinit { frameMemory.deallocate() }

    /// Works until there are no more tasks.
    func work() {
        while let task = run.tasks.pop() {
            switch task {
            case .frames(let frames):
                process(frames)
                addCounts(path: frames.last?.uses.last?.file.path)
            case .chain(let frames):
                for frame in frames { process(frame, isAlone: frames.count == 1) }
                addCounts(path: frames.last?.uses.last?.file.path)
            case .loose(let entries):
                for entry in entries { process(entry) }
                addCounts(path: nil)
            }
            run.finishTask(useCount: task.useCount)
        }
    }

    /// Adds what was done to the report.
    func addCounts(path: [UInt8]?) {
        let (files, verified, bytes) = (filesRestored, filesVerified, bytesWritten)
        (filesRestored, filesVerified, bytesWritten) = (0, 0, 0)
        run.count { report in
            report.filesRestored += files
            report.filesVerified += verified
            report.bytesWritten += bytes
        }
        run.progress.update { values in
            values.filesDone += files
            values.bytesDone += bytes
            if let path { values.currentPath = path }
        }
    }

    /// A name that no file has, `.varve-`, 16 hex digits, `.tmp`.
    func temporaryName() -> [UInt8] {
        temporaryNumber &+= 1
        return OpenDirectory.temporaryName(number: temporaryNumber)
    }

    /// Does a step with names until one is not taken.
    func withFreeName<Result>(
        _ make: (_ name: [UInt8]) throws(StoreError) -> Result
    ) throws(StoreError) -> (name: [UInt8], result: Result) {
        while true {
            let name = temporaryName()
            do throws(StoreError) {
                return (name, try make(name))
            } catch {
                if error.code != .exists { throw error }
            }
        }
    }

    // MARK: the end of an entry

    /// A file is there under its name, written by this restore.
    func succeed(_ file: RestoreFile) {
        filesRestored += 1
        do throws(StoreError) {
            if let place = file.place { try note(place) }
        } catch { run.report(file.path, "create", error) }
        settle(file)
    }

    /// A staged file is complete: it will be put in its place.
    func note(_ place: RestoreFile.Place) throws(StoreError) {
        try run.transaction?.put(
            place.slot, as: place.name, in: place.directory, try directories.open(place.directory), over: place.found)
    }

    /// A file is there under its name, with the content of the snapshot.
    func settle(_ file: RestoreFile) {
        run.noteForCheck(file.path, file.directory, file.name)
        if let set = file.linkSet {
            if file.hasLockingFlags { run.lockLater(file) }
            // Until all links are made their source must stay reachable.
            file.directory.retainWork()
            for other in set.succeed(file) { link(other, to: file) }
        }
        release(file)
    }

    /// A file could not be restored.
    func fail(_ file: RestoreFile, _ failure: RestoreFailure) {
        if !run.isStopped { run.report(file.path, failure) }
        abandonLinks(file, failure)
        release(file)
    }

    /// Another file has to stand for the set of a file that is not restored.
    func abandonLinks(_ file: RestoreFile, _ failure: RestoreFailure?) {
        guard let set = file.linkSet else { return }
        let (lost, next) = set.fail(failure)
        if let next { run.planAgain(next) }
        guard let failure else { return }
        for other in lost {
            run.report(other.path, failure)
            release(other)
        }
    }

    /// Nothing more happens to a file. Attributes of directories in which nothing is left to do are written.
    func release(_ file: RestoreFile) { release(file.directory) }

    func release(_ directory: RestoreDirectory) {
        var current = directory
        while current.releaseWork() {
            finish(current)
            guard let parent = current.parent else { return }
            current = parent
        }
    }

    private func finish(_ directory: RestoreDirectory) {
        guard var attributes = directory.attributes, !run.isStopped, !run.options.isDryRun else { return }
        do throws(StoreError) {
            let opened = try directories.open(directory)
            if directory.isImplied {
                let stat = try FileStat.of(opened.descriptor)
                attributes.mtimeSeconds = stat.mtimeSeconds
                attributes.mtimeNanoseconds = stat.mtimeNanoseconds
            }
            try run.metadata.apply(attributes, to: .open(opened.descriptor))
        } catch {
            run.report(directory.path, "metadata", error)
        }
    }
}
