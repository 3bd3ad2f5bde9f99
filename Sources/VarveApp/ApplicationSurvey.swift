import CSys
package import Varve

/// What a look into the directory of an application finds: what has to be captured in a way of its own, and what can
/// be made again.
package struct ApplicationSurvey: Sendable {
    /// All paths are relative to the directory, in byte order.
    package private(set) var sqliteFiles: [[UInt8]] = []
    /// Directories that hold a LevelDB, RocksDB or Kuzu database.
    package private(set) var databaseDirectories: [[UInt8]] = []
    /// Settings: `.env`, compose files and the like.
    package private(set) var configFiles: [[UInt8]] = []
    /// Directories of what users left there.
    package private(set) var uploadDirectories: [[UInt8]] = []
    package private(set) var composeFile: [UInt8]?
    package private(set) var versionFile: [UInt8]?
    /// A file that names a PostgreSQL server.
    package private(set) var postgresHint: [UInt8]?
    /// Names of exclude sets of which something is there.
    package private(set) var excludeSets: Set<String> = []
    package private(set) var hasNodeModules = false
    /// There was more than was looked at.
    package private(set) var isCut = false

    private static let entryLimit = 200_000
    private static let depthLimit = 8
    private static let configDepth = 2

    private static let uploadNames: Set<String> = [
        "uploads", "upload", "media", "attachments", "storage", "avatars", "documents",
    ]
    private static let configNames: Set<String> = [
        ".env", "config.py", "settings.py", "config.json", "config.yml", "config.yaml", "config.toml", "config.ini",
        "settings.json", "settings.yml", "settings.yaml", "docker-compose.yml", "docker-compose.yaml", "compose.yml",
        "compose.yaml", "docker-compose.override.yml", "compose.override.yml", "dockerfile", "requirements.txt",
        "pyproject.toml", "package.json", "version", "varve.toml", "nginx.conf", "caddyfile", "procfile", "alembic.ini",
    ]
    private static let composeNames: Set<String> = [
        "docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml",
    ]
    private static let setNames: [String: String] = [
        "venv": "python", ".venv": "python", "__pycache__": "python", "requirements.txt": "python",
        "pyproject.toml": "python", ".git": "vcs", ".hg": "vcs", ".svn": "vcs", ".idea": "ide", ".vscode": "ide",
        ".ds_store": "os", "thumbs.db": "os", ".cache": "caches", "logs": "logs",
    ]
    /// Not entered: nothing in them is the application's own.
    private static let skipped: Set<String> = [
        ".git", ".hg", ".svn", "node_modules", "venv", ".venv", "__pycache__", ".cache", ".idea", ".vscode",
    ]

    private let root: [UInt8]

    /// Looks into a directory.
    ///
    /// - Throws: as the system says, if it cannot be listed.
    package init(_ directory: [UInt8]) throws(StoreError) {
        root = directory
        var pending: [(path: [UInt8], depth: Int)] = [([], 0)]
        var seen = 0
        while let (path, depth) = pending.popLast() {
            let names: NameList
            do throws(StoreError) {
                names = try Self.list(absolute(path))
            } catch {
                if path.isEmpty { throw StoreError(.failed, error.message, path: directory) }
                continue
            }
            if isDatabase(names) {
                databaseDirectories.append(path)
                continue
            }
            for index in 0..<names.count {
                seen += 1
                guard seen <= Self.entryLimit else {
                    isCut = true
                    break
                }
                let name = Array(names.name(index))
                let below = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
                if look(name, below, depth), depth < Self.depthLimit { pending.append((below, depth + 1)) }
            }
        }
        for list in [\Self.sqliteFiles, \.databaseDirectories, \.configFiles, \.uploadDirectories] {
            self[keyPath: list].sort { $0.lexicographicallyPrecedes($1) }
        }
    }

    private func absolute(_ path: [UInt8]) -> [UInt8] { path.isEmpty ? root : root + [UInt8(ascii: "/")] + path }

    private static func list(_ path: [UInt8]) throws(StoreError) -> NameList {
        let descriptor = try Syscalls.open(path, flags: SYS_O_RDONLY | SYS_O_DIRECTORY | SYS_O_NOFOLLOW)
        defer { _ = sys_close(descriptor) }
        return try listDirectory(descriptor)
    }

    /// Looks at one name; true for a directory to enter.
    private mutating func look(_ name: [UInt8], _ path: [UInt8], _ depth: Int) -> Bool {
        guard let status = try? Syscalls.status(absolute(path)) else { return false }
        let text = String(decoding: name, as: UTF8.self).lowercased()
        if let set = Self.setNames[text] { excludeSets.insert(set) }
        if text.hasSuffix(".pyc") { excludeSets.insert("python") }
        if text.hasSuffix(".log") || text.hasSuffix(".pid") { excludeSets.insert("logs") }
        if status.kind == .directory {
            if text == "node_modules" { hasNodeModules = true }
            guard !Self.skipped.contains(text) else { return false }
            if Self.uploadNames.contains(text), !uploadDirectories.contains(where: { path.starts(with: $0 + [47]) }) {
                uploadDirectories.append(path)
            }
            return true
        }
        guard status.kind == .regular else { return false }
        if status.size >= 512, isSQLite(path) { sqliteFiles.append(path) }
        guard depth < Self.configDepth else { return false }
        let isSetting = Self.configNames.contains(text) || (text.hasPrefix(".env.") && !text.contains("example"))
        guard isSetting, !sqliteFiles.contains(path) else { return false }
        configFiles.append(path)
        if depth == 0, text == "version" { versionFile = path }
        if depth == 0, composeFile == nil, Self.composeNames.contains(text) { composeFile = path }
        if postgresHint == nil, Self.composeNames.contains(text) || text.hasPrefix(".env"), namesPostgres(path) {
            postgresHint = path
        }
        return false
    }

    /// The magic of https://www.sqlite.org/fileformat.html section 1.3.1.
    private func isSQLite(_ path: [UInt8]) -> Bool {
        let magic = Array("SQLite format 3\0".utf8)
        return start(of: path, count: magic.count) == magic
    }

    private func namesPostgres(_ path: [UInt8]) -> Bool {
        let text = String(decoding: start(of: path, count: 64 << 10), as: UTF8.self).lowercased()
        return ["postgres://", "postgresql://", "postgresql+", "image: postgres", "image: \"postgres", "postgis/"]
            .contains { text.contains($0) }
    }

    private func start(of path: [UInt8], count: Int) -> [UInt8] {
        let flags = SYS_O_RDONLY | SYS_O_NOFOLLOW | SYS_O_NONBLOCK
        guard let descriptor = try? Syscalls.open(absolute(path), flags: flags) else { return [] }
        defer { _ = sys_close(descriptor) }
        return (try? DescriptorReader.read(descriptor, atMost: count)) ?? []
    }

    /// LevelDB and RocksDB keep CURRENT and MANIFEST-*; Kuzu keeps a catalog and a metadata file.
    private func isDatabase(_ names: NameList) -> Bool {
        let all = Set((0..<names.count).map { String(decoding: names.name($0), as: UTF8.self) })
        if all.contains("CURRENT"), all.contains(where: { $0.hasPrefix("MANIFEST-") }) { return true }
        return all.contains("catalog.kz") || (all.contains("data.kz") && all.contains("metadata.kz"))
    }
}
