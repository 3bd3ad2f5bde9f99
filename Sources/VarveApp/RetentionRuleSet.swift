package import Varve
package import VarveFormat

/// Rules for the snapshots of some jobs, and for all others.
package struct RetentionRuleSet: Sendable {
    /// nil where nothing is said about them: then they stay and are not looked at.
    package var general: RetentionPolicy?
    package var jobs: [String: RetentionPolicy] = [:]

    package init(general: RetentionPolicy?) { self.general = general }

    /// The rules of a configuration.
    ///
    /// - Parameters:
    ///   - values: what `[retention]` says, with variables on top, by the names of the keys.
    ///   - keepTags: its `keep_tag`.
    /// - Throws: `usage`, naming the key.
    package init(
        values: Configuration.Values, keepTags: [String], jobs: [Configuration.Job]
    ) throws(StoreError) {
        general = try Self.policy(values, keepTags)
        for job in jobs where job.hasRetention {
            self.jobs[job.name] = try Self.policy(job.retention, job.keepTags)
        }
    }

    /// Whether it says anything.
    package var isEmpty: Bool { general == nil && jobs.isEmpty }

    /// What is to happen to snapshots by the rules of their jobs.
    ///
    /// - Throws: `usage` for a policy without a rule.
    package func plan(
        _ candidates: [RetentionCandidate], now: Timestamp, calendar: RetentionCalendar
    ) throws(StoreError) -> RetentionPlan {
        var plans: [RetentionPlan] = []
        for (job, policy) in jobs.sorted(by: { $0.key < $1.key }) {
            let own = candidates.filter { $0.job == job }
            plans.append(try Retention.plan(own, policy: policy, now: now, calendar: calendar))
        }
        if let general {
            let others = candidates.filter { $0.job.map { jobs[$0] == nil } ?? true }
            plans.append(try Retention.plan(others, policy: general, now: now, calendar: calendar))
        }
        return RetentionPlan(
            groups: plans.flatMap(\.groups), bytesOverLimit: plans.reduce(0) { $0 + $1.bytesOverLimit })
    }

    /// The policy of one table; nil if it has no rule.
    private static func policy(
        _ values: Configuration.Values, _ keepTags: [String]
    ) throws(StoreError) -> RetentionPolicy? {
        let modifiers = ["group_by", "max_drop"]
        guard values.contains(where: { !modifiers.contains($0.key) }) || !keepTags.isEmpty else { return nil }
        var policy = RetentionPolicy()
        policy.keepLast = try span(values["keep_last"])
        let periods: [(RetentionPeriod, String)] = [
            (.hourly, "keep_hourly"), (.daily, "keep_daily"), (.weekly, "keep_weekly"), (.monthly, "keep_monthly"),
            (.yearly, "keep_yearly"),
        ]
        for (period, key) in periods { policy.keepPeriods[period] = try span(values[key]) }
        if let text = values["keep_within"] { policy.keepWithin = try DurationText.parse(text) }
        policy.keepTags = keepTags
        if let text = values["max_age"] { policy.maxAge = try DurationText.parse(text) }
        if let text = values["max_count"] { policy.maxCount = try RetentionRules.number(text) }
        if let text = values["max_size"] { policy.maxSize = try SizeText.parse(text) }
        if let text = values["group_by"] { policy.groupBy = try RetentionRules.grouping(text) }
        return policy
    }

    private static func span(_ text: String?) throws(StoreError) -> RetentionSpan? {
        guard let text else { return nil }
        return try RetentionRules.span(text)
    }
}
