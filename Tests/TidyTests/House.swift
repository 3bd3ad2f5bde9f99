import Glibc

/// The files of the project, as git tracks them; where there is no git, as they lie there.
enum House {
    static let root: String = {
        var parts = #filePath.split(separator: "/")
        parts.removeLast(3)
        return "/" + parts.joined(separator: "/")
    }()

    static let files: [String] = {
        let tracked = output("git -C '\(root)' ls-files -z 2>/dev/null")
        if !tracked.isEmpty { return tracked }
        return output("cd '\(root)' && find . -name '.?*' -prune -o -type f -printf '%P\\0'")
    }()

    /// The tracked files that are text, but for test data.
    static let texts: [SourceFile] = files.compactMap { path in
        if path.hasSuffix(".json") || path.contains("/Vectors/") { return nil }
        return read(root + "/" + path).map { SourceFile(path: path, text: $0) }
    }

    /// The text of a file, or nil if it is not there (deleted, not yet staged) or not text.
    private static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        return String(validating: bytes(of: file), as: UTF8.self)
    }

    private static func output(_ command: String) -> [String] {
        guard let pipe = popen(command, "r") else { return [] }
        let all = bytes(of: pipe)
        guard pclose(pipe) == 0 else { return [] }
        return all.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func bytes(of file: UnsafeMutablePointer<FILE>) -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 {
            all += buffer[..<count]
        }
        return all
    }
}
