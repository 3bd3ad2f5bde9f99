import CSys
import Glibc
package import VarveFormat

/// A file whose extended attributes are read or written.
package enum ExtendedAttributeTarget {
    /// Open for reading or writing.
    case descriptor(Int32)
    /// Opened with O_PATH, of any type.
    case pathDescriptor(Int32)
    /// A name in a directory; a link itself, not what it points to. Only to read.
    case name(directory: Int32, UnsafePointer<CChar>)

    /// The names, each followed by a NUL; the length, or the negative error number.
    fileprivate func list(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        switch self {
        case .descriptor(let descriptor): sys_flistxattr(descriptor, buffer.baseAddress, buffer.count)
        case .pathDescriptor(let descriptor): sys_listxattr_of(descriptor, buffer.baseAddress, buffer.count)
        case .name(let directory, let name): sys_listxattr_at(directory, name, buffer.baseAddress, buffer.count)
        }
    }

    fileprivate func get(_ attribute: UnsafePointer<CChar>, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
        switch self {
        case .descriptor(let descriptor): sys_fgetxattr(descriptor, attribute, buffer.baseAddress, buffer.count)
        case .pathDescriptor(let descriptor): sys_getxattr_of(descriptor, attribute, buffer.baseAddress, buffer.count)
        case .name(let directory, let name):
            sys_getxattr_at(directory, name, attribute, buffer.baseAddress, buffer.count)
        }
    }
}

extension ExtendedAttribute {
    /// Lists and values hold at most 64 KiB each (xattr(7)), and most files have neither.
    private static let firstCapacity = 1 << 10
    private static let fullCapacity = 1 << 16

    /// All attributes that can be seen, sorted by name bytes. None where the file system has no such thing.
    ///
    /// - Throws: as the system says; without a path, which the caller knows.
    package static func read(_ target: ExtendedAttributeTarget) throws(StoreError) -> [ExtendedAttribute] {
        let list = try names(target)
        if list.isEmpty { return [] }
        var attributes: [ExtendedAttribute] = []
        for name in list {
            let terminated = name + [0]
            let value = try fill("read an extended attribute") { buffer in
                terminated.withUnsafeBytes { bytes in
                    guard let start = bytes.assumingMemoryBound(to: CChar.self).baseAddress else { return 0 }
                    return target.get(start, buffer)
                }
            }
            // One that vanished since it was listed is none.
            if let value { attributes.append(ExtendedAttribute(name: name, value: value)) }
        }
        return attributes
    }

    /// The names of all attributes that can be seen, sorted by bytes.
    package static func names(_ target: ExtendedAttributeTarget) throws(StoreError) -> [[UInt8]] {
        let list = try fill("list the extended attributes") { target.list($0) }
        guard let list, !list.isEmpty else { return [] }
        return list.split(separator: 0).map(Array.init).sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// What a call puts into a buffer, which grows as needed; nil if there is nothing of the kind.
    private static func fill(
        _ action: String, _ call: (UnsafeMutableRawBufferPointer) -> Int
    ) throws(StoreError) -> [UInt8]? {
        // Small and on the stack: for most files there is nothing to keep.
        let small: (result: Int, bytes: [UInt8]) = withUnsafeTemporaryAllocation(
            byteCount: firstCapacity, alignment: 16
        ) { buffer in
            let result = call(buffer)
            return (result, result > 0 ? Array(buffer[..<result]) : [])
        }
        var (result, bytes) = small
        if result == -Int(ERANGE) {
            bytes = [UInt8](unsafeUninitializedCapacity: fullCapacity) { buffer, count in
                result = call(UnsafeMutableRawBufferPointer(buffer))
                count = max(0, result)
            }
        }
        if result >= 0 { return bytes }
        if result == -Int(ENODATA) || result == -Int(ENOTSUP) { return nil }
        throw .system(Int32(truncatingIfNeeded: -result), action)
    }
}
