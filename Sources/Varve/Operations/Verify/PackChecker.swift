import VarveFormat

/// Reads packs whole, from one thread: every byte is hashed for the pack's name, every frame opened and decoded, every
/// blob hashed for its id. Memory holds one frame.
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

    private let reader: PackReader
    private let frames: FrameReader
    private var stored = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var raw = UnsafeMutableRawBufferPointer(start: nil, count: 0)

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
                let plain = try decode(handle, frame, bytes)
                try checkBlobs(number, plain, in: table, &outcome, visit)
            } catch {
                // Of a delta frame the pack of the base may have gone away.
                guard error.isDamage || error.code == .missing else { throw error }
                if error.code == .missing { outcome.isGone = true }
                outcome.damagedFrames.append((number, error.message))
            }
        }
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

    private func decode(
        _ handle: PackHandle, _ frame: FrameLocation, _ bytes: UnsafeRawBufferPointer
    ) throws(StoreError) -> UnsafeRawBufferPointer {
        let plain = Self.reserve(&raw, frame.rawLength)
        try frames.decode(handle, frame, stored: bytes, into: plain)
        return UnsafeRawBufferPointer(plain)
    }

    private func checkBlobs(
        _ frame: Int, _ plain: UnsafeRawBufferPointer, in table: BlobTable, _ outcome: inout Outcome,
        _ visit: (_ place: Int, _ blob: UnsafeRawBufferPointer) -> Void
    ) throws(StoreError) {
        let all = table.places(inFrame: frame)
        let expected = try table.ids(all)
        var ids: [BlobID] = []
        for type in BlobType.allCases {
            var places: [Int] = []
            var blobs: [UnsafeRawBufferPointer] = []
            var offset = 0
            for place in all {
                let end = offset + table.length(place)
                if table.type(place) == type {
                    places.append(place)
                    blobs.append(UnsafeRawBufferPointer(rebasing: plain[offset..<end]))
                }
                offset = end
            }
            guard !blobs.isEmpty else { continue }
            reader.keys.blobHasher.ids(type, blobs, into: &ids)
            for (index, place) in places.enumerated() {
                if ids[index] == expected[place - all.lowerBound] {
                    visit(place, blobs[index])
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
