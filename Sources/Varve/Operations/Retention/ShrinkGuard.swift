/// Refuses plans that drop more than anybody is likely to mean.
public struct ShrinkGuard: Sendable {
    /// The highest share of the snapshots looked at that may go, in percent.
    public var maxPercent = 90
    /// So many may go whatever share that is.
    public var harmlessCount = 20

    /// Makes the guard that acts when nothing else is asked for.
    public init() {}

    /// Makes a guard for a share that somebody chose, which holds for small numbers too.
    public init(maxPercent: Int) {
        self.maxPercent = maxPercent
        harmlessCount = 0
    }

    /// - Throws: `refused` if too large a share would go.
    public func check(_ plan: RetentionPlan) throws(StoreError) {
        let dropped = plan.dropped.count
        let total = plan.kept + dropped
        guard dropped > harmlessCount, dropped * 100 > total * maxPercent else { return }
        throw StoreError(
            .refused, "\(dropped) of \(total) snapshots would go, which is more than \(maxPercent) %",
            remedy: "look at the plan with --dry-run; if it is right, allow it with --max-drop 100%")
    }
}
