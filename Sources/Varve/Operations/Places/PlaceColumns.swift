import VarveFormat

/// Ids, types and lengths of blobs by position, as they are gathered: by one thread at a time.
final class PlaceColumns: Sendable {
    static let typeShift: UInt32 = 28

    nonisolated(unsafe) private(set) var ids: BlobIDColumn
    nonisolated(unsafe) private(set) var kinds = GrowingColumn<UInt32>()

    init(_ place: SpillPlace) { ids = BlobIDColumn(place) }

    deinit {
        ids.free()
        kinds.free()
    }

    var count: Int { kinds.count }

    /// Adds blobs: `body` gives each its id and its kind.
    ///
    /// - Throws: `failed` if there is no memory; `refused` if there are more than can be numbered.
    func append(_ added: Int, _ body: (Int) -> (id: BlobID, kind: UInt32)) throws(StoreError) {
        guard count + added < Int(UInt32.max) else {
            throw StoreError(.refused, "the repository has more blobs than one run can count")
        }
        var first = 0
        // None at all get memory too.
        repeat {
            let next = min(first + BlobIDColumn.runLength, added)
            let idMemory = try ids.grow(by: next - first)
            let kindMemory = try kinds.grow(by: next - first)
            for number in first..<next { (idMemory[number - first], kindMemory[number - first]) = body(number) }
            first = next
        } while first < added
    }

    /// Type and length of the blob at a position, as the static function puts them together.
    func kind(_ position: Int) -> UInt32 { kinds.memory?[position] ?? 0 }

    /// Type and length of a blob in one word.
    static func kind(_ type: BlobType, length: Int) -> UInt32 {
        UInt32(type.rawValue) << typeShift | UInt32(truncatingIfNeeded: length)
    }
}
