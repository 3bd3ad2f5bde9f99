public import VarveFormat

/// Decides which snapshots stay and which go. A pure function: the same snapshots, policy, moment and calendar give the
/// same plan, in whatever order the snapshots come.
///
/// Outside of counting, so that they take no place from others:
/// - Safety snapshots, pinned and held ones, and those whose time is in doubt stay.
/// - An interrupted snapshot stays as long as none of the same host, job and paths was finished after it. Then it goes
///   if there are keep rules; limits take it only for its age.
///
/// The newest finished snapshot of a group stays, and so does that of a named job, unless the policy allows otherwise.
public enum Retention {
    /// Makes the plan.
    ///
    /// - Parameters:
    ///   - candidates: the snapshots that rules may look at. Each id once.
    ///   - now: the moment that ages are measured from, and the time of first sight of what was never seen.
    ///   - calendar: the local time for hours, days, weeks, months and years.
    /// - Throws: `usage` if the policy has no rule.
    public static func plan(
        _ candidates: [RetentionCandidate], policy: RetentionPolicy, now: Timestamp, calendar: RetentionCalendar
    ) throws(StoreError) -> RetentionPlan {
        try policy.validate()
        var run = RetentionRun(candidates: candidates, policy: policy, now: now, calendar: calendar)
        return run.plan()
    }
}

/// The work of one plan.
private struct RetentionRun {
    let candidates: [RetentionCandidate]
    let policy: RetentionPolicy
    let now: Timestamp
    let calendar: RetentionCalendar
    var verdicts: [RetentionVerdict]
    var places: [RetentionClock.Place?]

    init(candidates: [RetentionCandidate], policy: RetentionPolicy, now: Timestamp, calendar: RetentionCalendar) {
        self.candidates = candidates
        self.policy = policy
        self.now = now
        self.calendar = calendar
        verdicts = Array(repeating: RetentionVerdict(), count: candidates.count)
        places = Array(repeating: nil, count: candidates.count)
    }

    mutating func plan() -> RetentionPlan {
        let groups = RetentionGroups.split(candidates.indices, candidates, by: policy.groupBy)
        var ordered: [[RetentionClock.Place]] = []
        for group in groups {
            let places = RetentionClock.places(group.members, candidates, now: now)
            for place in places { self.places[place.candidate] = place }
            protect(places)
            judgeInterrupted(places)
            ordered.append(places.sorted { ($0.time, $0.rank) > ($1.time, $1.rank) })
        }
        for group in ordered { applyKeepRules(group) }
        if !policy.allowsEmptyResult { reserveNewest(ordered) }
        let limits = RetentionLimits(policy: policy, candidates: candidates, now: now)
        for group in ordered { limits.applyAgeAndCount(group.filter(counts), &verdicts) }
        applySize(limits, ordered.flatMap(\.self))
        let decided = zip(groups, ordered).map { group, places in
            RetentionPlan.Group(key: group.key, decisions: places.map(decision))
        }
        let size = limits.bytes(of: ordered.flatMap(\.self).filter { outcome($0).keeps })
        return RetentionPlan(groups: decided, bytesOverLimit: size - min(size, policy.maxSize ?? size))
    }

    private mutating func applySize(_ limits: RetentionLimits, _ places: [RetentionClock.Place]) {
        let uncounted = places.filter { !counts($0) && !verdicts[$0.candidate].isHit }
        limits.applySize(places.filter(counts), uncounted: limits.bytes(of: uncounted), &verdicts)
    }

    /// Whether rules count a snapshot.
    private func counts(_ place: RetentionClock.Place) -> Bool {
        candidates[place.candidate].isOrdinary && !verdicts[place.candidate].isExempt
    }

    // MARK: what is outside of counting

    private mutating func protect(_ places: [RetentionClock.Place]) {
        for place in places {
            let candidate = candidates[place.candidate]
            if candidate.origin == .safety { verdicts[place.candidate].exempt("safety snapshot") }
            if candidate.isPinned { verdicts[place.candidate].exempt("pinned") }
            if let until = candidate.holdUntil, until > now {
                verdicts[place.candidate].exempt("held until \(LocalMoment(until, calendar).dayName)")
            }
            if case .doubtful(let other) = place.trust, candidate.isOrdinary {
                let id = candidates[other].id.hex.prefix(8)
                verdicts[place.candidate].exempt("time in doubt: made after \(id), which claims a later time")
            }
        }
    }

    private mutating func judgeInterrupted(_ places: [RetentionClock.Place]) {
        let unfinished = places.filter {
            candidates[$0.candidate].state == .interrupted && !verdicts[$0.candidate].isExempt
        }
        guard !unfinished.isEmpty else { return }
        let sources: Set<RetentionPolicy.Grouping> = [.host, .job, .paths]
        var finished: [RetentionGroupKey: Int] = [:]
        for place in places where candidates[place.candidate].isOrdinary {
            finished[RetentionGroupKey(candidates[place.candidate], sources)] = place.rank
        }
        for place in unfinished {
            let last = finished[RetentionGroupKey(candidates[place.candidate], sources)]
            if place.rank > last ?? -1 {
                verdicts[place.candidate].keep("interrupted: does not count, nothing finished since")
            } else if policy.hasLimits {
                if let age = policy.maxAge, place.time < now.adding(-age) {
                    verdicts[place.candidate].hit("interrupted, older than \(DurationText.text(age))")
                }
            } else {
                verdicts[place.candidate].hit("interrupted: does not count, one was finished since")
            }
        }
    }

    // MARK: keep rules

    private mutating func applyKeepRules(_ group: [RetentionClock.Place]) {
        let members = group.filter(counts)
        var reasons: [(candidate: Int, text: String)] = []
        RetentionKeepRules(policy: policy, calendar: calendar).apply(to: members) { reasons.append(($0, $1)) }
        for reason in reasons { verdicts[reason.candidate].keep(reason.text) }
        guard !policy.keepTags.isEmpty else { return }
        for member in members {
            for tag in policy.keepTags where candidates[member.candidate].tags.contains(tag) {
                verdicts[member.candidate].keep("tag \(tag)")
            }
        }
    }

    /// Sees to it that every group, and every named job across groups, keeps its newest finished snapshot.
    private mutating func reserveNewest(_ ordered: [[RetentionClock.Place]]) {
        for group in ordered {
            let finished = group.filter { candidates[$0.candidate].isOrdinary }
            // A claim that stands can be false still, and must not push out what was written last.
            if let last = finished.max(by: { $0.rank < $1.rank }) {
                verdicts[last.candidate].reserved = "last written of its group"
            }
            reserve(finished, "newest of its group")
        }
        guard !policy.groupBy.isSuperset(of: [.host, .job]) else { return }
        let named = ordered.flatMap(\.self).filter {
            candidates[$0.candidate].isOrdinary && candidates[$0.candidate].job != nil
        }
        var jobs: [RetentionGroupKey: [RetentionClock.Place]] = [:]
        for place in named.sorted(by: isNewer) {
            jobs[RetentionGroupKey(candidates[place.candidate], [.host, .job]), default: []].append(place)
        }
        for places in jobs.values { reserve(places, "newest of its job") }
    }

    /// - Parameter finished: newest first. One whose claimed time does not stand cannot pass for the newest.
    private mutating func reserve(_ finished: [RetentionClock.Place], _ reason: String) {
        guard let newest = finished.first(where: { $0.trust == .stands }) ?? finished.first else { return }
        verdicts[newest.candidate].reserved = reason
    }

    private func isNewer(_ left: RetentionClock.Place, _ right: RetentionClock.Place) -> Bool {
        left.time != right.time
            ? left.time > right.time : candidates[left.candidate].id > candidates[right.candidate].id
    }

    // MARK: results

    private func outcome(_ place: RetentionClock.Place) -> (keeps: Bool, reasons: [String]) {
        verdicts[place.candidate].outcome(hasLimits: policy.hasLimits)
    }

    private func decision(_ place: RetentionClock.Place) -> RetentionDecision {
        let candidate = candidates[place.candidate]
        var (keeps, reasons) = outcome(place)
        if place.trust == .weak, place.time != candidate.time {
            let claimed = LocalMoment(candidate.time, calendar).dayName
            reasons.append("claims \(claimed), not believed")
        }
        return RetentionDecision(
            id: candidate.id, keeps: keeps, reasons: reasons, claimedTime: candidate.time, time: place.time)
    }
}
