import VarveFormat

/// Applies the keep rules to the snapshots of one group that take part in counting.
struct RetentionKeepRules {
    let policy: RetentionPolicy
    let calendar: RetentionCalendar

    /// Says `keep` for each snapshot and each rule that keeps it.
    ///
    /// - Parameter members: newest first.
    func apply(to members: [RetentionClock.Place], keep: (_ candidate: Int, _ reason: String) -> Void) {
        guard let newest = members.first?.time else { return }
        keepLast(members, newest, keep)
        if let within = policy.keepWithin {
            let reason = "within \(DurationText.text(within))"
            for member in members where member.time >= newest.adding(-within) { keep(member.candidate, reason) }
        }
        guard !policy.keepPeriods.isEmpty else { return }
        let moments = members.map { LocalMoment($0.time, calendar) }
        for period in RetentionPeriod.allCases {
            guard let span = policy.keepPeriods[period] else { continue }
            for index in Self.newestOfEach(period, members, moments, span) {
                keep(members[index].candidate, "\(period.rawValue) \(period.name(moments[index]))")
            }
        }
    }

    private func keepLast(
        _ members: [RetentionClock.Place], _ newest: Timestamp, _ keep: (Int, String) -> Void
    ) {
        switch policy.keepLast {
        case nil: return
        case .count(let count):
            for (index, member) in members.prefix(count).enumerated() {
                keep(member.candidate, "last \(index + 1) of \(count)")
            }
        case .seconds(let seconds):
            let reason = "last \(DurationText.text(seconds))"
            for member in members where member.time >= newest.adding(-seconds) { keep(member.candidate, reason) }
        case .unlimited:
            for member in members { keep(member.candidate, "last, without limit") }
        }
    }

    /// The member that stands for each period that has one, newest period first: the newest whose claimed time stands,
    /// or else the newest.
    private static func newestOfEach(
        _ period: RetentionPeriod, _ members: [RetentionClock.Place], _ moments: [LocalMoment], _ span: RetentionSpan
    ) -> [Int] {
        var places: [Int64: Int] = [:]
        var chosen: [Int] = []
        let count: Int
        var reach = members.count
        switch span {
        case .count(let limit): count = limit
        case .unlimited: count = .max
        case .seconds(let seconds):
            count = .max
            let oldest = (members.first?.time ?? Timestamp(seconds: 0)).adding(-seconds)
            reach = members.firstIndex { $0.time < oldest } ?? members.count
        }
        for index in 0..<reach {
            let key = period.key(moments[index])
            if let place = places[key] {
                if members[chosen[place]].trust != .stands, members[index].trust == .stands { chosen[place] = index }
            } else if chosen.count < count {
                places[key] = chosen.count
                chosen.append(index)
            }
        }
        return chosen
    }
}
