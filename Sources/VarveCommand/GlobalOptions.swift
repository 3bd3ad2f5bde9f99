import ArgumentParser
import Varve

/// Options that every command takes.
struct GlobalOptions: ParsableArguments {
    @Option(name: [.short, .customLong("repo")], help: ArgumentHelp("The repository.", valueName: "path"))
    var repository: String?

    @Option(help: ArgumentHelp("The configuration (default: varve.toml here, if there is one).", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("Take the password from the first line of a file.", valueName: "file"))
    var passwordFile: String?

    @Option(help: ArgumentHelp("Take the password from the output of a shell command.", valueName: "command"))
    var passwordCommand: String?

    @Option(help: ArgumentHelp("Open with a key file.", valueName: "file"))
    var keyFile: String?

    @Flag(name: .shortAndLong, help: "Only report errors.")
    var quiet = false

    @Flag(name: .shortAndLong, help: "Report more.")
    var verbose: Int

    @Flag(help: "Write JSON to standard output.")
    var json = false

    @Flag(help: "Show progress even without a terminal.")
    var progress = false

    @Flag(help: "Never show progress.")
    var noProgress = false

    @Flag(help: "Use no colours.")
    var noColor = false

    @Flag(name: [.customShort("n"), .long], help: "Show what would be done, change nothing.")
    var dryRun = false

    @Flag(name: [.customShort("y"), .long, .customLong("force")], help: "Answer every question with yes.")
    var yes = false

    @Option(help: ArgumentHelp("Worker threads (default: one for each core).", valueName: "n"))
    var threads: String?

    @Option(help: ArgumentHelp("How long to wait for a busy repository, as in 30s or 5m.", valueName: "duration"))
    var wait: String?

    @Option(help: ArgumentHelp("Where caches are kept (default: ~/.cache/varve).", valueName: "dir"))
    var cacheDir: String?

    @Flag(help: "Use no cache.")
    var noCache = false
}

/// What the global options, the environment and the configuration come to, in this order.
struct Settings: Sendable {
    var repository: String?
    var threads = 0
    /// Seconds.
    var wait: Int64 = 0
    /// nil for no cache.
    var cacheDirectory: String?
    var isDryRun: Bool
    var answersYes: Bool

    /// - Throws: `usage` for an invalid value, naming where it came from.
    init(_ options: GlobalOptions, _ environment: Environment) throws(StoreError) {
        isDryRun = options.dryRun
        answersYes = options.yes
        repository = options.repository ?? environment[.repository]
        if let text = options.threads {
            guard let count = Self.threadCount(text) else {
                throw StoreError(.usage, "--threads: \"\(text)\" is not a number from 1 to 256")
            }
            threads = count
        } else if let count = try environment.value(.threads, "a number from 1 to 256", Self.threadCount) {
            threads = count
        }
        if let text = options.wait {
            wait = try OptionValue.duration("--wait", text)
        } else if let seconds = try environment.value(.wait, "a duration", { text throws(StoreError) in
            try DurationText.parse(text)
        }) {
            wait = seconds
        }
        if !options.noCache {
            cacheDirectory = options.cacheDir ?? environment[.cacheDirectory] ?? environment.defaultCacheDirectory
        }
    }

    private static func threadCount(_ text: String) -> Int? {
        guard let count = Int(text), (1...256).contains(count) else { return nil }
        return count
    }
}

/// Values of options that need more than the parser's own types. Each failure names the option.
enum OptionValue {
    static func duration(_ option: String, _ text: String) throws(StoreError) -> Int64 {
        try named(option) { () throws(StoreError) in try DurationText.parse(text) }
    }

    static func size(_ option: String, _ text: String) throws(StoreError) -> UInt64 {
        try named(option) { () throws(StoreError) in try SizeText.parse(text) }
    }

    /// Puts the name of an option in front of what is wrong with its value.
    static func named<Value>(
        _ option: String, _ parse: () throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        do {
            return try parse()
        } catch {
            throw StoreError(
                error.code, "\(option): \(error.message)", path: error.path, remedy: error.remedy, errno: error.errno)
        }
    }
}
