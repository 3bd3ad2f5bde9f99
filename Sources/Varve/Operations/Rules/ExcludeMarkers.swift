import CSys

/// Directories whose contents are left out because of a file in them.
package struct ExcludeMarkers: Sendable, Hashable {
    /// Honour `CACHEDIR.TAG` (https://bford.info/cachedir/): only one that begins with the standard's signature counts.
    package var cacheDirectories: Bool
    /// Names whose mere presence leaves a directory out.
    package var names: [[UInt8]]

    package init(cacheDirectories: Bool = false, names: [[UInt8]] = []) {
        self.cacheDirectories = cacheDirectories
        self.names = names
    }

    private static let tagName = Array("CACHEDIR.TAG".utf8)
    private static let signature = Array("Signature: 8a477f597d28d172789f06886806bc55".utf8)

    /// The file in a directory, of which `list` is the listing, that leaves out all but the directory and that file
    /// itself; nil if there is none.
    package func marker(in list: NameList, directory: Int32) -> [UInt8]? {
        if let name = names.first(where: { list.firstIndex(of: $0) != nil }) { return name }
        guard cacheDirectories, list.firstIndex(of: Self.tagName) != nil, Self.isSigned(directory) else { return nil }
        return Self.tagName
    }

    private static func isSigned(_ directory: Int32) -> Bool {
        let flags = SYS_O_RDONLY | SYS_O_NOFOLLOW | SYS_O_NONBLOCK | SYS_O_NOCTTY
        let descriptor = sys_openat(directory, "CACHEDIR.TAG", flags, 0)
        guard descriptor >= 0 else { return false }
        defer { _ = sys_close(descriptor) }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: signature.count) { buffer in
            var filled = 0
            while filled < buffer.count {
                let rest = UnsafeMutableBufferPointer(rebasing: buffer[filled...])
                let count = sys_read(descriptor, rest.baseAddress, rest.count)
                if count <= 0 { return false }
                filled += count
            }
            return buffer.elementsEqual(signature)
        }
    }
}
