import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct EstimateCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "estimate", abstract: "Measure what a first backup of paths would store.",
        discussion: """
            Everything is read, deduplicated and compressed, and nothing is kept; no
            repository is needed. varve backup --dry-run only counts.

            Example:
              varve estimate /home --exclude-set caches
            """)

    @Argument(help: ArgumentHelp("What would be saved.", valueName: "path")) var paths: [String]
    @Option(help: ArgumentHelp("zstd level 1 to 19, or off.", valueName: "level")) var compression: String?
    @OptionGroup(title: "What is left out") var exclusions: ExclusionOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        var options = Archiver.Options()
        for path in paths { options.paths.append(try context.absolute(path)) }
        options.paths = SourcePaths.unique(options.paths)
        options.exclusions = try exclusions.exclusions()
        options.staysOnFileSystem = exclusions.oneFileSystem
        if let level = try MethodOptions.level(compression, context.environment) { options.compressionLevel = level }
        let settings = options
        let (report, stored) = try context.withProgress { progress throws(StoreError) in
            try Estimate.run(settings, threads: context.settings.threads, progress: progress)
        }
        for error in report.errors { context.output.error(context.output.safe(error.message), path: error.path) }
        show(report.manifest, stored, context.output)
        return report.manifest.errorsTotal > 0 ? .partial : .ok
    }

    private func show(_ manifest: Manifest, _ stored: UInt64, _ output: Output) {
        let ratio = stored > 0 ? Double(manifest.bytes.total) / Double(stored) : 0
        if output.isJSON {
            output.json([
                "files_total": .integer(Int64(manifest.counts.files)), "dirs": .integer(Int64(manifest.counts.dirs)),
                "bytes_total": .integer(Int64(manifest.bytes.total)),
                "bytes_unique": .integer(Int64(manifest.bytes.added)),
                "bytes_stored": .integer(Int64(clamping: stored)),
                "excluded": .integer(Int64(manifest.counts.excluded)), "errors": .integer(Int64(manifest.errorsTotal)),
            ])
        } else {
            output.line("files     \(manifest.counts.files), \(manifest.counts.excluded) excluded")
            output.line("size      \(HumanText.size(manifest.bytes.total))")
            output.line("unique    \(HumanText.size(manifest.bytes.added))")
            output.line("stored    \(HumanText.size(stored)) (\(HumanText.tenths(ratio)) to 1)")
        }
    }
}
