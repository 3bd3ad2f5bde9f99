import ArgumentParser
import Varve
import VarveApp

/// Which snapshots stay and which go, from options.
struct RetentionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Keep the newest n.", valueName: "n"))
    var keepLast: String?
    @Option(help: ArgumentHelp("Keep the newest of each hour, for n hours that have one or as far back as 48h.",
                               valueName: "n|duration"))
    var keepHourly: String?
    @Option(help: ArgumentHelp("The same for days: 7, or 90d.", valueName: "n|duration"))
    var keepDaily: String?
    @Option(help: ArgumentHelp("The same for weeks from Monday to Sunday.", valueName: "n|duration"))
    var keepWeekly: String?
    @Option(help: ArgumentHelp("The same for months.", valueName: "n|duration"))
    var keepMonthly: String?
    @Option(help: ArgumentHelp("The same for years.", valueName: "n|duration"))
    var keepYearly: String?
    @Option(help: ArgumentHelp("Keep all that are this much older than the newest, or less.", valueName: "duration"))
    var keepWithin: String?
    @Option(help: ArgumentHelp("Keep all with this tag; may be repeated.", valueName: "tag"))
    var keepTag: [String] = []
    @Option(help: ArgumentHelp("Limit: drop what is older and no rule keeps.", valueName: "duration"))
    var maxAge: String?
    @Option(help: ArgumentHelp("Limit: drop what is beyond the newest n and no rule keeps.", valueName: "n"))
    var maxCount: String?
    @Option(help: ArgumentHelp("Limit: drop the oldest until the rest stored no more.", valueName: "size"))
    var maxSize: String?
    @Option(help: ArgumentHelp("Count apart by host, job, paths and tags, or none.", valueName: "list"))
    var groupBy = "host,job,paths"
    @Flag(help: "Let the newest snapshot of a group go too, where no rule keeps it.")
    var allowEmptyResult = false
    @Option(help: ArgumentHelp("Refuse to drop a greater share of them (default: 90%, and up to 20 always may go).",
                               valueName: "p%"))
    var maxDrop: String?

    /// - Throws: `usage`, naming the option.
    func policy() throws(StoreError) -> RetentionPolicy {
        var policy = RetentionPolicy()
        policy.keepLast = try Self.span("--keep-last", keepLast)
        let periods: [(RetentionPeriod, String?)] = [
            (.hourly, keepHourly), (.daily, keepDaily), (.weekly, keepWeekly), (.monthly, keepMonthly),
            (.yearly, keepYearly),
        ]
        for (period, text) in periods { policy.keepPeriods[period] = try Self.span("--keep-\(period.rawValue)", text) }
        if let keepWithin { policy.keepWithin = try OptionValue.duration("--keep-within", keepWithin) }
        policy.keepTags = keepTag
        if let maxAge { policy.maxAge = try OptionValue.duration("--max-age", maxAge) }
        if let maxCount {
            policy.maxCount = try OptionValue.named("--max-count") { () throws(StoreError) in
                try RetentionRules.number(maxCount)
            }
        }
        if let maxSize { policy.maxSize = try OptionValue.size("--max-size", maxSize) }
        policy.groupBy = try OptionValue.named("--group-by") { () throws(StoreError) in
            try RetentionRules.grouping(groupBy)
        }
        policy.allowsEmptyResult = allowEmptyResult
        return policy
    }

    /// - Throws: `usage`, naming the option.
    func shrinkGuard() throws(StoreError) -> ShrinkGuard {
        guard let maxDrop else { return ShrinkGuard() }
        return ShrinkGuard(
            maxPercent: try OptionValue.named("--max-drop") { () throws(StoreError) in
                try RetentionRules.percent(maxDrop)
            })
    }

    private static func span(_ option: String, _ text: String?) throws(StoreError) -> RetentionSpan? {
        guard let text else { return nil }
        return try OptionValue.named(option) { () throws(StoreError) in try RetentionRules.span(text) }
    }
}
