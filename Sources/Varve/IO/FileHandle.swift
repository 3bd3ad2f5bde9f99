import CSys

/// An open file or directory; closed when it goes out of scope.
package struct FileHandle: ~Copyable, Sendable {
    package let descriptor: Int32

    /// Takes over a descriptor.
    package init(owning descriptor: Int32) { self.descriptor = descriptor }

    /// Opens a name relative to `directory`, see `Syscalls.open`.
    package init(
        _ name: [UInt8], at directory: Int32 = Syscalls.current, flags: Int32, mode: UInt32 = 0
    ) throws(StoreError) {
        descriptor = try Syscalls.open(name, at: directory, flags: flags, mode: mode)
    }

    deinit { _ = sys_close(descriptor) }

    /// Closes the file and reports what `deinit` must drop: on network file systems, failed writes.
    package consuming func close() throws(StoreError) {
        let result = sys_close(descriptor)
        discard self
        try Syscalls.check(result, "close a file", nil)
    }

    package func status() throws(StoreError) -> FileStatus { try Syscalls.status(of: descriptor) }

    // MARK: data

    /// Reads at the file's position; 0 bytes at the end.
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        try Syscalls.check(sys_read(descriptor, buffer.baseAddress, buffer.count), "read", nil)
    }

    /// Reads at an offset; may be fewer bytes than asked for, 0 at the end.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        let result = sys_pread(descriptor, buffer.baseAddress, buffer.count, Int64(clamping: offset))
        return try Syscalls.check(result, "read", nil)
    }

    /// Writes at the file's position; may be fewer bytes than given.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) -> Int {
        try Syscalls.check(sys_write(descriptor, bytes.baseAddress, bytes.count), "write", nil)
    }

    /// Writes at an offset; may be fewer bytes than given.
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        let result = sys_pwrite(descriptor, bytes.baseAddress, bytes.count, Int64(clamping: offset))
        return try Syscalls.check(result, "write", nil)
    }

    package func truncate(to size: UInt64) throws(StoreError) {
        try Syscalls.check(sys_ftruncate(descriptor, Int64(clamping: size)), "set the size of a file", nil)
    }

    /// Makes the data durable, and of the metadata what is needed to read it.
    package func syncData() throws(StoreError) { try Syscalls.check(sys_fdatasync(descriptor), "sync", nil) }

    /// Makes data and metadata durable; of a directory, its names.
    package func sync() throws(StoreError) { try Syscalls.check(sys_fsync(descriptor), "sync", nil) }

    /// Starts write-back from `offset` to the end; a hint.
    package func startWriteback(from offset: UInt64) {
        _ = sys_start_writeback(descriptor, Int64(clamping: offset), 0)
    }

    /// The start of the next data (or hole) at or after `offset`; nil past the last, or where it is not known.
    package func seek(toHole hole: Bool, from offset: UInt64) -> UInt64? {
        let result = sys_lseek(descriptor, Int64(clamping: offset), hole ? SYS_SEEK_HOLE : SYS_SEEK_DATA)
        return result < 0 ? nil : UInt64(result)
    }

    // MARK: directories

    /// Calls `body` with each name of this directory in no order, "." and ".." left out. The name is valid during the
    /// call only; `body` must not use this handle to list.
    package func forEachName(
        _ body: (_ name: UnsafePointer<CChar>, _ kind: FileType, _ inode: UInt64) throws(StoreError) -> Void
    ) throws(StoreError) {
        let size = 64 << 10
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
        defer { buffer.deallocate() }
        while true {
            let count = try Syscalls.check(sys_getdents64(descriptor, buffer, size), "list the directory", nil)
            if count == 0 { return }
            var offset = 0
            while offset < count {
                let record = UnsafeRawPointer(buffer + offset)
                offset += Int(sys_dirent_length(record))
                guard let name = sys_dirent_name(record), !Self.isDots(name) else { continue }
                try body(name, FileType(directoryType: sys_dirent_type(record)), sys_dirent_inode(record))
            }
        }
    }

    private static func isDots(_ name: UnsafePointer<CChar>) -> Bool {
        let dot = CChar(bitPattern: UInt8(ascii: "."))
        return name[0] == dot && (name[1] == 0 || name[1] == dot && name[2] == 0)
    }
}
