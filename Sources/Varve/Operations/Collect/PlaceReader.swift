import VarveFormat

/// Reads blobs by their positions in a census, every one checked against its id; a place that is damaged is made up for
/// by another one. One for each thread: memory holds one frame.
final class PlaceReader {
    private let census: BlobCensus
    private let packs: PackReader
    private let frames: FrameReader
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var ids: [BlobID] = []

    init(_ census: BlobCensus, packs: PackReader) throws(StoreError) {
        self.census = census
        self.packs = packs
        frames = try FrameReader(packs, findBase: census.frameLocation)
    }

    deinit { memory.deallocate() }

    /// Hands out blobs of one frame, each valid during the call only, in the order of their positions.
    ///
    /// - Throws: `damaged`, `missing` or `unsupported` if no place of one of them is whole; what `visit` throws.
    func read(
        _ positions: ArraySlice<Int>, inFrame frame: Int,
        visit: (_ position: Int, _ blob: UnsafeRawBufferPointer) throws(StoreError) -> Void
    ) throws(StoreError) {
        var damaged = Array(positions)
        var raw: UnsafeRawBufferPointer?
        var failure: StoreError?
        do throws(StoreError) {
            raw = try decode(frame)
        } catch {
            guard error.isDamage || error.code == .missing else { throw error }
            failure = error
        }
        if let raw {
            let blobs = slices(of: raw, frame, positions)
            let isWhole = try check(positions, blobs)
            damaged.removeAll()
            for (index, position) in positions.enumerated() {
                if isWhole[index] { try visit(position, blobs[index]) } else { damaged.append(position) }
            }
        }
        for position in damaged {
            let blob = try readElsewhere(position, failure)
            try blob.withBytes { blob throws(StoreError) in try visit(position, blob) }
        }
    }

    /// Checks a frame and hands out its bytes as they are encoded. A seal that fits says that they are those that were
    /// sealed, which were checked then; without seals the frame is decoded and every blob of it compared with its id.
    ///
    /// - Returns: false if the frame is not whole: then nothing was handed out.
    /// - Throws: what the storage and `visit` throw.
    func readWhole(
        _ frame: Int, visit: (_ encoded: FrameEncoder.Frame, _ rawLength: Int) throws(StoreError) -> Void
    ) throws(StoreError) -> Bool {
        let location = census.location(ofFrame: frame)
        // What `visit` throws is not about this frame.
        var failure: StoreError?
        var isWhole = false
        do throws(StoreError) {
            let handle = try packs.handle(location.pack, kind: location.kind)
            func hand(_ encoded: FrameEncoder.Frame) {
                isWhole = true
                do throws(StoreError) { try visit(encoded, location.rawLength) } catch { failure = error }
            }
            if packs.keys.suite != .none {
                try frames.readEncoded(handle, location, use: hand)
            } else {
                let positions = Array(census.positions(inFrame: frame))
                let raw = reserve(location.rawLength)
                try frames.read(handle, location, into: raw) { encoded throws(StoreError) in
                    let blobs = slices(of: UnsafeRawBufferPointer(raw), frame, positions[...])
                    if try check(positions[...], blobs).allSatisfy(\.self) { hand(encoded) }
                }
            }
        } catch {
            guard error.isDamage || error.code == .missing else { throw error }
        }
        if let failure { throw failure }
        return isWhole
    }

    /// The raw bytes of a frame that is the base of others.
    func readBase(_ frame: Int) throws(StoreError) -> [UInt8] { try frames.readBase(census.location(ofFrame: frame)) }

    private func decode(_ frame: Int) throws(StoreError) -> UnsafeRawBufferPointer {
        let location = census.location(ofFrame: frame)
        let handle = try packs.handle(location.pack, kind: location.kind)
        let raw = reserve(location.rawLength)
        try frames.read(handle, location, into: raw)
        return UnsafeRawBufferPointer(raw)
    }

    private func slices(
        of raw: UnsafeRawBufferPointer, _ frame: Int, _ positions: ArraySlice<Int>
    ) -> [UnsafeRawBufferPointer] {
        var blobs: [UnsafeRawBufferPointer] = []
        blobs.reserveCapacity(positions.count)
        var offset = 0
        var wanted = positions.startIndex
        for position in census.positions(inFrame: frame) {
            guard wanted < positions.endIndex else { break }
            let length = census.table.length(position)
            if positions[wanted] == position {
                blobs.append(UnsafeRawBufferPointer(rebasing: raw[offset..<offset + length]))
                wanted += 1
            }
            offset += length
        }
        return blobs
    }

    /// Whether each blob hashes to its id.
    private func check(_ positions: ArraySlice<Int>, _ blobs: [UnsafeRawBufferPointer]) throws(StoreError) -> [Bool] {
        let table = census.table
        let hasher = packs.keys.blobHasher
        var isWhole = [Bool](repeating: false, count: positions.count)
        let first = positions.startIndex
        for type in BlobType.allCases {
            let chosen = positions.indices.filter { table.type(positions[$0]) == type }
            guard !chosen.isEmpty else { continue }
            hasher.ids(type, chosen.map { blobs[$0 - first] }, into: &ids)
            for (index, number) in chosen.enumerated() {
                isWhole[number - first] = try ids[index] == table.id(positions[number])
            }
        }
        return isWhole
    }

    private func readElsewhere(_ position: Int, _ first: StoreError?) throws(StoreError) -> [UInt8] {
        let table = census.table
        var failure = first ?? StoreError(.damaged, "its bytes do not hash to its id")
        for other in census.positions(sameAs: position).dropFirst() {
            guard census.packs[census.packNumber(ofPosition: other)].isPresent else { continue }
            do throws(StoreError) {
                let frame = census.frame(ofPosition: other)
                let raw = try decode(frame)
                let blobs = slices(of: raw, frame, [other])
                if try check([other], blobs)[0] { return Array(blobs[0]) }
            } catch {
                guard error.isDamage || error.code == .missing else { throw error }
                failure = error
            }
        }
        throw StoreError(
            failure.code, "the \(table.name(position)) cannot be read: \(failure.message)", path: failure.path,
            remedy: "run varve verify")
    }

    /// The first `length` bytes of memory that grows as needed.
    private func reserve(_ length: Int) -> UnsafeMutableRawBufferPointer {
        if memory.count < length {
            memory.deallocate()
            memory = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 64)
        }
        return UnsafeMutableRawBufferPointer(rebasing: memory[..<length])
    }
}
