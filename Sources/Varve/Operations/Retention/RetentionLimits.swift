import VarveFormat

/// Applies the limits: what is too old, too many or too large.
struct RetentionLimits {
    let policy: RetentionPolicy
    let candidates: [RetentionCandidate]
    let now: Timestamp

    /// - Parameter members: the counted ones of a group, newest first.
    func applyAgeAndCount(_ members: [RetentionClock.Place], _ verdicts: inout [RetentionVerdict]) {
        if let age = policy.maxAge {
            let oldest = now.adding(-age)
            let reason = "older than \(DurationText.text(age))"
            for member in members where member.time < oldest { verdicts[member.candidate].hit(reason) }
        }
        if let count = policy.maxCount, count < members.count {
            let reason = "beyond the \(count) newest"
            for member in members[count...] { verdicts[member.candidate].hit(reason) }
        }
    }

    /// Takes the oldest of all groups, those beyond the newest ones that fit beside all that is not counted. Whether a
    /// rule keeps a snapshot does not matter here: otherwise one that stays for a rule would push out a newer one.
    ///
    /// What a snapshot made the repository grow by stands for its size. What its removal frees can be less, as later
    /// ones may share it, and more.
    func applySize(_ counted: [RetentionClock.Place], uncounted: UInt64, _ verdicts: inout [RetentionVerdict]) {
        guard let limit = policy.maxSize else { return }
        let newestFirst = counted.sorted { left, right in
            let (first, second) = (candidates[left.candidate], candidates[right.candidate])
            return (left.time, first.sequence, first.id) > (right.time, second.sequence, second.id)
        }
        var total = uncounted
        for place in newestFirst where !verdicts[place.candidate].isHit {
            total = Self.sum(total, candidates[place.candidate].bytesStored)
            if total > limit { verdicts[place.candidate].hit("beyond the size limit") }
        }
    }

    /// The bytes of some snapshots together.
    func bytes(of places: [RetentionClock.Place]) -> UInt64 {
        places.reduce(0) { Self.sum($0, candidates[$1.candidate].bytesStored) }
    }

    private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }
}
