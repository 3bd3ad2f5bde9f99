import Synchronization
import VarveFormat

/// Hashes files on several threads and looks at what stands in them in clear. Memory holds a piece of a file a thread.
final class NameCheck: Sendable {
    private static let pieceLength = 1 << 20
    private static let trailerLength = PackLayout.wrapperLength + PackTrailer.byteCount

    private let backend: any Backend
    private let repository: RepositoryID?
    private let progress: Progress
    private let found = Mutex<[Finding]>([])

    /// - Parameter repository: the id that headers must carry; nil if it is not known.
    init(_ backend: any Backend, repository: RepositoryID?, progress: Progress) {
        self.backend = backend
        self.repository = repository
        self.progress = progress
    }

    /// Checks files; the findings come in the order of their paths.
    func run(_ files: [NamedFile], threads: Int) throws(StoreError) -> [Finding] {
        try WorkList.run(files.count, threads: threads, makeWorker: {}) { [self] (_, number) throws(StoreError) in
            let file = files[number]
            do throws(StoreError) {
                try check(file)
            } catch {
                // Removed since it was listed: not damage.
                if error.code != .missing {
                    guard error.isDamage else { throw error }
                    report(file, error.message)
                }
            }
            progress.update { $0.filesDone += 1 }
        }
        return found.withLock { $0 }.sorted { ($0.file ?? "") < ($1.file ?? "") }
    }

    private func check(_ file: NamedFile) throws(StoreError) {
        let limit = file.kind.isPack ? FormatLimits.pack : SealedFile.fileLimit(file.kind)
        let handle = try backend.open(file.path)
        guard handle.byteCount <= UInt64(limit) else {
            throw StoreError(.damaged, "a file of \(handle.byteCount) bytes is longer than any of its kind may be")
        }
        var head: [UInt8] = []
        var digest = SHA256Digest.Incremental()
        var piece = [UInt8](repeating: 0, count: min(Self.pieceLength, max(1, Int(handle.byteCount))))
        var position: UInt64 = 0
        while position < handle.byteCount {
            try progress.check()
            let length = Int(min(UInt64(piece.count), handle.byteCount - position))
            var failure: StoreError?
            piece.withUnsafeMutableBytes { memory in
                let part = UnsafeMutableRawBufferPointer(rebasing: memory[..<length])
                do throws(StoreError) {
                    try handle.read(at: position, into: part)
                    digest.update(UnsafeRawBufferPointer(part))
                } catch { failure = error }
            }
            if let failure { throw failure }
            if position == 0 { head = Array(piece[..<min(length, PackLayout.firstFrameOffset)]) }
            position += UInt64(length)
            progress.update { values in
                values.bytesRead += UInt64(length)
                values.bytesDone += UInt64(length)
            }
        }
        guard digest.finish() == file.id else {
            throw StoreError(.damaged, "the file's bytes do not match its name")
        }
        do throws(FormatError) {
            try checkClearParts(file, handle, head)
        } catch { throw StoreError(.damaged, error.message) }
    }

    /// Headers and trailers. They are as they were written, since the name matches: what is wrong here was so then.
    private func checkClearParts(_ file: NamedFile, _ handle: any BackendFile, _ head: [UInt8]) throws(FormatError) {
        if file.kind.isPack {
            let headerBytes = Array(head.dropFirst(PackLayout.wrapperLength))
            let header = try FileHeader(parsing: headerBytes, magic: .pack, sha256: SHA256Digest.of)
            try check(header, file)
            var tail = [UInt8](repeating: 0, count: Self.trailerLength)
            guard handle.byteCount >= UInt64(tail.count),
                (try? tail.withUnsafeMutableBytes({ memory in
                    try handle.read(at: handle.byteCount - UInt64(Self.trailerLength), into: memory)
                })) != nil
            else { throw FormatError(.truncated, "a pack of \(handle.byteCount) bytes is cut short") }
            let trailer = try PackTrailer(
                parsing: Array(tail[PackLayout.wrapperLength...]), packLength: handle.byteCount,
                sha256: SHA256Digest.of)
            guard trailer.header == header else {
                throw FormatError(.mismatch, "the header and the trailer of a pack differ")
            }
        } else if head.starts(with: FileMagic(file.kind).rawValue.utf8) {
            let headerBytes = Array(head.prefix(FileHeader.byteCount))
            try check(FileHeader(parsing: headerBytes, magic: FileMagic(file.kind), sha256: SHA256Digest.of), file)
        }
    }

    private func check(_ header: FileHeader, _ file: NamedFile) throws(FormatError) {
        guard header.kind == file.kind else {
            throw FormatError(.mismatch, "the file is of another kind than its place says")
        }
        guard repository == nil || header.repositoryID == repository else {
            throw FormatError(.mismatch, "the file is of another repository")
        }
    }

    private func report(_ file: NamedFile, _ message: String) {
        let finding: Finding
        switch file.kind {
        case .dataPack, .treePack: finding = .pack(file.kind, file.id, message)
        case .manifest: finding = Finding(.damagedSnapshot, message, file: file.path, snapshot: file.id)
        case .index, .record: finding = Finding(.damagedFile, message, file: file.path)
        }
        found.withLock { $0.append(finding) }
        progress.update { $0.errors += 1 }
    }
}
