import Glibc
import Synchronization

/// Keeps the reading of all workers together below a rate.
final class ReadLimiter: Sendable {
    private let bytesPerSecond: UInt64
    /// Nanoseconds on the monotonic clock at which everything read so far was due.
    private let due: Mutex<UInt64>

    init(bytesPerSecond: UInt64) {
        self.bytesPerSecond = max(1, bytesPerSecond)
        due = Mutex(Self.now())
    }

    /// Waits until `count` more bytes may have been read.
    func wait(for count: Int) {
        let wait = due.withLock { due -> UInt64 in
            let now = Self.now()
            // An idle second is not made up for by a burst.
            due = max(due, now &- 1_000_000_000) + UInt64(Double(count) * 1e9 / Double(bytesPerSecond))
            return due > now ? due - now : 0
        }
        guard wait > 0 else { return }
        var rest = timespec(tv_sec: Int(wait / 1_000_000_000), tv_nsec: Int(wait % 1_000_000_000))
        var time = rest
        while nanosleep(&time, &rest) != 0 && errno == EINTR { time = rest }
    }

    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Tells when a checkpoint is due.
final class CheckpointClock: Sendable {
    private let interval: UInt64
    private let next: Mutex<UInt64>

    /// An interval of 0 seconds means never.
    init(interval: Int) {
        self.interval = UInt64(max(0, interval)) * 1_000_000_000
        next = Mutex(ReadLimiter.now() + self.interval)
    }

    /// True for one caller once the interval is over.
    func isDue() -> Bool {
        guard interval > 0 else { return false }
        let now = ReadLimiter.now()
        return next.withLock { next in
            guard now >= next else { return false }
            next = UInt64.max
            return true
        }
    }

    /// Starts the next interval, after a checkpoint.
    func restart() {
        let now = ReadLimiter.now()
        next.withLock { $0 = now + interval }
    }
}
