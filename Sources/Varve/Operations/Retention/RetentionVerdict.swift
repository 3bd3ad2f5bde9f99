/// What has been found for and against keeping one snapshot.
struct RetentionVerdict {
    private(set) var isExempt = false
    private var keeping: [String] = []
    private var dropping: [String] = []
    /// Why the snapshot stays if everything else speaks against it.
    var reserved: String?

    /// Whether something speaks for dropping it.
    var isHit: Bool { !dropping.isEmpty }

    /// Keeps it outside of all counting.
    mutating func exempt(_ reason: String) {
        isExempt = true
        keeping.append(reason)
    }

    mutating func keep(_ reason: String) { keeping.append(reason) }

    mutating func hit(_ reason: String) { dropping.append(reason) }

    /// - Parameter hasLimits: the policy drops only what limits hit.
    func outcome(hasLimits: Bool) -> (keeps: Bool, reasons: [String]) {
        if !keeping.isEmpty { return (true, keeping) }
        if dropping.isEmpty, hasLimits { return (true, ["within the limits"]) }
        if let reserved { return (true, [reserved]) }
        return (false, dropping.isEmpty ? ["no rule keeps it"] : dropping)
    }
}
