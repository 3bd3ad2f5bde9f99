import Glibc

/// Lets one of several threads run at a time, and decides by a seed which: the interleaving of their storage operations
/// is the same whenever the seed is. A thread is only switched where the scheduler picks another one.
final class SimulationScheduler: @unchecked Sendable {
    /// What happens to an actor.
    struct Fate {
        /// It dies at this operation of its own; never if nil.
        var diesAt: Int?
        /// At this operation it falls asleep, for this many operations of the others.
        var sleepsAt: Int?
        var sleepLength = 0
    }

    private struct Seat {
        let condition: UnsafeMutablePointer<pthread_cond_t>
        var fate: Fate
        var operations = 0
        var awakeAt = 0
        var isDone = false
        var isDead = false
    }

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let end = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var seats: [Seat] = []
    private var current = -1
    private var operations = 0
    private var random: SeededBytes
    /// Of 100 operations so many are followed by one of another actor, about.
    private let switches: Int

    init(fates: [Fate], switches: Int, random: SeededBytes) {
        self.switches = switches
        self.random = random
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(end, nil)
        for fate in fates {
            let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
            pthread_cond_init(condition, nil)
            seats.append(Seat(condition: condition, fate: fate))
        }
    }

    /// For a single program on the caller's own thread.
    convenience init(aloneWith random: SeededBytes) {
        self.init(fates: [Fate()], switches: 0, random: random)
        current = 0
    }

    deinit {
        for seat in seats {
            pthread_cond_destroy(seat.condition)
            seat.condition.deallocate()
        }
        pthread_cond_destroy(end)
        pthread_mutex_destroy(mutex)
        end.deallocate()
        mutex.deallocate()
    }

    /// Lets the first actor go and waits until all have ended.
    func run() {
        pthread_mutex_lock(mutex)
        choose(otherThan: nil)
        while current >= 0 { pthread_cond_wait(end, mutex) }
        pthread_mutex_unlock(mutex)
    }

    /// Waits for an actor's first turn.
    func begin(_ actor: Int) {
        pthread_mutex_lock(mutex)
        wait(actor)
        pthread_mutex_unlock(mutex)
    }

    /// Before an operation of an actor: others may go first.
    ///
    /// - Returns: false if the actor is dead.
    func step(_ actor: Int) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if seats[actor].isDone { return false }
        wait(actor)
        operations += 1
        seats[actor].operations += 1
        let count = seats[actor].operations
        if let diesAt = seats[actor].fate.diesAt, count >= diesAt { seats[actor].isDead = true }
        // What is left of the dead runs to its end: it can do nothing any more.
        if seats[actor].isDead { return false }
        let sleeps = seats[actor].fate.sleepsAt == count
        if sleeps { seats[actor].awakeAt = operations + seats[actor].fate.sleepLength }
        if sleeps || random.below(100) < switches {
            choose(otherThan: actor)
            wait(actor)
        }
        return true
    }

    /// An actor has ended.
    func finish(_ actor: Int) {
        pthread_mutex_lock(mutex)
        wait(actor)
        seats[actor].isDone = true
        choose(otherThan: nil)
        pthread_mutex_unlock(mutex)
    }

    /// A number that only the scheduler's seed decides.
    func below(_ bound: Int) -> Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return random.below(bound)
    }

    private func wait(_ actor: Int) {
        while current != actor { pthread_cond_wait(seats[actor].condition, mutex) }
    }

    private func choose(otherThan actor: Int?) {
        let live = seats.indices.filter { !seats[$0].isDone }
        let awake = live.filter { seats[$0].awakeAt <= operations && $0 != actor }
        if awake.isEmpty {
            // Everybody else sleeps: whoever would wake up first does so now.
            let next = live.filter { $0 != actor }.min { seats[$0].awakeAt < seats[$1].awakeAt }
            let isAwake = actor.map { seats[$0].awakeAt <= operations } ?? false
            current = isAwake ? actor ?? -1 : next ?? actor ?? -1
        } else {
            current = awake[random.below(awake.count)]
        }
        // A program may have several threads that wait.
        if current >= 0 { pthread_cond_broadcast(seats[current].condition) } else { pthread_cond_signal(end) }
    }
}
