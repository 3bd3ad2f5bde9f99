/// What a session does (FORMAT.md section 12).
public enum SessionKind: String, Sendable, CaseIterable {
    case writer
    case reader
    case collector
}

/// The file `info` of a session: who runs it, so that others can tell whether it still does (FORMAT.md section 12).
public struct SessionInfo: Hashable, Sendable {
    /// What the session does.
    public var kind: SessionKind
    /// The machine.
    public var host: String
    /// The machine's boot, as the kernel names it.
    public var bootID: String
    /// The process's pid namespace, as the kernel names it.
    public var pidNamespace: String
    /// The process.
    public var pid: Int
    /// When the process began, in clock ticks since boot.
    public var startTime: UInt64
    /// Name and version of the program.
    public var program: String
    /// The snapshots that a reader needs.
    public var snapshots: [SnapshotID]

    /// Makes the description of a session.
    public init(
        kind: SessionKind, host: String, bootID: String, pidNamespace: String, pid: Int, startTime: UInt64,
        program: String, snapshots: [SnapshotID] = []
    ) {
        self.kind = kind
        self.host = host
        self.bootID = bootID
        self.pidNamespace = pidNamespace
        self.pid = pid
        self.startTime = startTime
        self.program = program
        self.snapshots = snapshots
    }

    /// The bytes of the file: canonical JSON.
    public func encode() -> [UInt8] {
        var object = JSONMembers()
        object.set("kind", kind.rawValue)
        object.set("host", host)
        object.set("boot_id", bootID)
        object.set("pid_namespace", pidNamespace)
        object.set("pid", .integer(Int64(pid)))
        object.set("start_time", .integer(Int64(clamping: startTime)))
        object.set("program", program)
        object.set("snapshots", .array(snapshots.map { .string($0.hex) }))
        return JSONValue.object(object.members).canonicalFile()
    }

    /// Reads the file.
    ///
    /// - Throws: `.unsupported` for an unknown kind, else `.truncated` or `.malformed`.
    public init(parsing bytes: [UInt8]) throws(FormatError) {
        var fields = try JSONFields(try JSONValue(parsing: bytes))
        self.init(
            kind: try fields.required("kind", JSONConvert.word), host: try fields.required("host", JSONConvert.string),
            bootID: try fields.required("boot_id", JSONConvert.string),
            pidNamespace: try fields.required("pid_namespace", JSONConvert.string),
            pid: try fields.required("pid", JSONConvert.count),
            startTime: UInt64(try fields.required("start_time", JSONConvert.count)),
            program: try fields.required("program", JSONConvert.string),
            snapshots: try fields.array("snapshots", JSONConvert.id))
    }
}

/// The file `beat` of a session: a counter that shows that it lives (FORMAT.md section 12).
public enum SessionBeat {
    /// The bytes of the file.
    public static func encode(_ counter: UInt64) -> [UInt8] { Array("\(counter)\n".utf8) }

    /// Reads the file.
    ///
    /// - Throws: `.malformed` for anything but a decimal number and a line feed.
    public static func parse(_ bytes: [UInt8]) throws(FormatError) -> UInt64 {
        guard let counter = UInt64(String(decoding: bytes.dropLast(), as: UTF8.self)), encode(counter) == bytes else {
            throw FormatError(.malformed, "not a counter and a line feed")
        }
        return counter
    }
}

/// The file `seen` of a writer's session: the names in `condemned/` when it began (FORMAT.md section 12).
public enum SessionSeen {
    /// The bytes of the file: the names sorted, one a line.
    public static func encode(_ names: [String]) -> [UInt8] {
        StrictOrder.sorted(names).flatMap { Array($0.utf8) + [UInt8(ascii: "\n")] }
    }

    /// Reads the file.
    ///
    /// - Throws: `.truncated` if the last line has no line feed, `.malformed` for an empty line or one that is not
    ///   UTF-8.
    public static func parse(_ bytes: [UInt8]) throws(FormatError) -> [String] { try TextLines.parse(bytes) }
}

/// Text whose every line ends in a line feed.
enum TextLines {
    static func parse(_ bytes: [UInt8]) throws(FormatError) -> [String] {
        guard let last = bytes.last else { return [] }
        guard last == UInt8(ascii: "\n") else { throw FormatError(.truncated, "the last line has no line feed") }
        var lines: [String] = []
        for line in bytes.dropLast().split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            guard !line.isEmpty, let text = String(validating: line, as: UTF8.self) else {
                throw FormatError(.malformed, "a line is empty or not UTF-8")
            }
            lines.append(text)
        }
        return lines
    }
}
