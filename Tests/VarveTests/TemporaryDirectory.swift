import Glibc
import Varve

/// A directory of its own for a test; it goes away with its owner.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        let name = try Syscalls.randomBytes(8).map { String($0, radix: 16) }.joined()
        path = parent + "/varve-test-" + name
        try Syscalls.makeDirectory(Array(path.utf8), mode: 0o700)
    }

    deinit {
        let backend = LocalBackend(path: LayerPath.parent(path))
        try? backend.removeTree(LayerPath.name(path))
    }
}
