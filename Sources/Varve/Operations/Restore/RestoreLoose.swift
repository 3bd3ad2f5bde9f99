import CSys
import Glibc
import VarveFormat

/// Entries that need no frame: empty files, links, special files, and files that are there already.
extension RestoreWorker {
    func process(_ entry: LooseEntry) {
        guard !run.isStopped else {
            let failure = RestoreFailure("create", StoreError(.interrupted, "interrupted"))
            switch entry {
            case .make(let file), .compare(let file), .refresh(let file), .link(let file, _): fail(file, failure)
            }
            return
        }
        switch entry {
        case .make(let file): make(file)
        case .compare(let file): compare(file)
        case .refresh(let file): refresh(file)
        case .link(let file, let first): link(file, to: first)
        }
    }

    // MARK: making

    private func make(_ file: RestoreFile) {
        do throws(RestoreFailure) {
            let directory = try step("create") { () throws(StoreError) in try directories.open(file.directory) }
            if file.entry.type == .file {
                try makeEmpty(file, directory)
            } else {
                try makeSpecial(file, directory)
            }
            succeed(file)
        } catch {
            let isDevice = file.entry.type == .characterDevice || file.entry.type == .blockDevice
            guard isDevice, error.operation == "device", error.error.errno == EPERM else { return fail(file, error) }
            run.reportDevice(file.path)
            abandonLinks(file, nil)
            release(file)
        }
    }

    private func makeEmpty(_ file: RestoreFile, _ directory: OpenDirectory) throws(RestoreFailure) {
        let (name, descriptor) = try step("create") { () throws(StoreError) in
            try withFreeName { name throws(StoreError) in try directory.createFile(name) }
        }
        defer { _ = sys_close(descriptor) }
        do throws(RestoreFailure) {
            run.metadata.prepare(descriptor, file.entry.attributes)
            try complete(file, descriptor, name, in: directory)
        } catch {
            try? directory.removeFile(name)
            throw error
        }
    }

    /// Makes a link or special file: under its own name at once where nothing can be in the way.
    private func makeSpecial(_ file: RestoreFile, _ directory: OpenDirectory) throws(RestoreFailure) {
        let isDevice = file.entry.type == .characterDevice || file.entry.type == .blockDevice
        let isDirect = file.directory.isNew
        let name = try step(isDevice ? "device" : "create") { () throws(StoreError) -> [UInt8] in
            if isDirect {
                try makeNode(file, file.name, directory)
                return file.name
            }
            return try withFreeName { name throws(StoreError) in try makeNode(file, name, directory) }.name
        }
        do throws(StoreError) {
            try run.metadata.apply(
                file.entry.attributes, toName: name, in: directory, type: Self.systemType(file.entry.type))
        } catch { run.report(file.path, "metadata", error) }
        guard !isDirect else { return }
        do throws(StoreError) {
            try place(name, as: file.name, in: directory)
        } catch {
            try? directory.removeFile(name)
            throw RestoreFailure("create", error)
        }
    }

    private func makeNode(_ file: RestoreFile, _ name: [UInt8], _ directory: OpenDirectory) throws(StoreError) {
        switch (file.entry.type, file.entry.content) {
        case (.symlink, .symlink(let target)): try directory.makeSymbolicLink(name, target: target)
        case (.fifo, _): try directory.makeFIFO(name)
        case (.socket, _): try directory.makeSocket(name)
        case (let type, .device(let major, let minor)):
            try directory.makeDevice(name, isBlock: type == .blockDevice, device: sys_makedev(major, minor))
        default: throw StoreError(.damaged, "the content of the entry is not of its type")
        }
    }

    static func systemType(_ type: EntryType) -> UInt32 {
        switch type {
        case .file: S_IFREG
        case .directory: S_IFDIR
        case .symlink: S_IFLNK
        case .fifo: S_IFIFO
        case .characterDevice: S_IFCHR
        case .blockDevice: S_IFBLK
        case .socket: S_IFSOCK
        }
    }

    /// Gives a finished file its name. Flags that protect what had it are taken off.
    func place(_ name: [UInt8], as finalName: [UInt8], in directory: OpenDirectory) throws(StoreError) {
        do throws(StoreError) {
            try directory.rename(name, to: finalName, ifTaken: .replaced)
        } catch {
            guard error.errno == EPERM, RestoreObstacles.unprotect(finalName, in: directory) else { throw error }
            try directory.rename(name, to: finalName, ifTaken: .replaced)
        }
    }

    // MARK: what is there

    /// Leaves a file alone if it is the recorded one, else asks for it to be written.
    private func compare(_ file: RestoreFile) {
        guard case .file(let size, let blobs) = file.entry.content else { return release(file) }
        do throws(RestoreFailure) {
            let directory = try step("create") { () throws(StoreError) in try directories.open(file.directory) }
            guard let descriptor = try? directory.openFile(file.name) else { return run.planAgain(file) }
            defer { _ = sys_close(descriptor) }
            guard let stat = try? FileStat.of(descriptor), stat.isRegular, stat.size == size else {
                return run.planAgain(file)
            }
            let isEqual: Bool
            do throws(StoreError) {
                isEqual = try ContentComparison(content: run.content).isEqual(descriptor, blobs, size: size)
            } catch { throw RestoreFailure(reading: error) }
            guard isEqual else { return run.planAgain(file) }
            refresh(file, .open(descriptor), stat)
        } catch {
            fail(file, error)
        }
    }

    /// Gives what is there the recorded attributes.
    private func refresh(_ file: RestoreFile) {
        do throws(StoreError) {
            let directory = try directories.open(file.directory)
            let handle = try directory.openHandle(file.name)
            defer { _ = sys_close(handle) }
            refresh(file, .handle(handle), try FileStat.of(handle))
        } catch {
            fail(file, RestoreFailure("metadata", error))
        }
    }

    private func refresh(_ file: RestoreFile, _ target: MetadataTarget, _ stat: FileStat) {
        do throws(StoreError) {
            let comparison = AttributeComparison(owners: run.owners)
            var aspects = try comparison.differences(file.entry.attributes, target, stat)
            if !run.options.restoresOwner { aspects.remove(.owner) }
            if !aspects.isEmpty {
                // Another name of it may lie anywhere: nothing of that file may change.
                if stat.links > 1 { return run.planAgain(file) }
                var attributes = file.entry.attributes
                if file.linkSet != nil, file.hasLockingFlags {
                    attributes.inodeFlags.subtract([.immutable, .append])
                }
                if let transaction = run.transaction {
                    try transaction.attributes(
                        of: file.name, in: file.directory.components, target, after: file.entry.attributes)
                } else {
                    try run.metadata.apply(attributes, to: target)
                }
            }
        } catch { run.report(file.path, "metadata", error) }
        run.count { $0.filesUnchanged += 1 }
        run.progress.update { $0.filesDone += 1 }
        settle(file)
    }

    // MARK: hard links

    /// Links a file into a stage, to be put in its place; false if it is the same file already.
    private func stageLink(
        _ file: RestoreFile, _ first: [UInt8], in source: OpenDirectory, _ directory: OpenDirectory,
        _ transaction: RestoreTransaction
    ) throws(StoreError) -> Bool {
        let found = try directory.status(file.name)
        let wanted = try source.status(first)
        if let found, let wanted, wanted.device == found.device, wanted.inode == found.inode {
            run.count { $0.filesUnchanged += 1 }
            return false
        }
        let slot = try transaction.slot(for: file.directory, directory)
        try source.link(first, to: try directories.open(slot.directory), as: slot.name)
        try note(RestoreFile.Place(directory: file.directory, name: file.name, found: found, slot: slot))
        return true
    }

    /// Makes a file another name of the first one of its set; where that cannot be, it is restored as a file of its own
    /// that further names are linked to.
    func link(_ file: RestoreFile, to first: RestoreFile) {
        do throws(StoreError) {
            let source = try directories.open(first.directory)
            let directory = try directories.open(file.directory)
            run.noteForCheck(file.path, first.directory, first.name)
            if file.directory.isNew {
                try source.link(first.name, to: directory, as: file.name)
            } else if let transaction = run.transaction {
                guard try stageLink(file, first.name, in: source, directory, transaction) else { return release(file) }
            } else {
                let wanted = try source.status(first.name)
                let found = try directory.status(file.name)
                if let wanted, let found, wanted.device == found.device, wanted.inode == found.inode {
                    run.count { $0.filesUnchanged += 1 }
                    return release(file)
                }
                let (name, _) = try withFreeName { name throws(StoreError) in
                    try source.link(first.name, to: directory, as: name)
                }
                do throws(StoreError) {
                    try place(name, as: file.name, in: directory)
                } catch {
                    try? directory.removeFile(name)
                    throw error
                }
            }
            filesRestored += 1
            release(file)
        } catch {
            let isPossible = [EMLINK, EPERM, ENOTSUP, EXDEV, EACCES, ENOENT].contains(error.errno ?? 0)
            if isPossible {
                run.notice("some hard links could not be made: the files were restored as copies")
                run.planAgain(file)
            } else {
                fail(file, RestoreFailure("link", error))
            }
        }
    }
}
