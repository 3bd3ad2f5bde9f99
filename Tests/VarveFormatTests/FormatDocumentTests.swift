import Testing
import VarveFormat

/// FORMAT.md as its tables and blocks.
private struct Document {
    struct Table {
        let columns: [String]
        let rows: [[String]]
    }

    let text: String
    let tables: [Table]

    init() throws {
        text = String(decoding: try packageFile("FORMAT.md"), as: UTF8.self)
        var tables: [Table] = []
        var open: [[String]] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("|") {
                open.append(line.dropFirst().dropLast().split(separator: "|").map { Self.trimmed($0) })
            } else if let columns = open.first {
                tables.append(Table(columns: columns, rows: Array(open.dropFirst(2))))
                open = []
            }
        }
        self.tables = tables
    }

    /// The only table whose first columns are these.
    func table(_ columns: String...) throws -> [[String]] {
        let found = tables.filter { $0.columns.starts(with: columns) }
        #expect(found.count == 1, "tables of \(columns)")
        return try #require(found.first).rows
    }

    /// The table of offsets whose row 0 says that `first` stands there.
    func layout(first: String) throws -> [[String]] {
        let found = tables.filter { $0.columns[0].hasSuffix("offset") && $0.rows.first?[2] == first }
        #expect(found.count == 1, "layouts that begin with \(first)")
        return try #require(found.first).rows
    }

    /// The bytes of the worked example that shows a vector.
    func example(_ vector: String) throws -> [UInt8] {
        let start = try #require(text.components(separatedBy: "Vector `\(vector)`:\n\n```text\n").dropFirst().first)
        let block = try #require(start.components(separatedBy: "```").first)
        let digits = block.split(separator: "\n").compactMap { $0.split(separator: " ").first }.joined()
        return try #require(hexBytes(digits))
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

extension String {
    fileprivate func components(separatedBy mark: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let place = rest.indices.first(where: { rest[$0...].hasPrefix(mark) }) {
            parts.append(String(rest[..<place]))
            rest = rest[rest.index(place, offsetBy: mark.count)...]
        }
        return parts + [String(rest)]
    }

    /// Without what tells words of the document from names in the code.
    fileprivate var plain: String { lowercased().filter { !" -`*".contains($0) } }

    /// The first number, written with commas between thousands.
    fileprivate var number: Int? { Int(filter { $0 != "," }.prefix { $0.isNumber }) }

    /// The words between backticks.
    fileprivate var quoted: [String] {
        split(separator: "`", omittingEmptySubsequences: false).enumerated().compactMap {
            $0.offset % 2 == 1 ? String($0.element) : nil
        }
    }
}

/// The names and numbers of an enumeration, as the document writes them.
private func numbers<Case: CaseIterable & RawRepresentable>(_ type: Case.Type) -> [String: Int]
where Case.RawValue: BinaryInteger {
    Dictionary(uniqueKeysWithValues: type.allCases.map { ("\($0)".plain, Int($0.rawValue)) })
}

/// Checks that the fields follow one another without gaps up to `end`, and that those whose names are given hold these
/// bytes in `encoded`.
private func checkLayout(_ rows: [[String]], end: Int, encoded: [UInt8], _ fields: [String: [UInt8]]) throws {
    var next = 0
    var found: Set<String> = []
    for row in rows {
        let offset = try #require(row[0].number)
        let size = try #require(row[1].number)
        #expect(offset == next, "\(row[2])")
        next = offset + size
        try #require(next <= encoded.count)
        let stored = Array(encoded[offset..<next])
        if row[2] == "zero" { #expect(stored.allSatisfy { $0 == 0 }) }
        for (name, bytes) in fields where row[2].hasPrefix(name) {
            #expect(stored == bytes, "\(row[2])")
            found.insert(name)
        }
    }
    #expect(next == end)
    #expect(found == Set(fields.keys))
}

private func little(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

@Suite struct FormatDocumentTests {
    private let document: Document

    init() throws { document = try Document() }

    @Test("The numbers of suites, blob types, file kinds, codecs, slot kinds and entry types are the document's")
    func enumerations() throws {
        let checks: [([[String]], [String: Int])] = [
            (try document.table("suite", "number"), ["none": 0, "aes256gcm": 1]),
            (try document.table("blob type", "number"), numbers(BlobType.self)),
            (try document.table("file kind", "number"), numbers(FileKind.self)),
            (try document.table("codec", "number"), numbers(FrameCodec.self)),
            (try document.table("slot kind", "number"), numbers(KeySlotKind.self)),
            (try document.table("entry type", "number"), numbers(EntryType.self)),
        ]
        #expect(numbers(Suite.self) == checks[0].1)
        for (rows, expected) in checks {
            let known = rows.filter { !($0.last?.hasPrefix("reserved") ?? false) }
            let pairs = try known.map { ($0[0].plain, try #require($0[1].number)) }
            #expect(Dictionary(uniqueKeysWithValues: pairs) == expected)
        }
    }

    @Test("The magics of file headers are the document's")
    func magics() throws {
        for row in try document.table("file kind", "number", "magic") {
            let number = try #require(row[1].number)
            let kind = try #require(FileKind(rawValue: UInt8(number)))
            #expect([FileMagic(kind).rawValue] == row[2].quoted)
        }
    }

    @Test("The bits of read features are the document's")
    func features() throws {
        let rows = try document.table("read feature", "bit")
        #expect(rows.map { $0[0] } == ["deltas"])
        #expect(try rows.map { ReadFeatures(rawValue: 1 << UInt64(try #require($0[1].number))) } == [.deltas])
    }

    @Test("The bits of entry flags and inode flags are the document's")
    func flags() throws {
        let flags: [String: EntryFlags] = [
            "implied": .implied, "sparse": .sparse, "hard link": .hardLink, "xattrs": .xattrs,
            "inode flags": .inodeFlags,
        ]
        let rows = try document.table("entry flag", "bit")
        #expect(rows.count == flags.count)
        for row in rows { #expect(flags[row[0]]?.rawValue == 1 << UInt8(try #require(row[1].number))) }
        let inodeFlags: [String: InodeFlags] = [
            "immutable": .immutable, "append": .append, "nodump": .noDump, "noatime": .noAccessTime,
            "nocow": .noCopyOnWrite,
        ]
        let inodeRows = try document.table("inode flag", "bit")
        #expect(inodeRows.count == inodeFlags.count)
        for row in inodeRows { #expect(inodeFlags[row[0]]?.rawValue == 1 << UInt32(try #require(row[1].number))) }
    }

    @Test("Every limit is the document's")
    func limits() throws {
        let limits = [
            "config": FormatLimits.config, "key slot": FormatLimits.keySlot,
            "manifest or record, raw": FormatLimits.manifest, "index file, raw": FormatLimits.indexFile,
            "pack": FormatLimits.pack, "frames in a pack": FormatLimits.packFrameCount,
            "blobs in a pack": FormatLimits.packBlobCount, "frame, raw": FormatLimits.frame,
            "frame, stored": PackLayout.storedFrameLimit, "directory, raw": PackLayout.directoryLimit,
            "zstd window": FormatLimits.zstdWindow, "name": FormatLimits.name,
            "symlink target": FormatLimits.symlinkTarget, "xattr name": FormatLimits.xattrName,
            "xattr value": FormatLimits.xattrValue, "entries in a tree": FormatLimits.treeEntryCount,
            "ids in an entry or list": RepositoryConfig.listFanoutRange.upperBound,
            "depth of JSON": JSONValue.depthLimit, "list levels": FormatLimits.listLevels,
            "depth of directories": FormatLimits.directoryDepth,
            "tips": FormatLimits.tipCount,
        ]
        // The allowance for sealing and compressing a file belongs to the floor above.
        let rows = try document.table("limit", "value").filter { $0[0] != "sealed file beyond its raw limit" }
        let stated = try rows.map { ($0[0], try #require($0[1].number)) }
        #expect(Dictionary(uniqueKeysWithValues: stated) == limits)
    }

    @Test("The numbers inside sentences are the code's")
    func sentences() {
        func grouped(_ value: Int) -> String {
            guard value >= 1_000 else { return "\(value)" }
            return grouped(value / 1_000) + "," + String(value % 1_000 + 1_000).dropFirst()
        }
        let packs = RepositoryConfig.packBytesRange
        let fanout = RepositoryConfig.listFanoutRange
        let sentences = [
            "A directory whose tree would exceed \(grouped(FormatLimits.treeCutThreshold)) bytes is cut",
            "exceed \(grouped(FormatLimits.treePieceEntryCount)) entries or\n\(grouped(FormatLimits.treePiece)) bytes",
            "closes a data pack, \(grouped(packs.lowerBound)) to \(grouped(packs.upperBound))",
            "full list blob, \(grouped(fanout.lowerBound)) to \(grouped(fanout.upperBound))",
            "log2 N below \(ScryptLimits.logN.lowerBound) or above \(ScryptLimits.logN.upperBound), "
                + "r or p of 0, r above \(ScryptLimits.r.upperBound), p above \(ScryptLimits.p.upperBound)",
            "128 * r * N above \(ScryptLimits.memory >> 30) GiB",
            "at most \(grouped(Manifest.errorLimit)) objects",
            "Frames follow one another from offset \(PackLayout.firstFrameOffset)",
            "The trailer is the last \(PackTrailer.byteCount) bytes",
            "**file header** of \(FileHeader.byteCount) bytes",
            "The record has \(KeySlotRecord.byteCount) bytes",
            "bytes 0..\(KeySlotRecord.associatedByteCount) of the record as associated data",
        ]
        for sentence in sentences { #expect(document.text.contains(sentence), "\(sentence)") }
    }

    @Test("The chunker classes are the document's")
    func chunker() throws {
        let standard = ChunkerConfig.standard
        let classes = ["file": standard.file, "large": standard.large, "stream": standard.stream]
        for row in try document.table("class", "minimum", "average", "maximum") {
            let sizes = ChunkSizes(
                minimum: try #require(row[1].number), average: try #require(row[2].number),
                maximum: try #require(row[3].number))
            #expect(classes[row[0]] == sizes)
        }
        #expect(document.text.contains("`large_from` (1,073,741,824)") && standard.largeFrom == 1_073_741_824)
    }
}

extension FormatDocumentTests {
    @Test("The fields of a key slot lie where the document puts them")
    func keySlot() throws {
        let slot = samplePasswordSlot
        try checkLayout(
            document.layout(first: "`varvslot`"), end: 256, encoded: slot.encode(),
            [
                "`varvslot`": Array("varvslot".utf8), "version, 1": [1, 0], "slot kind": [1], "suite": [1],
                "repository id": sampleRepository.bytes, "scrypt log2 N": [16], "scrypt r": [8], "scrypt p": [2],
                "scrypt salt": slot.scryptSalt, "time made": little(slot.timeMade), "nonce": slot.nonce,
                "label": Array("laptop".utf8) + [UInt8](repeating: 0, count: 58), "M sealed": slot.sealed,
            ])
    }

    @Test("The fields of headers, trailers and segments lie where the document puts them")
    func files() throws {
        let header = FileHeader(
            kind: .treePack, suite: .aes256GCM, features: .deltas, repositoryID: sampleRepository,
            salt: Array(100..<132),
            commitment: Array(132..<164))
        let bytes = header.encode(magic: .pack, sha256: sha256)
        let sum = Array(sha256(Array(bytes[..<112])).bytes[..<16])
        try checkLayout(
            document.layout(first: "magic"), end: FileHeader.byteCount, encoded: bytes,
            [
                "magic": Array("varvpack".utf8), "version, 1": [1, 0], "file kind": [2], "suite": [1],
                "secret type": [0], "read features": little(UInt64(1)), "repository id": sampleRepository.bytes,
                "salt": header.salt, "key commitment": header.commitment, "first 16 bytes of SHA-256": sum,
            ])
        let trailer = PackTrailer(
            header: header, framesEnd: 636, directoryRawLength: 100, directoryStoredLength: 116,
            directorySHA256: FileID(1, 2, 3, 4))
        let tail = trailer.encode(sha256: sha256)
        try checkLayout(
            document.layout(first: "the file header, with magic `varvtail` and its own checksum"),
            end: PackTrailer.byteCount, encoded: tail,
            [
                "the file header": header.encode(magic: .packTrailer, sha256: sha256),
                "offset of the directory": little(UInt64(644)), "stored length": little(UInt32(116)),
                "raw length": little(UInt32(100)), "length of the pack": little(UInt64(984)),
                "SHA-256 of the directory": FileID(1, 2, 3, 4).bytes,
                "SHA-256 of bytes 0..184": sha256(Array(tail[..<184])).bytes,
            ])
        let segment = try SegmentBuilder.build(repository: sampleRepository, packs: [])
        try checkLayout(
            document.layout(first: "`varvseg1`"), end: 64, encoded: segment,
            [
                "`varvseg1`": Array("varvseg1".utf8), "pack count": little(UInt32(0)),
                "frame count": little(UInt32(0)), "blob count": little(UInt64(0)), "filter bytes": little(UInt64(64)),
                "repository id": sampleRepository.bytes, "length of the segment": little(UInt64(128)),
                "delta frame count": little(UInt32(0)),
            ])
    }

    @Test("The parts of a segment have the document's sizes")
    func segmentParts() throws {
        func length(_ packs: Int, _ frames: Int, _ blobs: Int, bases: Int = 0) throws -> Int {
            try SegmentLayout(
                repositoryID: sampleRepository, packCount: packs, frameCount: frames, baseCount: bases, blobCount: blobs
            ).length
        }
        let empty = try length(0, 0, 0)
        let sizes = [
            "header": empty - 64, "packs": try length(1, 0, 0) - empty, "frames": try length(0, 1, 0) - empty,
            "blobs": try length(0, 0, 1) - empty, "bases": try length(0, 1, 0, bases: 1) - length(0, 1, 0),
        ]
        for row in try document.table("part", "size") where row[0] != "filter" {
            #expect(row[1].number == sizes[row[0]])
        }
    }

    @Test("The keys of config, manifests and records are the document's")
    func keys() throws {
        let config = RepositoryConfig(repositoryID: sampleRepository, suite: .none).encode(sha256: sha256)
        let tables = document.tables.filter { $0.columns == ["key", "value"] }
        try #require(tables.count == 2)
        let configKeys = Set(tables[0].rows.flatMap(\.[0].quoted))
        #expect(try Self.keys(JSONValue(parsing: config)) == configKeys)
        var manifest = Manifest(
            repositoryID: sampleRepository, host: "", program: "", kind: .full, origin: .user, state: .complete,
            time: Timestamp(seconds: 0), paths: [], treeRoot: sampleID(1), tips: [], sequence: 1)
        let required = Set(tables[1].rows.filter { $0[0].hasSuffix("*") }.flatMap(\.[0].quoted))
        #expect(Self.keys(manifest.json()) == required)
        // What the parser takes is no longer among the unknown keys.
        let known = Set(tables[1].rows.flatMap(\.[0].quoted))
        for key in known.subtracting(required) { manifest.extra[key] = .null }
        manifest.extra["unknown"] = .null
        #expect(try Manifest(parsing: manifest.encode(), repositoryID: sampleRepository).extra == ["unknown": .null])
        for key in ["bytes", "counts"] {
            let row = try #require(tables[1].rows.first { $0[0].quoted == [key] })
            #expect(Set(row[1].quoted) == Self.keys(manifest.json()[key]))
        }
    }

    private static func keys(_ object: JSONValue?) -> Set<String> { Set((object?.objectValue ?? [:]).keys) }

    @Test("The kinds of records, their details and the names and lines of condemned records are the document's")
    func statements() throws {
        let rows = try document.table("record kind", "details", "meaning").filter { $0[1] != "reserved" }
        #expect(rows.map { $0[0].quoted } == RecordKind.allCases.map { [$0.rawValue] })
        for row in rows {
            let kind = try #require(RecordKind(rawValue: row[0].quoted[0]))
            for statement in Self.samples where statement.kind == kind {
                #expect(Self.keys(statement.details).isSubset(of: row[1].quoted))
                #expect(try Statement(kind: kind, details: statement.details) == statement)
            }
        }
        var names = CondemnedName.State.allCases.map { CondemnedName(CollectionID(1, 2), $0).text }
        names += [CondemnedName.State.final, .leaving].map { state in
            CondemnedName(CollectionID(1, 2), state, taker: SessionID(3, 4)).text
        }
        let documented = try document.table("name in condemned", "meaning").flatMap { row in
            row[0].quoted.map { name in
                name.components(separatedBy: "<id>").joined(separator: CollectionID(1, 2).hex)
                    .components(separatedBy: "<session>").joined(separator: SessionID(3, 4).hex)
            }
        }
        #expect(documented.sorted() == names.sorted())
        let lines = try document.table("line", "content").map { $0[1].quoted }
        var record = CondemnedRecord(
            time: Timestamp(seconds: 0), reason: .unreferenced, packs: [FileID(1, 2, 3, 4)],
            snapshots: [FileID(5, 6, 7, 8)])
        let written = String(decoding: record.encode(), as: UTF8.self).split(separator: "\n")
        try #require(lines.count == written.count)
        for (line, words) in zip(written, lines) { #expect(line.hasPrefix(words[0])) }
        #expect(lines[2].dropFirst() == CondemnedReason.allCases.map(\.rawValue)[...])
        record.snapshots = []
        #expect(record.encode().count == written.dropLast().reduce(0) { $0 + $1.utf8.count + 1 })
    }

    private static let samples: [Statement] = [
        .verified(level: "data", result: "ok"),
        .drilled(DrillResult(outcome: .ok, files: 1, bytes: 2, part: "1/2", check: .ok, databases: .ok)),
        .tombstone(reason: "delete"), .undelete, .tag(.set(["a"])),
        .tag(.change(add: ["a"], remove: ["b"])), .pin(true), .hold(until: Timestamp(seconds: 1)), .hold(until: nil),
        .accepted,
    ]

    @Test("The worked examples are the vectors, and the tree is what the code writes")
    func examples() throws {
        for name in ["tree-file-and-symlink", "list-of-three-blobs", "slot-password", "directory-of-two-frames"] {
            let vector = String(
                decoding: try packageFile("Tests/VarveFormatTests/Vectors/\(name).txt"), as: UTF8.self)
            let digits = vector.split(separator: "\n").filter { !$0.contains(":") }.joined()
            #expect(try document.example(name) == hexBytes(digits))
        }
        var attributes = Attributes(
            mode: 0o644, owner: Array("root".utf8), group: Array("root".utf8), mtimeSeconds: 1_750_682_096,
            mtimeNanoseconds: 123_456_789)
        let file = TreeEntry(
            name: Array("a.txt".utf8), type: .file, attributes: attributes,
            content: .file(size: 5, blobs: .blobs([sampleID(0xaa)])))
        attributes.mode = 0o777
        let link = TreeEntry(
            name: Array("link".utf8), type: .symlink, attributes: attributes,
            content: .symlink(target: Array("a.txt".utf8)))
        #expect(try document.example("tree-file-and-symlink") == TreeCoding.encode(entries: [file, link]))
        #expect(try document.example("slot-password") == samplePasswordSlot.encode())
        let list = BlobListNode(level: 0, ids: [sampleID(1), sampleID(2), sampleID(2)])
        #expect(try document.example("list-of-three-blobs") == list.encode())
    }
}
