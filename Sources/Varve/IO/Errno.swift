import CSys
import Glibc

extension StoreError {
    /// The error for a failed system call: the code, the words and the remedy follow from the error number.
    /// `action` completes "cannot ...".
    package static func system(_ number: Int32, _ action: String, path: [UInt8]? = nil) -> StoreError {
        let meaning = meaning(of: number)
        return StoreError(
            meaning.code, "cannot " + action + ": " + meaning.words, path: path, remedy: meaning.remedy, errno: number)
    }

    /// The same error about another path, for callers that know the whole path of a name.
    package func at(_ path: [UInt8]) -> StoreError {
        StoreError(code, message, path: path, remedy: remedy, errno: errno)
    }

    private static func meaning(of number: Int32) -> (code: Code, words: String, remedy: String?) {
        switch number {
        case ENOSPC: (.noSpace, "the file system is full", "free some space or inodes, then run it again")
        case EDQUOT: (.noSpace, "the disk quota is used up", "free some space or raise the quota, then run it again")
        case EFBIG: (.noSpace, "the file system or a limit allows no larger file", nil)
        case EACCES: (.denied, "permission denied", "check the owner and mode of it and of the directories above")
        case EPERM: (.denied, "the operation is not permitted", "check owner, mode and attributes, or run as root")
        case EROFS: (.denied, "the file system is read-only", "mount it writable")
        case ENOENT: (.missing, "there is no such file or directory", nil)
        case ENOTDIR: (.missing, "a part of the path is not a directory", nil)
        case EEXIST: (.exists, "it exists already", nil)
        case ENOTEMPTY: (.exists, "the directory is not empty", nil)
        case EIO: (.failed, "the device reported an input/output error", "look into the kernel log and check the disk")
        case ESTALE: (.failed, "the network file system lost track of the file", "mount it again")
        case ENODEV, ENXIO, ENOTCONN: (.failed, "the device or connection is gone", "attach or mount it again")
        case EMFILE: (.failed, "this program has too many files open", "raise the limit with ulimit -n")
        case ENFILE: (.failed, "the system has too many files open", nil)
        case ENOMEM: (.failed, "there is not enough memory", nil)
        case ELOOP: (.failed, "there are symbolic links where none may be", nil)
        case ENAMETOOLONG: (.failed, "the name is too long", nil)
        case EBUSY: (.busy, "it is in use", nil)
        default: (.failed, words(of: number), nil)
        }
    }

    private static func words(of number: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            buffer.initialize(repeating: 0)
            guard let base = buffer.baseAddress else { return "error \(number)" }
            return String(cString: sys_error_text(number, base, buffer.count))
        }
    }
}
