import Glibc

/// Memory of a column of plain values that grows at its end: by `realloc`, which moves large blocks without copying.
struct GrowingColumn<Element> {
    private(set) var memory: UnsafeMutablePointer<Element>?
    private(set) var count = 0
    private var capacity = 0

    /// Makes room for more elements, whose content is undefined, and returns the first.
    ///
    /// - Throws: `failed` if there is no memory.
    mutating func grow(by added: Int) throws(StoreError) -> UnsafeMutablePointer<Element> {
        if count + added > capacity || memory == nil {
            let wanted = max(count + added, capacity + capacity / 4, 1_024)
            guard let grown = realloc(memory, wanted * MemoryLayout<Element>.stride) else {
                throw StoreError(.failed, "no memory for the places of \(wanted) blobs")
            }
            memory = grown.assumingMemoryBound(to: Element.self)
            capacity = wanted
        }
        guard let memory else { throw StoreError(.failed, "no memory") }
        defer { count += added }
        return memory + count
    }

    /// Empties the column and gives its memory back.
    mutating func free() {
        Glibc.free(memory)
        self = GrowingColumn()
    }
}
