import Synchronization
import VarveFormat

/// Checks a repository without a key: every file against its name, config against its own sum, and the clear parts of
/// files, which are headers and trailers.
public enum NamesVerifier {
    /// Checks the repository in a local directory.
    ///
    /// - Parameters:
    ///   - threads: 0 for one a core.
    ///   - onFinding: gets every damaged file once, on the calling thread.
    /// - Throws: `noRepository`, `unsupported` (another format), `interrupted`, and what the storage throws.
    public static func run(
        at path: String, threads: Int = 0, progress: Progress, onFinding: (Finding) -> Void
    ) throws(StoreError) -> VerifyReport {
        try run(on: LocalBackend(path: path), threads: threads, progress: progress, onFinding: onFinding)
    }

    /// Checks the repository on any backend.
    package static func run(
        on backend: any Backend, threads: Int = 0, progress: Progress, onFinding: (Finding) -> Void
    ) throws(StoreError) -> VerifyReport {
        let start = Timestamp.now()
        progress.update { $0.phase = "reading" }
        var report = VerifyReport()
        let (repository, keyFindings) = try checkKeyFiles(backend)
        let files = try NamedFile.list(backend)
        let check = NameCheck(backend, repository: repository, progress: progress)
        progress.update { values in
            values.filesTotal = files.count
            values.bytesTotal = files.reduce(0) { $0 + $1.length }
        }
        let findings = try check.run(files, threads: threads > 0 ? threads : Threads.processorCount)
        for finding in keyFindings + findings {
            report.take(finding.kind)
            if finding.kind == .damagedPack { report.damagedPacks += 1 }
            if finding.kind == .damagedSnapshot { report.damagedSnapshots += 1 }
            onFinding(finding)
        }
        report.packsChecked = files.count { $0.kind.isPack }
        report.packsTotal = report.packsChecked
        report.snapshotsChecked = files.count { $0.kind == .manifest }
        report.bytesRead = progress.read().bytesRead
        report.durationSeconds = Timestamp.now().seconds(since: start)
        return report
    }

    /// Checks config and key slots; the repository's id comes from whichever of them is whole.
    private static func checkKeyFiles(
        _ backend: any Backend
    ) throws(StoreError) -> (RepositoryID?, [Finding]) {
        let slots = try KeySlots.read(from: backend)
        let copies = slots.compactMap(\.configBytes)
        var findings: [Finding] = []
        var configBytes: [UInt8]?
        do throws(StoreError) {
            let bytes = try backend.read("config", limit: FormatLimits.config)
            if let error = refusal(bytes) {
                // A config of another format has copies of that format.
                if error.code == .unsupported, !copies.contains(where: { refusal($0) == nil }) { throw error }
                findings.append(Finding(.damagedFile, error.message, file: "config"))
            } else {
                configBytes = bytes
            }
        } catch {
            guard error.code == .missing || error.isDamage, error.code != .unsupported else { throw error }
            guard !slots.isEmpty else {
                throw StoreError(
                    .noRepository, "there is no repository", path: backend.location, remedy: "check the path")
            }
            findings.append(Finding(.damagedFile, error.message, file: "config"))
        }
        for slot in slots {
            let path = "keys/\(slot.name.hex)"
            for damage in slot.damage { findings.append(Finding(.damagedFile, damage, file: path)) }
            if let configBytes, let copy = slot.configBytes, copy != configBytes {
                findings.append(Finding(.damagedFile, "its copy of config is another than config", file: path))
            }
        }
        let whole = configBytes ?? copies.first { refusal($0) == nil }
        let config = whole.flatMap { try? RepositoryConfig(parsing: $0, sha256: SHA256Digest.of) }
        return (config?.repositoryID, findings)
    }

    private static func refusal(_ config: [UInt8]) -> StoreError? {
        do throws(FormatError) {
            _ = try RepositoryConfig(parsing: config, sha256: SHA256Digest.of)
            return nil
        } catch { return StoreError(error, path: "config") }
    }
}

/// A file whose name is the SHA-256 of its bytes.
struct NamedFile: Sendable {
    let kind: FileKind
    let id: FileID
    let length: UInt64

    var path: String { RepositoryPath.file(kind, id) }

    /// All such files but key slots, the longest first.
    static func list(_ backend: any Backend) throws(StoreError) -> [NamedFile] {
        var files: [NamedFile] = []
        for kind in [FileKind.index, .manifest, .record] {
            for entry in try backend.list(RepositoryPath.directory(kind)) where !entry.isDirectory {
                guard let id = FileID(hex: entry.name) else { continue }
                files.append(NamedFile(kind: kind, id: id, length: entry.size))
            }
        }
        for (id, entry) in try PackListing(backend).packs {
            files.append(NamedFile(kind: entry.kind, id: id, length: entry.length))
        }
        return files.sorted { ($0.length, $1.id) > ($1.length, $0.id) }
    }
}
