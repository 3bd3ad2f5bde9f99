extension [UInt8] {
    /// Hands out the bytes, valid within `body` only; unlike `withUnsafeBytes` it keeps the type of what `body` throws.
    package func withBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try withUnsafeBufferPointer { (bytes) throws(StoreError) in try body(UnsafeRawBufferPointer(bytes)) }
    }

    /// Makes an array of `count` bytes that `body` fills.
    package static func filled(
        count: Int, _ body: (UnsafeMutableRawBufferPointer) throws(StoreError) -> Void
    ) throws(StoreError) -> [UInt8] {
        var failure: StoreError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { memory, initialized in
            do throws(StoreError) {
                try body(UnsafeMutableRawBufferPointer(start: memory.baseAddress, count: count))
                initialized = count
            } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }
}
