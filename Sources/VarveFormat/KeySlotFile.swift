/// A file of `keys/`: the slot's record twice, each with its SHA-256, and a copy of config (FORMAT.md section 5).
public struct KeySlotFile: Hashable, Sendable {
    /// The slot.
    public var record: KeySlotRecord
    /// The bytes of `config`.
    public var configBytes: [UInt8]

    /// Makes a file.
    public init(record: KeySlotRecord, configBytes: [UInt8]) {
        self.record = record
        self.configBytes = configBytes
    }

    /// The bytes of the file.
    public func encode(sha256: SHA256Function) -> [UInt8] {
        let bytes = record.encode()
        var writer = ByteWriter()
        for _ in 0..<2 {
            writer.raw(bytes)
            writer.id(sha256(bytes))
        }
        writer.u32(UInt32(configBytes.count))
        writer.raw(configBytes)
        return writer.bytes
    }

    /// What could be read of a file, each copy judged by itself.
    public struct Parsed: Hashable, Sendable {
        /// The slot, from the first record that is whole and understood.
        public var slot: KeySlotRecord?
        /// The copy of config, if it matches its own sum (or has another format than 1, which has other sums).
        public var configBytes: [UInt8]?
        /// What did not match, one line each; empty if the file is whole.
        public var damage: [String] = []
        /// Why a record that is whole is of no use: a kind or version that this program does not know.
        public var refusal: FormatError?
    }

    /// Reads a file. It never fails: what is damaged is missing in the result and named in `damage`.
    public static func parse(_ bytes: [UInt8], sha256: SHA256Function) -> Parsed {
        var result = Parsed()
        guard bytes.count <= FormatLimits.keySlot else {
            result.damage.append("key slot of \(bytes.count) bytes, the limit is \(FormatLimits.keySlot)")
            return result
        }
        var reader = ByteReader(bytes)
        do {
            try readRecords(&reader, &result, sha256)
            try readConfig(&reader, &result, sha256)
        } catch {
            result.damage.append("key slot cut short: \(error.message)")
        }
        return result
    }

    private static func readRecords(
        _ reader: inout ByteReader, _ result: inout Parsed, _ sha256: SHA256Function
    ) throws(FormatError) {
        var whole: [[UInt8]] = []
        for copy in ["first", "second"] {
            let record = try reader.raw(KeySlotRecord.byteCount)
            guard try reader.id(FileID.self) == sha256(record) else {
                result.damage.append("\(copy) record does not match its SHA-256")
                continue
            }
            whole.append(record)
            guard result.slot == nil else { continue }
            do {
                result.slot = try KeySlotRecord(parsing: record)
            } catch {
                result.refusal = error
            }
        }
        if whole.count == 2 && whole[0] != whole[1] { result.damage.append("the two records differ") }
    }

    private static func readConfig(
        _ reader: inout ByteReader, _ result: inout Parsed, _ sha256: SHA256Function
    ) throws(FormatError) {
        let count = try reader.u32()
        guard count <= FormatLimits.config, Int(count) == reader.remaining else {
            result.damage.append("copy of config has \(reader.remaining) bytes, not \(count)")
            return
        }
        let config = try reader.raw(Int(count))
        do {
            _ = try RepositoryConfig(parsing: config, sha256: sha256)
        } catch where error.code != .unsupported {
            result.damage.append("copy of config: \(error.message)")
            return
        } catch {
            // Written by another version and whole as far as this one can tell.
        }
        result.configBytes = config
    }
}
