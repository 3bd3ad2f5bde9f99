import CSys
import Glibc
import VarveFormat

/// Makes the extended attributes of one file equal to a list.
struct XattrWriter {
    let target: MetadataTarget
    let lost: MetadataLosses

    /// Namespaces and names that are removed where the list lacks them. What security modules give every new file by
    /// themselves stays.
    private static func isOurs(_ name: [UInt8]) -> Bool {
        name.starts(with: "user.".utf8) || name.starts(with: "trusted.".utf8)
            || name.starts(with: "system.posix_acl_".utf8) || name.elementsEqual("security.capability".utf8)
    }

    /// - Parameter mode: the file's mode, to be set anew afterwards.
    func replace(with wanted: [ExtendedAttribute], mode: UInt32) throws(StoreError) {
        var first: StoreError?
        let present = try ExtendedAttribute.names(target.xattrs)
        for name in present where Self.isOurs(name) && !wanted.contains(where: { $0.name == name }) {
            remove(name)
        }
        for attribute in wanted {
            do throws(StoreError) { try set(attribute, mode) } catch { first = first ?? error }
        }
        if let first { throw first }
    }

    private func remove(_ name: [UInt8]) {
        _ = Syscalls.withName(name) { name in
            switch target {
            case .open(let descriptor): sys_fremovexattr(descriptor, name)
            case .handle(let descriptor): sys_removexattr_of(descriptor, name)
            }
        }
    }

    private func set(_ attribute: ExtendedAttribute, _ mode: UInt32) throws(StoreError) {
        guard !attribute.name.isEmpty, !attribute.name.contains(0) else {
            throw StoreError(.damaged, "the recorded name of an extended attribute is not one")
        }
        var result = call(attribute)
        if result == -EACCES, case .open(let descriptor) = target, sys_fchmod(descriptor, mode & 0o777 | 0o600) >= 0 {
            // An attribute of the user's own needs the right to write the file, be it theirs or not.
            result = call(attribute)
        }
        switch -result {
        case ..<1: return
        case EPERM, EACCES, ENOTSUP: lost.add(.xattrs(namespace: Self.namespace(attribute.name)))
        default:
            let name = String(decoding: attribute.name, as: UTF8.self)
            throw .system(-result, "set the extended attribute \(name)")
        }
    }

    private func call(_ attribute: ExtendedAttribute) -> Int32 {
        Syscalls.withName(attribute.name) { name in
            attribute.value.withUnsafeBytes { value in
                switch target {
                case .open(let descriptor): sys_fsetxattr(descriptor, name, value.baseAddress, value.count)
                case .handle(let descriptor): sys_setxattr_of(descriptor, name, value.baseAddress, value.count)
                }
            }
        }
    }

    private static func namespace(_ name: [UInt8]) -> String {
        String(decoding: name.prefix { $0 != UInt8(ascii: ".") }, as: UTF8.self)
    }
}
