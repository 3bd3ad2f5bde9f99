/// The sizes between which a chunker class cuts, in bytes (FORMAT.md section 13).
public struct ChunkSizes: Hashable, Sendable {
    /// The smallest chunk but for the last of a file.
    public var minimum: Int
    /// The size around which chunks end; a power of two.
    public var average: Int
    /// The largest chunk.
    public var maximum: Int

    /// Makes a class.
    public init(minimum: Int, average: Int, maximum: Int) {
        self.minimum = minimum
        self.average = average
        self.maximum = maximum
    }

    fileprivate init(_ value: JSONValue) throws(FormatError) {
        let sizes = try JSONConvert.array(value, limit: 3, JSONConvert.count)
        guard sizes.count == 3 else { throw FormatError(.malformed, "not three sizes") }
        self.init(minimum: sizes[0], average: sizes[1], maximum: sizes[2])
        guard minimum >= 64, minimum <= average, average <= maximum, maximum <= FormatLimits.frame else {
            throw FormatError(.overLimit, "the sizes \(sizes) are not in order or out of range")
        }
        guard average.nonzeroBitCount == 1 else {
            throw FormatError(.malformed, "the average \(average) is not a power of two")
        }
    }

    fileprivate var json: JSONValue {
        .array([minimum, average, maximum].map { .integer(Int64($0)) })
    }
}

/// How a repository cuts files and streams into chunks (FORMAT.md section 13).
public struct ChunkerConfig: Hashable, Sendable {
    /// For files below `largeFrom` bytes.
    public var file: ChunkSizes
    /// For files of `largeFrom` bytes and more.
    public var large: ChunkSizes
    /// For standard input and the output of commands.
    public var stream: ChunkSizes
    /// The file size, in bytes, from which `large` applies.
    public var largeFrom: UInt64

    /// Makes a configuration.
    public init(file: ChunkSizes, large: ChunkSizes, stream: ChunkSizes, largeFrom: UInt64) {
        self.file = file
        self.large = large
        self.stream = stream
        self.largeFrom = largeFrom
    }

    /// What a new repository uses.
    public static let standard = ChunkerConfig(
        file: ChunkSizes(minimum: 16_384, average: 65_536, maximum: 262_144),
        large: ChunkSizes(minimum: 262_144, average: 1_048_576, maximum: 4_194_304),
        stream: ChunkSizes(minimum: 4_096, average: 16_384, maximum: 65_536),
        largeFrom: 1_073_741_824)

    fileprivate init(_ value: JSONValue) throws(FormatError) {
        var fields = try JSONFields(value)
        file = try fields.required("file") { value throws(FormatError) in try ChunkSizes(value) }
        large = try fields.required("large") { value throws(FormatError) in try ChunkSizes(value) }
        stream = try fields.required("stream") { value throws(FormatError) in try ChunkSizes(value) }
        largeFrom = UInt64(try fields.required("large_from", JSONConvert.count))
    }

    fileprivate var json: JSONValue {
        .object([
            "file": file.json, "large": large.json, "stream": stream.json,
            "large_from": .integer(Int64(clamping: largeFrom)),
        ])
    }
}

/// The immutable parameters of a repository: the file `config` (FORMAT.md section 4).
public struct RepositoryConfig: Hashable, Sendable {
    /// The number of the format that this module reads and writes.
    public static let formatNumber = 1
    /// The name of the hash that names blobs.
    public static let blobHash = "blake2b-256"
    /// What `list_fanout` may be.
    public static let listFanoutRange = 64...65_536
    /// What `pack_bytes` and `tree_pack_bytes` may be.
    public static let packBytesRange = 1_048_576...134_217_728

    /// The random name of the repository.
    public var repositoryID: RepositoryID
    /// How files are sealed.
    public var suite: Suite
    /// Features fixed at init. Format 1 defines none.
    public var features: [String]
    /// How files are cut.
    public var chunker: ChunkerConfig
    /// Ids in a full list blob.
    public var listFanout: Int
    /// Bytes at which a writer closes a data pack.
    public var packBytes: Int
    /// Bytes at which a writer closes a tree pack.
    public var treePackBytes: Int

    /// Makes a configuration, with the sizes of a new repository unless others are given.
    public init(
        repositoryID: RepositoryID, suite: Suite, features: [String] = [], chunker: ChunkerConfig = .standard,
        listFanout: Int = 256, packBytes: Int = 16_777_216, treePackBytes: Int = 4_194_304
    ) {
        self.repositoryID = repositoryID
        self.suite = suite
        self.features = features
        self.chunker = chunker
        self.listFanout = listFanout
        self.packBytes = packBytes
        self.treePackBytes = treePackBytes
    }

    /// The bytes of the file. They are part of every key, so a repository keeps them as they were written.
    public func encode(sha256: SHA256Function) -> [UInt8] {
        let value = JSONValue.object([
            "blob_hash": .string(Self.blobHash),
            "chunker": chunker.json,
            "features": .array(features.sorted().map { .string($0) }),
            "format": .integer(Int64(Self.formatNumber)),
            "list_fanout": .integer(Int64(listFanout)),
            "magic": .string("varve"),
            "pack_bytes": .integer(Int64(packBytes)),
            "repository_id": .string(repositoryID.hex),
            "sha256": .string(String(decoding: Self.blankDigits, as: UTF8.self)),
            "suite": .integer(Int64(suite.rawValue)),
            "tree_pack_bytes": .integer(Int64(treePackBytes)),
        ])
        let blank = value.canonicalFile()
        return Self.replacing(Self.blankDigits, by: Array(sha256(blank).hex.utf8), in: blank) ?? blank
    }

    /// Reads the file.
    ///
    /// - Throws: `.unsupported` naming the number if `format` is not 1, and for an unknown feature, hash or suite;
    ///   `.checksum` if the bytes are not those that were written; `.overLimit` for a size out of range; `.truncated`
    ///   or `.malformed` if they are no such JSON at all.
    public init(parsing bytes: [UInt8], sha256: SHA256Function) throws(FormatError) {
        guard bytes.count <= FormatLimits.config else {
            throw FormatError(.overLimit, "config has \(bytes.count) bytes, the limit is \(FormatLimits.config)")
        }
        let value = try JSONValue(parsing: bytes)
        var fields = try JSONFields(value)
        // Before the checksum: another format may compute it otherwise, and is not damage.
        if let format = value["format"]?.integerValue, format != Int64(Self.formatNumber) {
            throw FormatError(.unsupported, "the repository has format \(format), this program knows format 1 only")
        }
        try Self.check(value["sha256"]?.stringValue, of: bytes, sha256)
        guard try fields.required("format", JSONConvert.integer) == Self.formatNumber,
            try fields.required("magic", JSONConvert.string) == "varve"
        else { throw FormatError(.malformed, "not the config of a varve repository") }
        let hash = try fields.required("blob_hash", JSONConvert.string)
        guard hash == Self.blobHash else { throw FormatError(.unsupported, "unknown blob hash \(hash)") }
        features = try fields.array("features", JSONConvert.string)
        if let feature = features.first { throw FormatError(.unsupported, "unknown feature \(feature)") }
        repositoryID = try fields.required("repository_id", JSONConvert.id)
        suite = try fields.required("suite") { value throws(FormatError) in
            let number = try JSONConvert.integer(value)
            guard let suite = UInt8(exactly: number).flatMap(Suite.init(rawValue:)) else {
                throw FormatError(.unsupported, "unknown suite \(number)")
            }
            return suite
        }
        chunker = try fields.required("chunker") { value throws(FormatError) in try ChunkerConfig(value) }
        listFanout = try Self.size("list_fanout", Self.listFanoutRange, &fields)
        packBytes = try Self.size("pack_bytes", Self.packBytesRange, &fields)
        treePackBytes = try Self.size("tree_pack_bytes", Self.packBytesRange, &fields)
    }

    private static func size(
        _ key: String, _ range: ClosedRange<Int>, _ fields: inout JSONFields
    ) throws(FormatError) -> Int {
        let size = try fields.required(key, JSONConvert.integer)
        guard range.contains(size) else {
            throw FormatError(.overLimit, "\(key) is \(size), not \(range.lowerBound) to \(range.upperBound)")
        }
        return size
    }

    private static let blankDigits = [UInt8](repeating: UInt8(ascii: "0"), count: 64)

    private static func check(
        _ stated: String?, of bytes: [UInt8], _ sha256: SHA256Function
    ) throws(FormatError) {
        guard let stated, FileID(hex: stated) != nil,
            let blank = replacing(Array(stated.utf8), by: blankDigits, in: bytes),
            sha256(blank).hex == stated
        else { throw FormatError(.checksum, "config does not match its SHA-256") }
    }

    /// `bytes` with the first occurrence of 64 digits replaced; nil if they do not occur.
    private static func replacing(_ digits: [UInt8], by other: [UInt8], in bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count >= digits.count else { return nil }
        for start in 0...(bytes.count - digits.count) where bytes[start..<start + digits.count].elementsEqual(digits) {
            var result = bytes
            result.replaceSubrange(start..<start + digits.count, with: other)
            return result
        }
        return nil
    }
}
