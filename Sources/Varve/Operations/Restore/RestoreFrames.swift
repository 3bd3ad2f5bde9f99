import CSys
import Glibc
import VarveFormat

/// Frames: decoded once, written to all the files of a window that need them.
extension RestoreWorker {
    /// Frames that need no base.
    func process(_ frames: [FrameUses]) {
        guard !run.isStopped else {
            for frame in frames { abandon(frame.uses) }
            return
        }
        reserve(frames.reduce(0) { $0 + $1.location.rawLength })
        var start = 0
        var decoded: [DecodedFrame] = []
        for frame in frames {
            let end = start + frame.location.rawLength
            let isRead = read(frame.location, into: UnsafeMutableRawBufferPointer(rebasing: frameMemory[start..<end]))
            decoded.append(DecodedFrame(uses: frame.uses, start: start, isRead: isRead))
            start = end
        }
        write(decoded)
    }

    /// A frame of a chain.
    ///
    /// - Parameter isAlone: false if other frames follow that need the same base, or this one as base.
    func process(_ frame: FrameUses, isAlone: Bool) {
        guard !run.isStopped else { return abandon(frame.uses) }
        let location = frame.location
        reserve(location.rawLength)
        let memory = UnsafeMutableRawBufferPointer(rebasing: frameMemory[..<location.rawLength])
        let isRead: Bool
        if !isAlone, location.base == nil {
            do throws(StoreError) {
                memory.copyBytes(from: try frames.readBase(location))
                isRead = true
            } catch { isRead = false }
        } else {
            isRead = read(location, into: memory)
        }
        write([DecodedFrame(uses: frame.uses, start: 0, isRead: isRead)])
    }

    /// What `frameMemory` holds of a frame.
    private struct DecodedFrame {
        let uses: [BlobUse]
        /// In `frameMemory`.
        let start: Int
        /// If it is not, each blob is looked for elsewhere.
        let isRead: Bool
    }

    private func reserve(_ count: Int) {
        guard frameMemory.count < count else { return }
        frameMemory.deallocate()
        frameMemory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    }

    private func read(_ location: FrameLocation, into memory: UnsafeMutableRawBufferPointer) -> Bool {
        do throws(StoreError) {
            let handle = try run.content.packs.handle(location.pack, kind: location.kind)
            try frames.read(handle, location, into: memory)
            return true
        } catch { return false }
    }

    /// The restore was stopped: the files that wait for the frame are released.
    private func abandon(_ uses: [BlobUse]) {
        forEachFile(uses) { file, _ in
            finishPart(file, RestoreFailure("write", StoreError(.interrupted, "interrupted")))
        }
    }

    private func forEachFile(_ uses: [BlobUse], _ body: (RestoreFile, Range<Int>) -> Void) {
        var start = 0
        while start < uses.count {
            let file = uses[start].file
            var end = start + 1
            while end < uses.count, uses[end].file === file { end += 1 }
            body(file, start..<end)
            start = end
        }
    }

    /// Writes what frames have of files.
    private func write(_ decoded: [DecodedFrame]) {
        let good = check(decoded)
        for (frame, good) in zip(decoded, good) {
            forEachFile(frame.uses) { file, range in
                write(file, FramePart(uses: frame.uses[range], good: good, start: frame.start))
            }
        }
    }

    /// Tells for each use of each frame whether its bytes are the blob's. All are hashed together, a blob that many
    /// files share once.
    private func check(_ decoded: [DecodedFrame]) -> [[Bool]] {
        var blobs: [UnsafeRawBufferPointer] = []
        let numbers = decoded.map { frame -> [Int] in
            var numbers = [Int](repeating: 0, count: frame.uses.count)
            guard frame.isRead else { return numbers }
            var last: Int32 = -1
            for index in frame.uses.indices.sorted(by: { frame.uses[$0].offset < frame.uses[$1].offset }) {
                let use = frame.uses[index]
                if use.offset != last {
                    let start = frame.start + Int(use.offset)
                    blobs.append(UnsafeRawBufferPointer(rebasing: frameMemory[start..<start + Int(use.length)]))
                    last = use.offset
                }
                numbers[index] = blobs.count - 1
            }
            return numbers
        }
        var ids: [BlobID] = []
        run.content.hasher.ids(.data, blobs, into: &ids)
        return zip(decoded, numbers).map { frame, numbers in
            frame.uses.indices.map { frame.isRead && ids[numbers[$0]] == frame.uses[$0].id }
        }
    }

    /// What a frame in `frameMemory` has of a file.
    private struct FramePart {
        let uses: ArraySlice<BlobUse>
        /// For each use of the frame whether its bytes are the blob's.
        let good: [Bool]
        /// Where the frame starts.
        let start: Int
    }

    /// Writes what a frame has of a file: all of it from start to end, or a part.
    private func write(_ file: RestoreFile, _ part: FramePart) {
        let isWhole = file.parts.withLock { $0.remaining == 1 && $0.temporary == nil && $0.failure == nil }
        do throws(RestoreFailure) {
            if isWhole {
                try writeWhole(file, part)
                succeed(file)
            } else {
                try writePart(file, part)
                finishPart(file, nil)
            }
        } catch {
            if isWhole { fail(file, error) } else { finishPart(file, error) }
        }
    }

    private func writeWhole(_ file: RestoreFile, _ part: FramePart) throws(RestoreFailure) {
        let directory = try step("create") { () throws(StoreError) in try directories.open(file.directory) }
        let (name, descriptor) = try step("create") { () throws(StoreError) in
            try withFreeName { name throws(StoreError) in try directory.createFile(name) }
        }
        defer { _ = sys_close(descriptor) }
        do throws(RestoreFailure) {
            try step("create") { () throws(StoreError) in try prepare(file, descriptor) }
            try write(part, to: descriptor, file)
            try complete(file, descriptor, name, in: directory)
        } catch {
            try? directory.removeFile(name)
            throw error
        }
    }

    private func writePart(_ file: RestoreFile, _ part: FramePart) throws(RestoreFailure) {
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
        try write(part, to: descriptor, file)
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
    private func write(_ part: FramePart, to descriptor: Int32, _ file: RestoreFile) throws(RestoreFailure) {
        let (uses, good) = (part.uses, part.good)
        let holes = file.entry.isSparse && run.options.restoresHoles
        var index = uses.startIndex
        while index < uses.endIndex {
            let first = uses[index]
            guard good[index] else {
                try putFromElsewhere(first, descriptor, holes: holes)
                index += 1
                continue
            }
            let start = part.start + Int(first.offset)
            var length = Int(first.length)
            index += 1
            guard first.count == 1 else {
                let bytes = UnsafeRawBufferPointer(rebasing: frameMemory[start..<start + length])
                try put(bytes, times: first.count, descriptor, first.fileOffset, holes: holes)
                continue
            }
            while index < uses.endIndex, good[index], uses[index].count == 1,
                Int(uses[index].offset) == Int(first.offset) + length,
                uses[index].fileOffset == first.fileOffset + UInt64(length)
            {
                length += Int(uses[index].length)
                index += 1
            }
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
