import Synchronization
import VarveFormat

/// What the programs of a simulation were told, and what was promised to them by it.
final class SimulationLedger: Sendable {
    /// A snapshot that somebody was told is saved.
    struct Saved: Sendable {
        /// Deletions that were asked for, whatever came of them.
        var deletions = 0
        var openDeletions = 0
        /// A later one may stand for it, so that nothing is promised.
        var isInterrupted = false
        /// Whether it must be there in the end.
        var isRequired = true
    }

    private struct State: Sendable {
        /// What happened; nil unless somebody wants to know.
        var story: [String]?
        var saved: [SnapshotID: Saved] = [:]
        var breaches: [String] = []
        var undeleted = 0
    }

    private let state: Mutex<State>

    init() { state = Mutex(State()) }

    init(copying other: SimulationLedger) { state = Mutex(other.state.withLock { $0 }) }

    var breaches: [String] { state.withLock { $0.breaches } }
    var undeletions: Int { state.withLock { $0.undeleted } }
    var saved: [SnapshotID: Saved] { state.withLock { $0.saved } }
    var required: [SnapshotID] { saved.filter(\.value.isRequired).map(\.key) }

    /// Keeps a story from now on.
    func startStory() { state.withLock { $0.story = [] } }

    func tell(_ line: @autoclosure () -> String) { state.withLock { $0.story?.append(line()) } }

    var story: [String] { state.withLock { $0.story ?? [] } }

    func breach(_ text: String) { state.withLock { $0.breaches.append(text) } }

    func committed(_ id: SnapshotID, isInterrupted: Bool) {
        state.withLock { $0.saved[id] = Saved(isInterrupted: isInterrupted, isRequired: !isInterrupted) }
    }

    func deletionBegins(_ id: SnapshotID) {
        state.withLock { state in
            state.saved[id]?.isRequired = false
            state.saved[id]?.deletions += 1
            state.saved[id]?.openDeletions += 1
        }
    }

    func deletionEnds(_ id: SnapshotID) { state.withLock { $0.saved[id]?.openDeletions -= 1 } }

    /// How many deletions there were when an undeletion begins; nil if one is under way, which may come later.
    func undeletionBegins(_ id: SnapshotID) -> Int? {
        state.withLock { state in
            guard let saved = state.saved[id], saved.openDeletions == 0, !saved.isInterrupted else { return nil }
            return saved.deletions
        }
    }

    func undeletionEnds(_ id: SnapshotID, deletions: Int?) {
        state.withLock { state in
            state.undeleted += 1
            if let deletions, state.saved[id]?.deletions == deletions { state.saved[id]?.isRequired = true }
        }
    }
}
