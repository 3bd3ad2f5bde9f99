import Glibc

/// A file mapped for reading.
final class MappedFile: Sendable {
    // The mapping is read-only, and lives as long as the object.
    nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

    /// Maps a whole file; nil if it is absent, empty or cannot be mapped.
    init?(path: String) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let size = lseek(descriptor, 0, SEEK_END)
        guard size > 0, let start = mmap(nil, Int(size), PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED
        else { return nil }
        bytes = UnsafeRawBufferPointer(start: start, count: Int(size))
    }

    /// Lets go of the pages that are in memory: the next access gets them back from the page cache.
    func release() {
        madvise(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count, MADV_DONTNEED)
    }

    deinit {
        if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
    }
}
