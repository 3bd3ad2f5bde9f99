import Glibc
import VarveFormat

/// A file without a name, for what memory shall not hold: it goes with this, or with the process.
final class SpillFile: Sendable {
    private let descriptor: Int32

    /// Makes one in a directory; nil if that cannot be.
    init?(in directory: String) {
        // The index cache takes what a killed process leaves under such a name for its own and removes it.
        let random = { UInt64.random(in: .min ... .max) }
        let name = FileID(random(), random(), random(), random()).hex
        let path = directory + "/" + name + ".tmp" + String(getpid())
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if descriptor >= 0 { unlink(path) }
        guard descriptor >= 0 else { return nil }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Writes all bytes; false if that failed, then some may have been written.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        guard let base = bytes.baseAddress else { return true }
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, base + done, bytes.count - done, offset + done)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    /// Fills memory with the bytes at an offset.
    ///
    /// - Throws: `failed` unless all can be read.
    func read(_ memory: UnsafeMutableRawBufferPointer, at offset: Int) throws(StoreError) {
        guard let base = memory.baseAddress else { return }
        var done = 0
        while done < memory.count {
            let count = pread(descriptor, base + done, memory.count - done, offset + done)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                throw StoreError(
                    .failed, "a temporary file in the cache directory cannot be read",
                    remedy: "see whether the disk of the cache directory is sound", errno: count < 0 ? errno : nil)
            }
            done += count
        }
    }
}
