import Glibc
package import VarveFormat

/// Segments kept on this machine between runs, for one repository at one place: a mirror has the same id, but
/// may hold less. A file is a segment, the ids of the index files that it was made of, and a footer with a checksum.
///
/// The cache is never needed: what cannot be read is as if it were absent, and what cannot be written is not kept.
package final class IndexCache: Sendable {
    /// A segment found in the cache.
    struct Stored {
        let name: String
        let sources: [FileID]
        let memory: SegmentMemory
    }

    private static let magic = Array("varvcach".utf8)
    private static let footerLength = 64
    private static let idLength = 32
    private static let sourceLimit = 65_536

    /// Where the segments lie.
    package let directory: String

    /// Makes the directory of the cache, for nobody else to read; nil if that cannot be.
    ///
    /// - Parameters:
    ///   - root: the directory of all caches, made if absent.
    ///   - location: of the repository, as its backend names it.
    package init?(root: String, repository: RepositoryID, location: String) {
        let place = SHA256Digest.of(Array(location.utf8)).hex.prefix(16)
        directory = root + "/" + repository.hex + "-" + place + "/segments"
        var path = directory.hasPrefix("/") ? "" : "."
        for component in directory.split(separator: "/") {
            path += "/" + component
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { return nil }
        }
        guard access(directory, R_OK | X_OK) == 0 else { return nil }
    }

    /// All segments that can be read. Others are removed.
    func load() -> [Stored] {
        var stored: [Stored] = []
        for name in names() {
            if let segment = load(name) { stored.append(segment) } else { remove(name) }
        }
        return stored
    }

    /// Keeps a segment; nil if it could not be kept.
    func store(_ segment: [UInt8], sources: [FileID]) -> Stored? {
        let sources = sources.sorted()
        var tail = ByteWriter()
        for source in sources { tail.id(source) }
        let name = SHA256Digest.of(tail.bytes).hex
        tail.raw(Self.magic)
        tail.u64(UInt64(sources.count))
        tail.u64(UInt64(segment.count))
        tail.zeros(8)
        tail.id(Self.checksum(head: Array(segment.prefix(Self.footerLength)), tail: tail.bytes))
        // A name of its own for each process, so that two that write at once do not meet.
        let temporary = directory + "/" + name + ".tmp" + String(getpid())
        let descriptor = Glibc.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return nil }
        let isWritten = Self.write(segment, to: descriptor) && Self.write(tail.bytes, to: descriptor)
        guard Glibc.close(descriptor) == 0, isWritten, rename(temporary, directory + "/" + name) == 0 else {
            unlink(temporary)
            return nil
        }
        return load(name)
    }

    /// Removes a segment.
    func remove(_ name: String) { unlink(directory + "/" + name) }

    private func load(_ name: String) -> Stored? {
        let descriptor = Glibc.open(directory + "/" + name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        let size = Int(status.st_size)
        let least = 2 * Self.footerLength
        let limit = FormatLimits.indexFile + Self.footerLength + Self.sourceLimit * Self.idLength
        guard size >= least, size <= limit,
            let footer = Self.read(descriptor, at: size - Self.footerLength, count: Self.footerLength)
        else { return nil }
        var reader = ByteReader(footer)
        guard let magic = try? reader.raw(8), magic == Self.magic, let count = try? reader.u64(),
            let length = try? reader.u64(), count <= UInt64(Self.sourceLimit), length >= UInt64(Self.footerLength),
            length == UInt64(size - Self.footerLength) - count * UInt64(Self.idLength),
            let head = Self.read(descriptor, at: 0, count: Self.footerLength),
            let tail = Self.read(descriptor, at: Int(length), count: size - Int(length))
        else { return nil }
        let checked = Array(tail.dropLast(Self.idLength))
        guard Self.checksum(head: head, tail: checked).bytes == Array(tail.suffix(Self.idLength)),
            let memory = SegmentMemory(mapping: descriptor, length: Int(length))
        else { return nil }
        var sources = ByteReader(Array(tail.prefix(Int(count) * Self.idLength)))
        let ids = (0..<Int(count)).compactMap { _ in try? sources.id(FileID.self) }
        return Stored(name: name, sources: ids, memory: memory)
    }

    private func names() -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if FileID(hex: name) != nil { names.append(name) } else { removeIfLeft(name) }
        }
        return names.sorted()
    }

    /// Removes a temporary file whose process is gone.
    private func removeIfLeft(_ name: String) {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, FileID(hex: parts[0]) != nil, parts[1].hasPrefix("tmp"),
            let process = pid_t(parts[1].dropFirst(3)), kill(process, 0) != 0, errno == ESRCH
        else { return }
        remove(name)
    }

    /// Over the segment's header, the sources and the footer up to the checksum.
    private static func checksum(head: [UInt8], tail: [UInt8]) -> FileID { SHA256Digest.of([head, tail]) }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                done += count
            }
            return true
        }
    }

    private static func read(_ descriptor: Int32, at offset: Int, count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        return pread(descriptor, &bytes, count, offset) == count ? bytes : nil
    }
}
