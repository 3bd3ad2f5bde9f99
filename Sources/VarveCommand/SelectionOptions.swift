import ArgumentParser
import Varve
import VarveApp
import VarveFormat

/// Filters that narrow which snapshots a command looks at.
struct SelectionOptions: ParsableArguments {
    @Option(help: "Of this host; may be repeated, as all filters.") var host: [String] = []
    @Option(help: "With this tag.") var tag: [String] = []
    @Option(help: "With this name.") var name: [String] = []
    @Option(help: "Of this type, as in database.") var type: [String] = []
    @Option(help: "Of this job.") var job: [String] = []
    @Option(help: ArgumentHelp("That captured this path.", valueName: "dir")) var path: [String] = []
    @Option(help: ArgumentHelp("Not older than a date (2025-06-23) or an age (7d).", valueName: "time"))
    var since: String?
    @Option(help: ArgumentHelp("Not newer than a date or an age.", valueName: "time")) var until: String?

    func filter(_ context: Context) throws(StoreError) -> SnapshotFilter {
        var filter = SnapshotFilter()
        filter.hosts = host
        filter.tags = tag
        filter.names = name
        filter.types = type
        filter.jobs = job
        for text in path { filter.paths.append(try context.absolute(text)) }
        if let since {
            filter.since = try OptionValue.named("--since") { () throws(StoreError) in
                try SnapshotFilter.moment(since, endOfDay: false)
            }
        }
        if let until {
            filter.until = try OptionValue.named("--until") { () throws(StoreError) in
                try SnapshotFilter.moment(until, endOfDay: true)
            }
        }
        return filter
    }
}
