import VarveFormat

/// Puts the snapshots of a group in order and gives each the time that rules use. What a client claims is believed only
/// as far as this machine's own observation allows, so that a thief or a wrong clock cannot push real snapshots out.
///
/// Snapshots stand in the order of first sight; those seen at one look, in the order of sequence. Going through them, a
/// claimed time stands if it is not later than first sight and not earlier than the latest claim before it that stood.
/// Otherwise:
///
/// - Later than first sight: it was made by then, so first sight is its time.
/// - Earlier than one that was seen at an earlier look: it was made after that look, so first sight is its time too.
/// - Earlier than one of the same look: one of the two is wrong, and nothing tells which. It is in doubt, and stays.
///
/// Backups that overlap, and clocks that are set right, put times in disorder without any ill will: up to a day of it
/// is let pass, and clocks may differ by minutes. A time that does not stand never counts against others, and takes no
/// place from one that stands.
struct RetentionClock {
    enum Trust: Equatable {
        /// The claimed time agrees with the order.
        case stands
        /// It does not: the time is first sight, or in slight disorder.
        case weak
        /// It contradicts that of another candidate, and nothing tells which of them is wrong.
        case doubtful(against: Int)
    }

    struct Place {
        /// The candidate's number.
        let candidate: Int
        /// The time for rules.
        let time: Timestamp
        let trust: Trust
        /// The place in the order of first sight.
        let rank: Int
    }

    /// How much disorder is let pass, in seconds.
    private static let tolerance: Int64 = 86_400
    /// By how much the clock of a client may be ahead of this machine's, in seconds.
    private static let skew: Int64 = 300

    private struct Sight {
        let candidate: Int
        let seen: Timestamp
        let claimed: Timestamp
        let sequence: Int
        let id: SnapshotID
    }

    /// The places of a group's members, in the order of first sight.
    static func places(_ group: [Int], _ candidates: [RetentionCandidate], now: Timestamp) -> [Place] {
        var places: [Place] = []
        places.reserveCapacity(group.count)
        var floor: (time: Timestamp, seen: Timestamp, candidate: Int)?
        for (rank, sight) in sights(group, candidates, now).enumerated() {
            var time = min(sight.claimed, sight.seen)
            var trust = Trust.stands
            if sight.claimed > sight.seen.adding(skew) {
                trust = .weak
            } else if let floor, time < floor.time {
                trust = .weak
                if time.adding(tolerance) < floor.time {
                    let wasSeenLater = floor.seen < sight.seen
                    if wasSeenLater { time = sight.seen } else { trust = .doubtful(against: floor.candidate) }
                }
            } else if candidates[sight.candidate].isOrdinary {
                floor = (time, sight.seen, sight.candidate)
            }
            places.append(Place(candidate: sight.candidate, time: time, trust: trust, rank: rank))
        }
        return places
    }

    /// In the order of first sight. Where this is not known, a snapshot was there when one of a higher sequence was
    /// first seen, or else is seen now.
    private static func sights(_ group: [Int], _ candidates: [RetentionCandidate], _ now: Timestamp) -> [Sight] {
        let descending = group.sorted { left, right in
            let (left, right) = (candidates[left], candidates[right])
            if left.sequence != right.sequence { return left.sequence > right.sequence }
            return left.firstSeen != nil && right.firstSeen == nil
        }
        var earliest: Timestamp?
        var sights: [Sight] = []
        sights.reserveCapacity(group.count)
        for number in descending {
            let candidate = candidates[number]
            if let seen = candidate.firstSeen { earliest = min(earliest ?? seen, seen) }
            sights.append(
                Sight(
                    candidate: number, seen: (candidate.firstSeen ?? earliest ?? now).bounded,
                    claimed: candidate.time.bounded, sequence: candidate.sequence, id: candidate.id))
        }
        sights.sort { left, right in
            if left.seen != right.seen { return left.seen < right.seen }
            if left.sequence != right.sequence { return left.sequence < right.sequence }
            return left.claimed != right.claimed ? left.claimed < right.claimed : left.id < right.id
        }
        return sights
    }
}

extension Timestamp {
    /// So many seconds later.
    func adding(_ seconds: Int64) -> Timestamp {
        let (sum, overflow) = self.seconds.addingReportingOverflow(seconds)
        return Timestamp(seconds: overflow ? (seconds < 0 ? .min : .max) : sum, nanoseconds: nanoseconds)
    }

    /// Kept within what arithmetic on dates can take, tens of thousands of years either way.
    fileprivate var bounded: Timestamp {
        let limit: Int64 = 1 << 40
        return (-limit...limit).contains(seconds) ? self : Timestamp(seconds: seconds < 0 ? -limit : limit)
    }
}
