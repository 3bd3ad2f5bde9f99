package import Varve

/// Paths as people write them, made absolute and clean without asking the file system: no link is resolved.
package enum SourcePaths {
    /// An absolute path without empty parts, `.` and `..`; the root is `/`.
    ///
    /// - Parameter directory: the absolute path that a relative one starts from.
    /// - Throws: `usage` for an empty path and for one with a NUL byte.
    package static func absolute(_ path: [UInt8], from directory: [UInt8]) throws(StoreError) -> [UInt8] {
        let slash = UInt8(ascii: "/")
        guard !path.isEmpty else { throw StoreError(.usage, "a path cannot be empty") }
        guard !path.contains(0) else { throw StoreError(.usage, "a path cannot hold a NUL byte", path: path) }
        let full = path.first == slash ? path : directory + [slash] + path
        var parts: [ArraySlice<UInt8>] = []
        for part in full.split(separator: slash) {
            if part.elementsEqual(".".utf8) { continue }
            if part.elementsEqual("..".utf8) { _ = parts.popLast() } else { parts.append(part) }
        }
        return [slash] + parts.joined(separator: [slash])
    }

    /// Paths for people, who need not see those that lie in others, and see no more than three.
    ///
    /// - Parameter show: how one is shown.
    package static func summary(_ paths: [[UInt8]], _ show: ([UInt8]) -> String) -> String {
        let slash = UInt8(ascii: "/")
        let outermost = paths.filter { path in
            !paths.contains { $0 != path && path.starts(with: $0.last == slash ? $0 : $0 + [slash]) }
        }
        let shown = outermost.count > limit ? outermost.prefix(limit - 1) : outermost[...]
        let more = outermost.count > shown.count ? ["and \(outermost.count - shown.count) more"] : []
        return (shown.map(show) + more).joined(separator: " ")
    }

    private static let limit = 3

    /// Paths in the order given, without those that stand there twice.
    package static func unique(_ paths: [[UInt8]]) -> [[UInt8]] {
        var seen: Set<[UInt8]> = []
        return paths.filter { seen.insert($0).inserted }
    }

    /// The paths of a list: one a line, where a line feed ends each, carriage returns before it do not count and empty
    /// lines and those that begin with `#` are skipped; or, with `zeroSeparated`, any bytes between NULs.
    package static func list(_ bytes: [UInt8], zeroSeparated: Bool) -> [[UInt8]] {
        if zeroSeparated { return bytes.split(separator: 0).map(Array.init) }
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let trimmed = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            return trimmed.isEmpty || trimmed.first == UInt8(ascii: "#") ? nil : Array(trimmed)
        }
    }
}
