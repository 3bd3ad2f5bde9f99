import VarveFormat

/// Reads packs whole, from one thread: every byte is hashed for the pack's name, every frame opened and decoded, every
/// blob hashed for its id. Memory holds a few frames, whose blobs are hashed together.
final class PackChecker {
    struct Outcome: Sendable {
        /// Frames that cannot be decoded, and why.
        var damagedFrames: [(frame: Int, message: String)] = []
        /// Blobs whose frame is whole but that do not hash to their ids.
        var damagedPlaces: [Int] = []
        /// Whether the pack's bytes match its name.
        var matchesName = true
        /// Whether the pack went away after it was listed.
        var isGone = false
        var bytesRead: UInt64 = 0
    }

    private static let pieceLength = 1 << 20
    /// Plaintext that is hashed together: enough for all lanes where each frame holds one long blob.
    private static let batchLength = 8 << 20

    private let reader: PackReader
    private let frames: FrameReader
    private var stored = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var raw = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// Frames in `raw`, decoded and not hashed yet, and how much of `raw` they take.
    private var decoded: [(frame: Int, start: Int)] = []
    private var used = 0

    init(reader: PackReader, table: BlobTable) throws(StoreError) {
        self.reader = reader
        frames = try FrameReader(reader, findBase: table.frameLocation)
    }

    deinit {
        stored.deallocate()
        raw.deallocate()
    }

    /// Checks a pack.
    ///
    /// - Parameter visit: gets every blob that hashes to its id.
    func check(
        _ pack: BlobTable.Pack, in table: BlobTable, progress: Progress,
        visit: (_ place: Int, _ blob: UnsafeRawBufferPointer) -> Void
    ) throws(StoreError) -> Outcome {
        var outcome = Outcome()
        let handle: PackHandle
        do throws(StoreError) {
            handle = try reader.openPack(pack.id, kind: pack.kind)
        } catch {
            guard error.code == .missing || error.isDamage else { throw error }
            outcome.isGone = error.code == .missing
            outcome.matchesName = false
            outcome.damagedFrames = pack.frames.map { ($0, error.message) }
            return outcome
        }
        var digest = SHA256Digest.Incremental()
        var position = hash(handle, from: 0, to: UInt64(PackLayout.firstFrameOffset), &digest, &outcome)
        for number in pack.frames {
            try progress.check()
            let frame = table.location(ofFrame: number)
            guard UInt64(frame.offset) == position, position + UInt64(frame.storedLength) <= handle.byteCount else {
                outcome.damagedFrames.append((number, "the pack is cut short"))
                continue
            }
            position += UInt64(frame.storedLength)
            outcome.bytesRead += UInt64(frame.storedLength)
            do throws(StoreError) {
                let bytes = try read(handle, frame)
                digest.update(bytes)
                // What that costs is known without reading.
                guard table.hasBase(number) else { continue }
                if used + frame.rawLength > raw.count { try checkBlobs(in: table, &outcome, visit) }
                try decode(number, handle, frame, bytes)
            } catch {
                // Of a delta frame the pack of the base may have gone away.
                guard error.isDamage || error.code == .missing else { throw error }
                if error.code == .missing { outcome.isGone = true }
                outcome.damagedFrames.append((number, error.message))
            }
        }
        try checkBlobs(in: table, &outcome, visit)
        _ = hash(handle, from: position, to: handle.byteCount, &digest, &outcome)
        if digest.finish() != pack.id { outcome.matchesName = false }
        return outcome
    }

    /// Adds a run of bytes to the digest, as far as the file reaches; returns where it ended.
    private func hash(
        _ handle: PackHandle, from start: UInt64, to end: UInt64, _ digest: inout SHA256Digest.Incremental,
        _ outcome: inout Outcome
    ) -> UInt64 {
        var position = start
        let end = min(end, handle.byteCount)
        while position < end {
            let length = Int(min(end - position, UInt64(Self.pieceLength)))
            let piece = Self.reserve(&stored, length)
            do throws(StoreError) {
                try handle.file.read(at: position, into: piece)
                digest.update(UnsafeRawBufferPointer(piece))
            } catch { outcome.matchesName = false }
            position += UInt64(length)
            outcome.bytesRead += UInt64(length)
        }
        return position
    }

    private func read(_ handle: PackHandle, _ frame: FrameLocation) throws(StoreError) -> UnsafeRawBufferPointer {
        let bytes = Self.reserve(&stored, frame.storedLength)
        try handle.file.read(at: UInt64(frame.offset), into: bytes)
        return UnsafeRawBufferPointer(bytes)
    }

    /// Decodes a frame behind those that wait.
    private func decode(
        _ number: Int, _ handle: PackHandle, _ frame: FrameLocation, _ bytes: UnsafeRawBufferPointer
    ) throws(StoreError) {
        if used == 0 { _ = Self.reserve(&raw, max(frame.rawLength, Self.batchLength)) }
        let plain = UnsafeMutableRawBufferPointer(rebasing: raw[used..<used + frame.rawLength])
        try frames.decode(handle, frame, stored: bytes, into: plain)
        decoded.append((number, used))
        used += frame.rawLength
    }

    /// Hashes the blobs of all frames that wait.
    private func checkBlobs(
        in table: BlobTable, _ outcome: inout Outcome,
        _ visit: (_ place: Int, _ blob: UnsafeRawBufferPointer) -> Void
    ) throws(StoreError) {
        defer { (decoded, used) = ([], 0) }
        var places: [[Int]] = BlobType.allCases.map { _ in [] }
        var blobs: [[UnsafeRawBufferPointer]] = BlobType.allCases.map { _ in [] }
        var expected: [[BlobID]] = BlobType.allCases.map { _ in [] }
        for (frame, start) in decoded {
            let all = table.places(inFrame: frame)
            let ids = try table.ids(all)
            var offset = start
            for place in all {
                let end = offset + table.length(place)
                let type = Int(table.type(place).rawValue) - 1
                places[type].append(place)
                blobs[type].append(UnsafeRawBufferPointer(rebasing: raw[offset..<end]))
                expected[type].append(ids[place - all.lowerBound])
                offset = end
            }
        }
        var ids: [BlobID] = []
        for type in BlobType.allCases {
            let number = Int(type.rawValue) - 1
            reader.keys.blobHasher.ids(type, blobs[number], into: &ids)
            for (index, place) in places[number].enumerated() {
                if ids[index] == expected[number][index] {
                    visit(place, blobs[number][index])
                } else {
                    outcome.damagedPlaces.append(place)
                }
            }
        }
    }

    /// The first `length` bytes of memory that grows as needed.
    private static func reserve(_ memory: inout UnsafeMutableRawBufferPointer, _ length: Int)
        -> UnsafeMutableRawBufferPointer
    {
        if memory.count < length {
            memory.deallocate()
            memory = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 64)
        }
        return UnsafeMutableRawBufferPointer(rebasing: memory[..<length])
    }
}
