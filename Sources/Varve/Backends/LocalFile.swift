/// An open file of a `LocalBackend`.
final class LocalFile: BackendFile {
    let byteCount: UInt64
    private let file: any LayerFile
    private let path: String

    init(_ file: any LayerFile, byteCount: UInt64, path: String) {
        self.file = file
        self.byteCount = byteCount
        self.path = path
    }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) {
        do throws(StoreError) {
            guard try file.readAll(into: buffer, at: offset) == buffer.count else {
                throw StoreError(.damaged, "the file is shorter than it should be", path: path)
            }
        } catch {
            throw error.at(Array(path.utf8))
        }
    }
}
