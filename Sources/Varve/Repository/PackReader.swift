import Synchronization
package import VarveFormat

/// An open pack: its header, which has been checked, and the key that it gives. Read by any number of threads.
package final class PackHandle: Sendable {
    package let id: PackID
    package let header: FileHeader
    /// What is wrong with the header or its wrapper, if the trailer had to stand in for it.
    package let headerDamage: StoreError?
    let file: any BackendFile
    let sealer: Sealer

    init(id: PackID, header: FileHeader, headerDamage: StoreError?, file: any BackendFile, sealer: Sealer) {
        self.id = id
        self.header = header
        self.headerDamage = headerDamage
        self.file = file
        self.sealer = sealer
    }

    /// The pack's path, for messages.
    package var path: String { RepositoryPath.pack(header.kind, id) }
    /// Bytes of the whole pack.
    package var byteCount: UInt64 { file.byteCount }

    func bytes(at offset: Int, count: Int) throws(StoreError) -> [UInt8] {
        try [UInt8].filled(count: count) { memory throws(StoreError) in
            try file.read(at: UInt64(offset), into: memory)
        }
    }
}

/// Opens packs and reads their directories (FORMAT.md section 7). Keeps a few packs open; used by any thread.
package final class PackReader: Sendable {
    /// Packs kept open, each with a descriptor.
    private static let openLimit = 16
    /// Places of frames that are kept of packs which hold bases.
    private static let placeLimit = 65_536

    private let backend: any Backend
    package let keys: KeyChain
    package let repository: RepositoryID
    private let open: Mutex<[PackHandle]>
    /// Where the frames of packs lie, as their own directories say.
    private let places = Mutex<[PackID: [FrameLocation]]>([:])

    package init(backend: any Backend, keys: KeyChain, repository: RepositoryID) {
        self.backend = backend
        self.keys = keys
        self.repository = repository
        open = Mutex([])
    }

    /// The pack, opened now or before.
    ///
    /// - Throws: `missing` if it is absent; `damaged` if neither header nor trailer is whole, or it belongs elsewhere.
    package func handle(_ id: PackID, kind: FileKind) throws(StoreError) -> PackHandle {
        let known = open.withLock { open -> PackHandle? in
            guard let index = open.lastIndex(where: { $0.id == id && $0.header.kind == kind }) else { return nil }
            let handle = open.remove(at: index)
            open.append(handle)
            return handle
        }
        if let known { return known }
        let handle = try openPack(id, kind: kind)
        open.withLock { open in
            if open.count >= Self.openLimit { open.removeFirst() }
            open.append(handle)
        }
        return handle
    }

    /// Opens a pack anew.
    ///
    /// - Throws: as `handle` does.
    package func openPack(_ id: PackID, kind: FileKind) throws(StoreError) -> PackHandle {
        let path = RepositoryPath.pack(kind, id)
        let file = try backend.open(path)
        guard file.byteCount <= UInt64(FormatLimits.pack) else {
            throw StoreError(.damaged, "a pack of \(file.byteCount) bytes is longer than any may be", path: path)
        }
        do throws(StoreError) {
            let header = try self.header(file, kind: kind)
            return handle(id, header, nil, file)
        } catch {
            let damage = StoreError(error.code, error.message, path: path)
            guard error.code == .damaged, let trailer = try? trailer(file, kind: kind) else { throw damage }
            return handle(id, trailer.header, damage, file)
        }
    }

    /// Reads the directory out of the end of a pack.
    ///
    /// - Throws: `damaged` if the trailer or the directory is not what was written.
    package func directory(_ handle: PackHandle) throws(StoreError) -> PackDirectory {
        do throws(StoreError) {
            let trailer = try trailer(handle.file, kind: handle.header.kind)
            guard trailer.header == handle.header else {
                throw StoreError(.damaged, "the header and the trailer of a pack differ")
            }
            return try directory(handle, trailer)
        } catch { throw StoreError(error.code, error.message, path: handle.path, errno: error.errno) }
    }

    /// Where the frame lies that a base names, as its pack says itself; nil if the pack has no such frame.
    ///
    /// - Throws: as `handle` and `directory` do.
    package func location(of base: FrameBase, _ kind: FileKind) throws(StoreError) -> FrameLocation? {
        if let known = places.withLock({ $0[base.pack] }) {
            return known.first?.kind == kind && base.number < known.count ? known[base.number] : nil
        }
        let handle = try handle(base.pack, kind: kind)
        var offset = PackLayout.firstFrameOffset
        let found = try directory(handle).frames.enumerated().map { number, frame in
            defer { offset += frame.storedLength }
            return FrameLocation(
                pack: base.pack, kind: kind, packLength: handle.byteCount, number: number, offset: offset,
                storedLength: frame.storedLength, rawLength: frame.rawLength, codec: frame.codec, base: frame.base)
        }
        places.withLock { places in
            if places.reduce(found.count, { $0 + $1.value.count }) > Self.placeLimit { places.removeAll() }
            places[base.pack] = found
        }
        return base.number < found.count ? found[base.number] : nil
    }

    /// What an index file should say about a pack, out of the pack itself.
    package func segmentPack(_ id: PackID, kind: FileKind) throws(StoreError) -> SegmentPack {
        let handle = try openPack(id, kind: kind)
        return SegmentPack(id: id, kind: kind, length: handle.byteCount, directory: try directory(handle))
    }

    private func handle(
        _ id: PackID, _ header: FileHeader, _ damage: StoreError?, _ file: any BackendFile
    ) -> PackHandle {
        PackHandle(
            id: id, header: header, headerDamage: damage, file: file,
            sealer: keys.sealer(header.kind, salt: header.salt, repository: repository))
    }

    private func header(_ file: any BackendFile, kind: FileKind) throws(StoreError) -> FileHeader {
        let bytes = try Self.bytes(file, at: 0, count: PackLayout.firstFrameOffset)
        let header: FileHeader
        do throws(FormatError) {
            try PackLayout.checkWrapper(Array(bytes[..<PackLayout.wrapperLength]), length: FileHeader.byteCount)
            header = try FileHeader(
                parsing: Array(bytes[PackLayout.wrapperLength...]), magic: .pack, sha256: SHA256Digest.of)
        } catch { throw StoreError(error) }
        try header.check(kind: kind, keys: keys, repository: repository)
        return header
    }

    private func trailer(_ file: any BackendFile, kind: FileKind) throws(StoreError) -> PackTrailer {
        let length = PackLayout.wrapperLength + PackTrailer.byteCount
        guard file.byteCount >= UInt64(length) else {
            throw StoreError(.damaged, "a pack of \(file.byteCount) bytes is cut short")
        }
        let bytes = try Self.bytes(file, at: Int(file.byteCount) - length, count: length)
        let trailer: PackTrailer
        do throws(FormatError) {
            try PackLayout.checkWrapper(Array(bytes[..<PackLayout.wrapperLength]), length: PackTrailer.byteCount)
            trailer = try PackTrailer(
                parsing: Array(bytes[PackLayout.wrapperLength...]), packLength: file.byteCount,
                sha256: SHA256Digest.of)
        } catch { throw StoreError(error) }
        try trailer.header.check(kind: kind, keys: keys, repository: repository)
        return trailer
    }

    private func directory(_ handle: PackHandle, _ trailer: PackTrailer) throws(StoreError) -> PackDirectory {
        let wrapped = try handle.bytes(
            at: trailer.directoryOffset - PackLayout.wrapperLength,
            count: PackLayout.wrapperLength + trailer.directoryStoredLength)
        let payload = Array(wrapped[PackLayout.wrapperLength...])
        guard SHA256Digest.of(payload) == trailer.directorySHA256 else {
            throw StoreError(.damaged, "the checksum of a pack's directory does not match")
        }
        let suite = handle.header.suite
        let associated = PackLayout.associatedData(
            repository: repository, kind: handle.header.kind, suite: suite, codec: .stored,
            number: PackLayout.directoryFrameNumber, rawLength: trailer.directoryRawLength,
            storedLength: trailer.directoryStoredLength)
        let raw = try payload.withBytes { payload throws(StoreError) in
            try handle.sealer.open(.directory, payload, associated: associated)
        }
        do throws(FormatError) {
            try PackLayout.checkWrapper(Array(wrapped[..<PackLayout.wrapperLength]), length: payload.count)
            let directory = try PackDirectory(
                parsing: raw, kind: handle.header.kind, suite: suite, framesLength: trailer.framesLength)
            guard handle.header.features.contains(.deltas) || directory.frames.allSatisfy({ $0.base == nil }) else {
                throw FormatError(.malformed, "a pack has delta frames, and its header does not say so")
            }
            return directory
        } catch { throw StoreError(error) }
    }

    private static func bytes(
        _ file: any BackendFile, at offset: Int, count: Int
    ) throws(StoreError) -> [UInt8] {
        try [UInt8].filled(count: count) { memory throws(StoreError) in
            try file.read(at: UInt64(offset), into: memory)
        }
    }
}
