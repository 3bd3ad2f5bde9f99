import CSys
import Glibc
import VarveFormat

/// What a restore in place is about to do, or did (docs/RESTORE.md). The same bytes serve as the journal in a stage, as
/// the note in the state directory that a restore is on its way, and as the memory of a finished one.
struct RestoreJournal: Sendable, Equatable {
    /// How far the restore is.
    enum State: UInt8, Sendable {
        /// Nothing but stages was made.
        case staging = 1
        /// Steps may have been made; all are taken back.
        case applying = 2
        /// All steps were made; what is left in the stages goes.
        case committed = 3
    }

    /// A directory beside what is restored.
    struct Stage: Sendable, Equatable {
        /// The directory that it lies in, from the root, and its name there.
        var directory: [[UInt8]]
        var name: [UInt8]
        /// The modification time of that directory before the stage was made, and after the restore.
        var before: Timestamp
        var after: Timestamp

        var components: [[UInt8]] { directory + [name] }
    }

    var state = State.staging
    var repository: RepositoryID
    /// What is restored; of an undo without a safety snapshot, the one that it undoes.
    var snapshot: SnapshotID
    /// Equal for restores that ask for the same.
    var request: FileID
    var safety: SnapshotID?
    var isUndo = false
    /// When the restore began.
    var time: Timestamp
    var stages: [Stage] = []
    var steps: [RestoreStep] = []

    private static let magic = Array("varvejr1".utf8)
    private static let limit = 1 << 30

    // MARK: coding

    func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(Self.magic)
        writer.u8(state.rawValue)
        writer.id(repository)
        writer.id(snapshot)
        writer.id(request)
        writer.u8((isUndo ? 1 : 0) | (safety == nil ? 0 : 2))
        if let safety { writer.id(safety) }
        Self.encode(time, into: &writer)
        writer.varint(UInt64(stages.count))
        for stage in stages {
            RestoreStep.encode(stage.directory, into: &writer)
            writer.byteString(stage.name)
            Self.encode(stage.before, into: &writer)
            Self.encode(stage.after, into: &writer)
        }
        writer.varint(UInt64(steps.count))
        for step in steps { step.encode(into: &writer) }
        writer.id(SHA256Digest.of(writer.bytes))
        return writer.bytes
    }

    init(parsing bytes: [UInt8]) throws(FormatError) {
        guard bytes.count > 40, bytes.starts(with: Self.magic) else {
            throw FormatError(.malformed, "not a journal of a restore")
        }
        var tail = ByteReader(Array(bytes.suffix(32)))
        guard try tail.id(FileID.self) == SHA256Digest.of(Array(bytes.dropLast(32))) else {
            throw FormatError(.malformed, "a damaged journal of a restore")
        }
        var reader = ByteReader(Array(bytes.dropLast(32)))
        _ = try reader.raw(Self.magic.count)
        guard let state = State(rawValue: try reader.u8()) else { throw FormatError(.unsupported, "a journal's state") }
        self.state = state
        repository = try reader.id()
        snapshot = try reader.id()
        request = try reader.id()
        let flags = try reader.u8()
        isUndo = flags & 1 != 0
        safety = flags & 2 != 0 ? try reader.id() : nil
        time = try Self.time(from: &reader)
        for _ in 0..<(try reader.varint(limit: 1 << 20, "the number of stages")) {
            stages.append(
                Stage(
                    directory: try RestoreStep.components(from: &reader),
                    name: try reader.byteString(limit: FormatLimits.name, "the length of a name"),
                    before: try Self.time(from: &reader), after: try Self.time(from: &reader)))
        }
        for _ in 0..<(try reader.varint(limit: Self.limit, "the number of steps")) {
            steps.append(try RestoreStep(from: &reader))
        }
        guard steps.allSatisfy({ $0.kind == .attributes || $0.stage < stages.count }) else {
            throw FormatError(.malformed, "a step of no stage")
        }
        try reader.finish()
    }

    init(
        repository: RepositoryID, snapshot: SnapshotID, request: FileID, isUndo: Bool, time: Timestamp
    ) {
        self.repository = repository
        self.snapshot = snapshot
        self.request = request
        self.isUndo = isUndo
        self.time = time
    }

    private static func encode(_ time: Timestamp, into writer: inout ByteWriter) {
        writer.svarint(time.seconds)
        writer.varint(UInt64(time.nanoseconds))
    }

    private static func time(from reader: inout ByteReader) throws(FormatError) -> Timestamp {
        Timestamp(
            seconds: try reader.svarint(), nanoseconds: UInt32(try reader.varint(limit: 999_999_999, "nanoseconds")))
    }

    // MARK: files

    /// Writes a file of a directory so that it is there whole or not at all, and durable.
    func write(_ name: [UInt8], in directory: OpenDirectory) throws(StoreError) {
        let (descriptor, temporary) = try directory.createTemporary()
        let file = FileHandle(owning: descriptor)
        do throws(StoreError) {
            try encode().withBytes { bytes throws(StoreError) in
                var done = 0
                while done < bytes.count {
                    done += try file.write(UnsafeRawBufferPointer(rebasing: bytes[done...]))
                }
            }
            try file.syncData()
            try directory.rename(temporary, to: name, ifTaken: .replaced)
        } catch {
            try? directory.removeFile(temporary)
            throw error
        }
        try directory.sync()
    }

    /// Reads a file of a directory; nil if there is none.
    ///
    /// - Throws: `damaged` if it is not what was written.
    static func read(_ name: [UInt8], in directory: OpenDirectory) throws(StoreError) -> RestoreJournal? {
        guard let stat = try directory.status(name) else { return nil }
        guard stat.isRegular, stat.size <= UInt64(limit) else {
            throw StoreError(.damaged, "the journal of a restore is no file of a sensible size", path: name)
        }
        let file = FileHandle(owning: try directory.openFile(name))
        var bytes = [UInt8](repeating: 0, count: Int(stat.size))
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                sys_pread(file.descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done, Int64(done))
            }
            guard try Syscalls.check(count, "read", name) > 0 else { break }
            done += count
        }
        do throws(FormatError) {
            return try RestoreJournal(parsing: bytes)
        } catch {
            throw StoreError(.damaged, "the journal of a restore cannot be used: \(error.message)", path: name)
        }
    }
}

extension OpenDirectory {
    /// Makes the names in this directory durable, where the file system can.
    func sync() throws(StoreError) {
        let result = sys_fsync(descriptor)
        if RealFileLayer.isUnsupported(-result) { return }
        try Syscalls.check(result, "sync the directory", nil)
    }

    /// Makes everything in this directory's file system durable.
    func syncFileSystem() throws(StoreError) {
        try Syscalls.check(sys_syncfs(descriptor), "sync the file system", nil)
    }

    /// Sets the modification time of this directory. Only its owner can: others leave it as it is.
    func setModificationTime(_ time: Timestamp) {
        _ = sys_futimens(descriptor, 0, SYS_UTIME_OMIT, time.seconds, Int64(time.nanoseconds))
    }

    /// When a name in this directory was made or removed last.
    func modificationTime() throws(StoreError) -> Timestamp {
        let stat = try FileStat.of(descriptor)
        return Timestamp(seconds: stat.mtimeSeconds, nanoseconds: stat.mtimeNanoseconds)
    }
}
