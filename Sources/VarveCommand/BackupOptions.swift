import ArgumentParser
import Glibc
import Varve
import VarveApp
import VarveFormat

/// What a backup takes besides the paths of the command line.
struct SourceOptions: ParsableArguments {
    @Flag(help: "Read every byte (the default).") var full = false
    @Flag(help: "Trust what did not change.") var quick = false
    @Option(help: ArgumentHelp("Take paths from a file, one a line; - is standard input.", valueName: "file"))
    var filesFrom: [String] = []
    @Option(name: .customLong("files-from0"), help: ArgumentHelp("The same, with NUL between them.", valueName: "file"))
    var filesFrom0: [String] = []
    @Option(help: ArgumentHelp("A SQLite database, in one state and checked; may be repeated.", valueName: "file"))
    var sqlite: [String] = []
    @Option(help: ArgumentHelp(
        "A PostgreSQL database, by its name or URI; may be repeated.", valueName: "database"))
    var postgres: [String] = []
    @Flag(help: "Copy SQLite databases found in directories byte by byte, even while they are written.")
    var noSqlite = false

    private static let listLimit = 256 << 20

    /// Full unless an option, the environment, the job or the configuration says quick.
    func kind(_ environment: Environment, job: Configuration.Job?) throws(StoreError) -> SnapshotKind {
        if full, quick { throw StoreError(.usage, "--full and --quick were both given", remedy: "give one") }
        if full { return .full }
        if quick { return .quick }
        if environment[.kind] == nil || environment.isConfigured(.kind),
            let kind = job?.values["kind"].flatMap({ SnapshotKind(rawValue: $0) }) {
            return kind
        }
        return try environment.value(.kind, "full or quick") { SnapshotKind(rawValue: $0) } ?? .full
    }

    /// Every path to save, absolute.
    ///
    /// - Parameter usesInput: standard input is a source itself.
    func paths(
        _ arguments: [String], usesInput: Bool, _ context: Context
    ) throws(StoreError) -> [[UInt8]] {
        var paths = arguments.map(ArgumentBytes.bytes)
        let readers = (filesFrom + filesFrom0).filter { $0 == "-" }.count + (usesInput ? 1 : 0)
        guard readers <= 1 else { throw StoreError(.usage, "standard input can only be used once") }
        for (files, zeroSeparated) in [(filesFrom, false), (filesFrom0, true)] {
            for file in files {
                let bytes = try DescriptorReader.readFile(ArgumentBytes.bytes(file), limit: Self.listLimit)
                paths += SourcePaths.list(bytes, zeroSeparated: zeroSeparated)
            }
        }
        let directory = try context.workingDirectory()
        var absolute: [[UInt8]] = []
        for path in paths { absolute.append(try SourcePaths.absolute(path, from: directory)) }
        return SourcePaths.unique(absolute)
    }

    /// Every database to save, absolute.
    func databases(_ context: Context) throws(StoreError) -> [[UInt8]] {
        let directory = try context.workingDirectory()
        var absolute: [[UInt8]] = []
        for path in sqlite { absolute.append(try SourcePaths.absolute(ArgumentBytes.bytes(path), from: directory)) }
        return SourcePaths.unique(absolute)
    }

    /// Adds databases of the command line to a capture.
    func add(_ databases: [[UInt8]], to options: inout Archiver.Options) {
        guard !databases.isEmpty else { return }
        if options.paths.isEmpty, options.streams.isEmpty { options.type = "database" }
        options.paths = SourcePaths.unique(options.paths + databases)
        options.components += SQLiteSource.components(databases)
    }

    /// Adds PostgreSQL databases of the command line to a capture.
    func addPostgres(to options: inout Archiver.Options, _ running: RunningCommands) throws(StoreError) {
        guard !postgres.isEmpty else { return }
        if options.paths.isEmpty, options.streams.isEmpty { options.type = "database" }
        var names: Set<String> = []
        for text in postgres {
            let server = PostgresServer(try PostgresAddress(text))
            let name = PostgresDump.componentName(server.address.database, taken: names)
            names.insert(name)
            let streams = PostgresDump(PostgresDump.Plan(name: name, server: server), running).streams
            options.streams += streams
            options.components.append(PostgresDump.component(name, streams))
        }
    }

    /// Lets databases be captured in one state, and looks whether those that were asked for can be had.
    ///
    /// - Parameter patience: milliseconds to wait for a lock; nil for the standard. `--wait` is stronger.
    func connect(
        _ databases: [[UInt8]], patience: Int32?, _ repository: Repository, _ context: Context,
        into options: inout Archiver.Options
    ) throws(StoreError) {
        guard !noSqlite || !databases.isEmpty else { return }
        let asked = Int32(clamping: context.settings.wait.multipliedReportingOverflow(by: 1_000).partialValue)
        var staging: StagingPlace?
        if !databases.isEmpty, !options.isDryRun {
            let places = [repository.cacheDirectory, context.environment[.temporaryDirectory], "/var/tmp"]
            staging = places.lazy.compactMap { place in
                place.flatMap { try? StagingPlace(in: try context.absolute($0)) }
            }.first
            if let staging { options.ownDirectories.append(staging.path) }
        }
        let source = SQLiteSource(
            required: databases, patience: asked > 0 ? asked : patience ?? SQLiteSource.defaultPatience,
            staging: staging)
        try source.check()
        options.contentProvider = source
    }
}

/// What a snapshot says about itself.
struct RecordOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A name, unique in the repository.", valueName: "name")) var name: String?
    @Option(help: ArgumentHelp("Words about it.", valueName: "text")) var description: String?
    @Option(help: ArgumentHelp("A tag; may be repeated.", valueName: "tag")) var tag: [String] = []
    @Flag(help: "Pin it: no policy drops it, and it is not deleted before unpin.") var pin = false
    @Option(help: ArgumentHelp("The host (default: this one).", valueName: "name")) var host: String?
    @Option(help: ArgumentHelp("The time, instead of now.", valueName: "time")) var time: String?
    @Option(help: ArgumentHelp("The version of the application.", valueName: "text")) var appVersion: String?

    func apply(to options: inout Archiver.Options, _ context: Context) throws(StoreError) {
        if let name {
            if let problem = SnapshotReference.nameProblem(name) {
                throw StoreError(.usage, "--name: \(problem)", remedy: "choose another name")
            }
            options.name = name
        }
        options.description = description
        guard tag.allSatisfy(SnapshotEditor.isTag) else {
            throw StoreError(.usage, "--tag: a tag cannot be empty or hold a comma or control characters")
        }
        options.tags = sorted(tag)
        options.host = hostName(context)
        options.user = context.environment[.user] ?? "uid \(getuid())"
        options.appVersion = appVersion
        if let time {
            options.time = try OptionValue.named("--time") { () throws(StoreError) in try DateText(time).start }
        }
        for text in [name, description, appVersion, host].compactMap({ $0 }) + tag
        where text.unicodeScalars.contains(where: { $0.value >= 0x10_FF80 }) {
            throw StoreError(.usage, "the words about a snapshot must be UTF-8", path: ArgumentBytes.bytes(text))
        }
    }

    /// Tags as a manifest holds them.
    func sorted(_ tags: [String]) -> [String] {
        Set(tags).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The host to record.
    func hostName(_ context: Context) -> String { host ?? context.environment[.host] ?? Self.hostName() }

    /// What this machine calls itself.
    static func hostName() -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            buffer.initialize(repeating: 0)
            guard let base = buffer.baseAddress, gethostname(base, 255) == 0 else { return "localhost" }
            return String(cString: base)
        }
    }
}

/// How a capture is made.
struct MethodOptions: ParsableArguments {
    @Option(help: ArgumentHelp("zstd level 1 to 19, or off.", valueName: "level")) var compression: String?
    @Flag(help: "Make no snapshot if nothing changed.") var skipIfUnchanged = false
    @Flag(help: "Make a snapshot even of nothing.") var allowEmpty = false
    @Flag(help: "Read the new snapshot back afterwards.") var verify = false
    @Option(help: ArgumentHelp("Save what is done so far this often (default: 5m).", valueName: "duration"))
    var checkpointInterval: String?
    @Option(help: ArgumentHelp("Read at most so much a second, as in 20M.", valueName: "size"))
    var limitRead: String?
    @Flag(help: "Quick without a cache: trust size and mtime alone.") var trustMtime = false
    @Flag(help: "Do not decode what was encoded to check it.") var noVerifyEncode = false

    func apply(to options: inout Archiver.Options, _ context: Context) throws(StoreError) {
        if let level = try Self.level(compression, context.environment) { options.compressionLevel = level }
        options.skipsIfUnchanged = skipIfUnchanged || context.configured.flag("backup.skip_if_unchanged")
        options.allowsEmpty = allowEmpty
        options.trustsModificationTime = trustMtime
        options.verifiesEncoding = !noVerifyEncode
        if let checkpointInterval {
            let seconds = try OptionValue.duration("--checkpoint-interval", checkpointInterval)
            options.checkpointInterval = Int(clamping: seconds)
        } else if let seconds = try context.configured.duration("backup.checkpoint_interval") {
            options.checkpointInterval = Int(clamping: seconds)
        }
        if let limitRead {
            let text = limitRead.hasSuffix("/s") ? String(limitRead.dropLast(2)) : limitRead
            let rate = try OptionValue.size("--limit-read", text)
            guard rate > 0 else { throw StoreError(.usage, "--limit-read: nothing can be read at 0 bytes a second") }
            options.readLimit = rate
        } else {
            options.readLimit = try context.configured.size("backup.limit_read").flatMap { $0 > 0 ? $0 : nil }
        }
    }

    /// The level that an option or else the environment names; nil for the default.
    static func level(_ option: String?, _ environment: Environment) throws(StoreError) -> Int? {
        guard let option else {
            return try environment.value(.compression, "a level from 1 to 19, or off", level)
        }
        guard let level = level(option) else {
            throw StoreError(.usage, "--compression: \"\(option)\" is not a level from 1 to 19, or off")
        }
        return level
    }

    private static func level(_ text: String) -> Int? {
        if text == "off" { return 0 }
        return Int(text).flatMap { (1...19).contains($0) ? $0 : nil }
    }
}
