import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct GcCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "gc", abstract: "Free the space of snapshots that were deleted.",
        discussion: """
            Packs that no snapshot needs are removed at once, unless a backup that began
            before still runs; --grace keeps them longer. Packs that are needed in part
            are written anew where more than --max-unused of all bytes is waste; the old
            ones stay for --rewrite-grace, so that a copy of the repository that is being
            made meanwhile stays whole. What stays, and why, is said at the end.

            Backups, restores and copies may go on. Nothing is deleted (exit status 4)
            while a snapshot, or a directory in it, is damaged or missing.

            Examples:
              varve gc -n                     what would be freed
              varve gc
              varve gc --max-unused 0% --rewrite-grace 0
            """, aliases: ["prune"])

    @OptionGroup(title: "Collecting") var options: CollectionArguments
    @OptionGroup(title: "Global options") var global: GlobalOptions

    static var jsonForm: Output.Form { .jsonLines }

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let options = try options.options(context)
        return try CollectionRun.run(try context.openRepository(), options, context)
    }
}

/// What a collection may be told.
struct CollectionArguments: ParsableArguments {
    @Option(help: ArgumentHelp("How much of the packs may be waste (default: 2%).", valueName: "percent"))
    var maxUnused: String?
    @Option(help: ArgumentHelp("How long unneeded packs stay, as in 7d (default: 0).", valueName: "duration"))
    var grace: String?
    @Option(help: ArgumentHelp("How long packs stay that were written anew (default: 24h).", valueName: "duration"))
    var rewriteGrace: String?

    /// - Throws: `usage` for a value that makes no sense.
    func options(_ context: Context) throws(StoreError) -> CollectOptions {
        var options = try Self.configured(context)
        if let maxUnused { options.maxUnused = try Self.share(maxUnused) }
        if let grace { options.grace = Int(try OptionValue.duration("--grace", grace)) }
        if let rewriteGrace { options.rewriteGrace = Int(try OptionValue.duration("--rewrite-grace", rewriteGrace)) }
        return options
    }

    /// What the environment and the configuration say.
    static func configured(_ context: Context) throws(StoreError) -> CollectOptions {
        var options = CollectOptions()
        options.isDryRun = context.settings.isDryRun
        if let (text, origin) = context.configured.value("gc.max_unused") {
            let percent = try OptionValue.named(origin) { () throws(StoreError) in try RetentionRules.percent(text) }
            options.maxUnused = Double(percent) / 100
        }
        if let seconds = try context.configured.duration("gc.grace") { options.grace = Int(seconds) }
        if let seconds = try context.configured.duration("gc.rewrite_grace") { options.rewriteGrace = Int(seconds) }
        return options
    }

    private static func share(_ text: String) throws(StoreError) -> Double {
        let number = text.hasSuffix("%") ? String(text.dropLast()) : text
        guard let percent = Double(number), (0...100).contains(percent), text.hasSuffix("%") || percent == 0 else {
            throw StoreError(.usage, "--max-unused: \"\(text)\" is not a share", remedy: "write a percentage like 5%")
        }
        return percent / 100
    }
}
