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
    @Option(help: ArgumentHelp("Count apart by host, job, paths (default) and tags, or none.", valueName: "list"))
    var groupBy: String?
    @Flag(help: "Let the newest snapshot of a group go too, where no rule keeps it.")
    var allowEmptyResult = false
    @Option(help: ArgumentHelp("Refuse to drop a greater share of them (default: 90%, and up to 20 always may go).",
                               valueName: "p%"))
    var maxDrop: String?

    /// Whether any of the options was given.
    var isGiven: Bool {
        let options = [
            keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, keepWithin, maxAge, maxCount, maxSize,
            groupBy, maxDrop,
        ]
        return allowEmptyResult || !keepTag.isEmpty || options.contains { $0 != nil }
    }

    /// The rules of the options; if there are none, those of the environment and the configuration.
    ///
    /// - Throws: `usage`, naming the option or the key.
    func rules(_ context: Context) throws(StoreError) -> RetentionRuleSet {
        var policy = try policy()
        let options = [
            keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, keepWithin, maxAge, maxCount, maxSize,
        ]
        guard keepTag.isEmpty, options.allSatisfy({ $0 == nil }) else {
            if groupBy == nil, let text = context.configured.text("retention.group_by") {
                policy.groupBy = try RetentionRules.grouping(text)
            }
            return RetentionRuleSet(general: policy)
        }
        var rules = try RetentionRuleSet(
            values: context.configured.table("retention"), keepTags: context.configured.list("retention.keep_tag"),
            jobs: context.configured.configuration?.jobs ?? [])
        guard !rules.isEmpty else { return RetentionRuleSet(general: policy) }
        for job in rules.jobs.keys { rules.jobs[job]?.allowsEmptyResult = allowEmptyResult }
        rules.general?.allowsEmptyResult = allowEmptyResult
        if groupBy != nil {
            for job in rules.jobs.keys { rules.jobs[job]?.groupBy = policy.groupBy }
            rules.general?.groupBy = policy.groupBy
        }
        return rules
    }

    /// - Throws: `usage`, naming the option.
    private func policy() throws(StoreError) -> RetentionPolicy {
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
        if let groupBy {
            policy.groupBy = try OptionValue.named("--group-by") { () throws(StoreError) in
                try RetentionRules.grouping(groupBy)
            }
        }
        policy.allowsEmptyResult = allowEmptyResult
        return policy
    }

    /// - Throws: `usage`, naming the option.
    func shrinkGuard(_ context: Context) throws(StoreError) -> ShrinkGuard {
        let configured = context.configured.value("retention.max_drop")
        guard let text = maxDrop ?? configured?.text else { return ShrinkGuard() }
        let origin = maxDrop == nil ? configured?.origin ?? "" : "--max-drop"
        return ShrinkGuard(
            maxPercent: try OptionValue.named(origin) { () throws(StoreError) in try RetentionRules.percent(text) })
    }

    private static func span(_ option: String, _ text: String?) throws(StoreError) -> RetentionSpan? {
        guard let text else { return nil }
        return try OptionValue.named(option) { () throws(StoreError) in try RetentionRules.span(text) }
    }
}
