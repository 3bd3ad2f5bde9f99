import CSys
import Glibc
import VarveFormat

/// Frames: decoded once, written to all the files of a window that need them.
extension RestoreWorker {
    /// - Parameter isGroup: whether other frames follow that need the same base, or this one as base.
    func process(_ frame: FrameUses, isGroup: Bool) {
        let uses = frame.uses
        let isStopped = run.isStopped
        let good = isStopped ? [] : load(frame.location, uses, keepsBase: isGroup)
        var start = 0
        while start < uses.count {
            let file = uses[start].file
            var end = start + 1
            while end < uses.count, uses[end].file === file { end += 1 }
            if isStopped {
                finishPart(file, RestoreFailure("write", StoreError(.interrupted, "interrupted")))
            } else {
                write(file, uses[start..<end], good)
            }
            start = end
        }
    }

    /// Decodes a frame into `frameMemory` and returns for each use whether its bytes are the blob's.
    private func load(_ location: FrameLocation, _ uses: [BlobUse], keepsBase: Bool) -> [Bool] {
        if frameMemory.count < location.rawLength {
            frameMemory.deallocate()
            frameMemory = UnsafeMutableRawBufferPointer.allocate(byteCount: location.rawLength, alignment: 64)
        }
        do throws(StoreError) {
            if keepsBase, location.base == nil {
                frameMemory.copyBytes(from: try frames.readBase(location))
            } else {
                let handle = try run.content.packs.handle(location.pack, kind: location.kind)
                try frames.read(handle, location, into: .init(rebasing: frameMemory[..<location.rawLength]))
            }
        } catch {
            // Each blob is looked for elsewhere.
            return [Bool](repeating: false, count: uses.count)
        }
        // A blob that many files share is hashed once.
        let order = uses.indices.sorted { uses[$0].offset < uses[$1].offset }
        var blobs: [UnsafeRawBufferPointer] = []
        var numbers = [Int](repeating: 0, count: uses.count)
        var last: Int32 = -1
        for index in order {
            if uses[index].offset != last {
                blobs.append(bytes(of: uses[index]))
                last = uses[index].offset
            }
            numbers[index] = blobs.count - 1
        }
        var ids: [BlobID] = []
        run.content.hasher.ids(.data, blobs, into: &ids)
        return uses.indices.map { ids[numbers[$0]] == uses[$0].id }
    }

    private func bytes(of use: BlobUse) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: frameMemory[Int(use.offset)..<Int(use.offset) + Int(use.length)])
    }

    /// Writes what a frame has of a file: all of it from start to end, or a part.
    private func write(_ file: RestoreFile, _ uses: ArraySlice<BlobUse>, _ good: [Bool]) {
        let isWhole = file.parts.withLock { $0.remaining == 1 && $0.temporary == nil && $0.failure == nil }
        do throws(RestoreFailure) {
            if isWhole {
                try writeWhole(file, uses, good)
                succeed(file)
            } else {
                try writePart(file, uses, good)
                finishPart(file, nil)
            }
        } catch {
            if isWhole { fail(file, error) } else { finishPart(file, error) }
        }
    }

    private func writeWhole(
        _ file: RestoreFile, _ uses: ArraySlice<BlobUse>, _ good: [Bool]
    ) throws(RestoreFailure) {
        let directory = try step("create") { () throws(StoreError) in try directories.open(file.directory) }
        let (name, descriptor) = try step("create") { () throws(StoreError) in
            try withFreeName { name throws(StoreError) in try directory.createFile(name) }
        }
        defer { _ = sys_close(descriptor) }
        do throws(RestoreFailure) {
            try step("create") { () throws(StoreError) in try prepare(file, descriptor) }
            try write(uses, good, to: descriptor, file)
            try complete(file, descriptor, name, in: directory)
        } catch {
            try? directory.removeFile(name)
            throw error
        }
    }

    private func writePart(
        _ file: RestoreFile, _ uses: ArraySlice<BlobUse>, _ good: [Bool]
    ) throws(RestoreFailure) {
        let directory = try step("create") { () throws(StoreError) in try directories.open(file.directory) }
        let descriptor = try file.parts.withLock { parts throws(RestoreFailure) -> Int32 in
            if let failure = parts.failure { throw failure }
            return try step("create") { () throws(StoreError) in
                if let temporary = parts.temporary { return try reopen(temporary, in: directory) }
                let (name, descriptor) = try withFreeName { name throws(StoreError) in try directory.createFile(name) }
                do throws(StoreError) {
                    let stat = try FileStat.of(descriptor)
                    try prepare(file, descriptor)
                    parts.temporary = .init(name: name, device: stat.device, inode: stat.inode)
                    return descriptor
                } catch {
                    _ = sys_close(descriptor)
                    try? directory.removeFile(name)
                    throw error
                }
            }
        }
        defer { _ = sys_close(descriptor) }
        try write(uses, good, to: descriptor, file)
    }

    /// Sets what must be set while a file is empty.
    private func prepare(_ file: RestoreFile, _ descriptor: Int32) throws(StoreError) {
        run.metadata.prepare(descriptor, file.entry.attributes)
        guard file.entry.isSparse else { return }
        // At once, so that a hole at the end can be read back.
        try Syscalls.check(sys_ftruncate(descriptor, Int64(clamping: file.size)), "set the size of the file", nil)
    }

    private func reopen(_ temporary: RestoreFile.Temporary, in directory: OpenDirectory) throws(StoreError) -> Int32 {
        let descriptor = try directory.openForWriting(temporary.name)
        do throws(StoreError) {
            let stat = try FileStat.of(descriptor)
            guard stat.device == temporary.device, stat.inode == temporary.inode else {
                throw StoreError(.refused, "another program replaced the file while it was restored")
            }
            return descriptor
        } catch {
            _ = sys_close(descriptor)
            throw error
        }
    }

    /// Writes the blobs of a file that lie in the current frame, runs of them at once.
    private func write(
        _ uses: ArraySlice<BlobUse>, _ good: [Bool], to descriptor: Int32, _ file: RestoreFile
    ) throws(RestoreFailure) {
        let holes = file.entry.isSparse && run.options.restoresHoles
        var index = uses.startIndex
        while index < uses.endIndex {
            let first = uses[index]
            guard good[index] else {
                try putFromElsewhere(first, descriptor, holes: holes)
                index += 1
                continue
            }
            var length = Int(first.length)
            index += 1
            guard first.count == 1 else {
                try put(bytes(of: first), times: first.count, descriptor, first.fileOffset, holes: holes)
                continue
            }
            while index < uses.endIndex, good[index], uses[index].count == 1,
                Int(uses[index].offset) == Int(first.offset) + length,
                uses[index].fileOffset == first.fileOffset + UInt64(length)
            {
                length += Int(uses[index].length)
                index += 1
            }
            let start = Int(first.offset)
            let bytes = UnsafeRawBufferPointer(rebasing: frameMemory[start..<start + length])
            try put(bytes, descriptor, first.fileOffset, holes: holes)
        }
    }

    /// Writes a blob that stands several times in a row. If it is zeros where holes are to be, nothing is written.
    private func put(
        _ bytes: UnsafeRawBufferPointer, times: UInt64, _ descriptor: Int32, _ offset: UInt64, holes: Bool
    ) throws(RestoreFailure) {
        guard times > 1, holes, writer.isZero(bytes) else {
            for number in 0..<times {
                guard !run.isStopped else {
                    throw RestoreFailure("write", StoreError(.interrupted, "interrupted"))
                }
                try put(bytes, descriptor, offset + number * UInt64(bytes.count), holes: holes)
            }
            return
        }
        let length = times * UInt64(bytes.count)
        bytesWritten += length
        guard run.options.verifies else { return }
        try step("verify") { () throws(StoreError) in
            try writer.verifyZeros(offset..<offset + length, in: descriptor)
        }
    }

    private func put(
        _ bytes: UnsafeRawBufferPointer, _ descriptor: Int32, _ offset: UInt64, holes: Bool
    ) throws(RestoreFailure) {
        try step("write") { () throws(StoreError) in
            try writer.write(bytes, to: descriptor, at: offset, holes: holes)
        }
        bytesWritten += UInt64(bytes.count)
        guard run.options.verifies else { return }
        try step("verify") { () throws(StoreError) in try writer.verify(bytes, in: descriptor, at: offset) }
    }

    /// Writes a blob that its frame does not have whole.
    private func putFromElsewhere(_ use: BlobUse, _ descriptor: Int32, holes: Bool) throws(RestoreFailure) {
        let bytes: [UInt8]
        do throws(StoreError) {
            bytes = try run.content.loader.load(.data, use.id)
            guard bytes.count == Int(use.length) else { throw StoreError(.damaged, "a blob has two lengths") }
        } catch { throw RestoreFailure(reading: error) }
        let result = bytes.withUnsafeBytes { bytes -> Result<Void, RestoreFailure> in
            do throws(RestoreFailure) {
                return .success(try put(bytes, times: use.count, descriptor, use.fileOffset, holes: holes))
            } catch { return .failure(error) }
        }
        try result.get()
    }

    /// One frame less is to be written to a file; whoever takes the last one completes it.
    func finishPart(_ file: RestoreFile, _ failure: RestoreFailure?) {
        let parts = file.parts.withLock { parts -> RestoreFile.Parts in
            parts.remaining -= 1
            parts.failure = parts.failure ?? failure
            return parts
        }
        guard parts.remaining == 0 else { return }
        do throws(RestoreFailure) {
            if let failure = parts.failure { throw failure }
            guard let temporary = parts.temporary else {
                throw RestoreFailure(reading: StoreError(.damaged, "the file has no content"))
            }
            let directory = try step("create") { () throws(StoreError) in try directories.open(file.directory) }
            let descriptor = try step("create") { () throws(StoreError) in try reopen(temporary, in: directory) }
            defer { _ = sys_close(descriptor) }
            try complete(file, descriptor, temporary.name, in: directory)
            succeed(file)
        } catch {
            if let temporary = parts.temporary, let directory = try? directories.open(file.directory) {
                try? directory.removeFile(temporary.name)
            }
            fail(file, error)
        }
    }

    /// The content is written: sets the attributes and puts the file in its place.
    func complete(
        _ file: RestoreFile, _ descriptor: Int32, _ name: [UInt8], in directory: OpenDirectory
    ) throws(RestoreFailure) {
        if run.options.verifies { filesVerified += 1 }
        var attributes = file.entry.attributes
        if file.hasLockingFlags { attributes.inodeFlags.subtract([.immutable, .append]) }
        do throws(StoreError) {
            try run.metadata.apply(attributes, to: .open(descriptor))
        } catch { run.report(file.path, "metadata", error) }
        try step("create") { () throws(StoreError) in
            try place(name, as: file.name, in: directory)
        }
        guard file.hasLockingFlags, file.linkSet == nil else { return }
        do throws(StoreError) {
            try run.metadata.apply(file.entry.attributes, to: .open(descriptor))
        } catch { run.report(file.path, "metadata", error) }
    }

    // MARK: errors

    func step<Result>(
        _ operation: String, _ body: () throws(StoreError) -> Result
    ) throws(RestoreFailure) -> Result {
        do throws(StoreError) { return try body() } catch { throw RestoreFailure(operation, error) }
    }
}
