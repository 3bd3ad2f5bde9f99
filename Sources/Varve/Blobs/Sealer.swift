import Crypto

/// Seals and opens the frames of one file with the key of that file.
///
/// Suite 1: AES-256-GCM (NIST SP 800-38D), ciphertext | 16 bytes of tag. The nonce is the frame's number as a 96-bit
/// little-endian integer. It never repeats under one key, as each file has a key of its own, from its random salt.
/// Suite 0 seals nothing: the bytes stay as they are.
package struct Sealer: Sendable {
    /// The place of a sealed run in its file, which is its nonce.
    package enum Number: Sendable {
        /// A frame of a pack, from 0; the only run of a small file is 0.
        case frame(UInt64)
        /// A pack's directory: the nonce is 2^96 - 1.
        case directory
    }

    /// The bytes that sealing adds in suite 1.
    package static let tagLength = 16

    private let key: SymmetricKey?

    /// Makes the sealer of suite 0, which changes nothing.
    package init() { key = nil }

    /// Makes a sealer of suite 1; nil unless the key has 32 bytes.
    package init?(key bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.init(SymmetricKey(data: bytes))
    }

    init(_ key: SymmetricKey) {
        self.key = key
        Allocator.tune()
    }

    /// The bytes that sealing adds: 16, or 0 in suite 0.
    package var overhead: Int { key == nil ? 0 : Self.tagLength }

    /// Seals a run of bytes and appends the result, which is `overhead` bytes longer.
    ///
    /// - Parameter associated: bytes that `open` must be given again.
    /// - Throws: `failed` if the cipher does.
    package func seal(
        _ number: Number, _ plain: UnsafeRawBufferPointer, associated: [UInt8], appendingTo output: inout [UInt8]
    ) throws(StoreError) {
        try withSealed(number, plain, associated: associated) { sealed throws(StoreError) in
            output.append(contentsOf: sealed)
        }
    }

    /// Seals a run of bytes and hands out the result, `overhead` bytes longer, which is valid within `body` only.
    ///
    /// - Parameter associated: bytes that `open` must be given again.
    /// - Throws: `failed` if the cipher does; what `body` throws.
    package func withSealed<Result>(
        _ number: Number, _ plain: UnsafeRawBufferPointer, associated: [UInt8],
        _ body: (UnsafeRawBufferPointer) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        guard let key else { return try body(plain) }
        let failed = StoreError(.failed, "sealing failed")
        let nonce = Self.nonce(number)
        let outcome: Swift.Result<Result, StoreError>
        do {
            let box = try AES.GCM.seal(
                plain, using: key, nonce: try AES.GCM.Nonce(data: nonce), authenticating: associated)
            // nonce | ciphertext | tag: what follows the nonce lies in memory as it is stored.
            guard let combined = box.combined else { throw failed }
            outcome = combined.withUnsafeBytes { combined in
                let sealed = UnsafeRawBufferPointer(rebasing: combined[nonce.count...])
                do throws(StoreError) { return .success(try body(sealed)) } catch { return .failure(error) }
            }
        } catch {
            throw failed
        }
        return try outcome.get()
    }

    /// Opens a sealed run and hands out its bytes, which are valid within `body` only.
    ///
    /// - Throws: `damaged` if the run, its number or the associated bytes are not what was sealed; what `body` throws.
    package func withOpened<Result>(
        _ number: Number, _ sealed: UnsafeRawBufferPointer, associated: [UInt8],
        _ body: (UnsafeRawBufferPointer) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        guard let key else { return try body(sealed) }
        guard sealed.count >= Self.tagLength else { throw Self.damaged }
        let end = sealed.count - Self.tagLength
        let outcome: Swift.Result<Result, StoreError>
        do {
            let box = try AES.GCM.SealedBox(
                nonce: try AES.GCM.Nonce(data: Self.nonce(number)), ciphertext: sealed[..<end], tag: sealed[end...])
            let plain = try AES.GCM.open(box, using: key, authenticating: associated)
            outcome = plain.withUnsafeBytes { plain in
                do throws(StoreError) { return .success(try body(plain)) } catch { return .failure(error) }
            }
        } catch {
            throw Self.damaged
        }
        return try outcome.get()
    }

    /// Opens a sealed run into memory of exactly its plain length, which is `overhead` bytes less.
    ///
    /// - Throws: `damaged` if the lengths do not fit or `withOpened` does. The memory then holds nothing of the run.
    package func open(
        _ number: Number, _ sealed: UnsafeRawBufferPointer, associated: [UInt8],
        into plain: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        try withOpened(number, sealed, associated: associated) { opened throws(StoreError) in
            guard opened.count == plain.count else { throw Self.damaged }
            plain.copyMemory(from: opened)
        }
    }

    /// Opens a sealed run and returns its bytes.
    ///
    /// - Throws: `damaged` as `withOpened` does.
    package func open(
        _ number: Number, _ sealed: UnsafeRawBufferPointer, associated: [UInt8]
    ) throws(StoreError) -> [UInt8] {
        try withOpened(number, sealed, associated: associated) { opened throws(StoreError) in Array(opened) }
    }

    private static let damaged = StoreError(.damaged, "a seal does not fit: the bytes are not those that were written")

    private static func nonce(_ number: Number) -> [UInt8] {
        switch number {
        case .directory: [UInt8](repeating: 0xff, count: 12)
        case .frame(let number):
            (0..<12).map { $0 < 8 ? UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) : 0 }
        }
    }
}
