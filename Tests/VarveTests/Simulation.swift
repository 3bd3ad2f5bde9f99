import Synchronization
import Varve
import VarveFormat

/// One run of several programs beside each other on one repository, decided by a seed.
struct Simulation {
    let seed: UInt64
    let fault: SimulatedFault?
    /// Whether every operation is told in the end.
    var tellsStory = false

    /// A program and its backend.
    private struct Cast {
        let role: SimulatedRole
        let run: (SimulationBackend, Repository, SimulationLedger) throws -> Void
    }

    /// Repositories to begin with.
    final class Stock: Sendable {
        let worlds: [SimulationWorld]

        init(count: Int) throws { worlds = try (0..<count).map { try SimulationWorld(seed: UInt64($0)) } }
    }

    /// Runs it.
    ///
    /// - Returns: the promises that were broken.
    func run(_ stock: Stock) throws -> [String] {
        var random = SeededBytes(seed: seed)
        let world = stock.worlds[random.below(stock.worlds.count)].copy()
        if tellsStory { world.ledger.startStory() }
        let mirrored = Mutex<MemoryBackend?>(nil)
        // A copy by rsync is whole as long as packs stay for their grace, so that no clock may jump beside it.
        let hasMirror = random.below(4) == 0
        var cast = self.cast(&random, hasMirror: hasMirror)
        if hasMirror {
            cast.append(
                Cast(role: .mirror) { backend, _, _ in
                    let copy = try SimulatedProgram.mirror(backend)
                    mirrored.withLock { $0 = copy }
                })
        }
        let fates = cast.map { Self.fate($0.role, &random) }
        let scheduler = SimulationScheduler(
            fates: fates, switches: [3, 10, 30, 60][random.below(4)], random: SeededBytes(seed: random.next()))
        var threads: [BackgroundThread] = []
        for (number, part) in cast.enumerated() {
            let isStale = part.role == .writer && random.below(4) == 0
            let backend = SimulationBackend(
                world.backend, part.role, fault, number, scheduler, hasStaleIndex: isStale,
                ledger: tellsStory ? world.ledger : nil)
            let repository = SimulationWorld.repository(on: backend, like: world.repository)
            let ledger = world.ledger
            nonisolated(unsafe) let run = part.run
            let role = part.role
            threads.append(
                try BackgroundThread {
                    scheduler.begin(number)
                    // What ends a program is its own affair: it was told so.
                    do {
                        try run(backend, repository, ledger)
                        ledger.tell("\(number) \(role) ends well")
                    } catch { ledger.tell("\(number) \(role) ends: \(error)") }
                    scheduler.finish(number)
                })
        }
        scheduler.run()
        for thread in threads { thread.join() }
        world.check("in the end")
        if let copy = mirrored.withLock({ $0 }) { checkMirror(copy, world) }
        if seed % 4 == 0, world.ledger.breaches.isEmpty { world.collectAndCheck() }
        return world.ledger.breaches.isEmpty ? [] : world.ledger.story + world.ledger.breaches
    }

    private func cast(_ random: inout SeededBytes, hasMirror: Bool) -> [Cast] {
        var cast: [Cast] = []
        for _ in 0..<1 + random.below(3) {
            let contents = (0..<SimulationWorld.contentCount).filter { _ in random.below(3) == 0 }
            let backup = SimulatedBackup(
                contents: contents.isEmpty ? [1] : contents, checkpoints: random.below(4) == 0)
            cast.append(Cast(role: .writer) { _, repository, ledger in try backup.run(on: repository, ledger) })
        }
        for _ in 0..<1 + random.below(2) {
            let runs = 1 + random.below(2)
            var options: [CollectOptions] = []
            for _ in 0..<runs { options.append(Self.options(&random, jumps: !hasMirror)) }
            let all = options
            cast.append(
                Cast(role: .collector) { backend, repository, ledger in
                    for options in all { try SimulatedProgram.collect(repository, backend, ledger, options) }
                })
        }
        for _ in 0..<1 + random.below(2) {
            let edits = 1 + random.below(2)
            cast.append(
                Cast(role: .editor) { backend, repository, ledger in
                    for _ in 0..<edits { try? SimulatedProgram.edit(repository, backend, ledger) }
                })
        }
        if random.below(2) == 0 {
            cast.append(
                Cast(role: .reader) { backend, repository, ledger in
                    try SimulatedProgram.read(repository, backend, ledger)
                })
        }
        if random.below(3) > 0 {
            let count = 1 + random.below(4)
            cast.append(Cast(role: .judge) { backend, _, _ in try SimulatedProgram.judge(backend, count: count) })
        }
        return cast
    }

    /// A collector's options; its clock may be a year off.
    private static func options(_ random: inout SeededBytes, jumps: Bool) -> CollectOptions {
        var options = CollectOptions()
        options.maxUnused = [0, 0, 0.5][random.below(3)]
        options.verifiesEncoding = false
        if jumps { options.rewriteGrace = [0, 0, 86_400][random.below(3)] }
        let offsets = jumps ? [0, 0, 3_600, 90_000, SimulationClock.year, -SimulationClock.year] : [0]
        let now = SimulationClock.start + offsets[random.below(offsets.count)]
        options.now = { Timestamp(seconds: now, nanoseconds: 0) }
        return options
    }

    private static func fate(_ role: SimulatedRole, _ random: inout SeededBytes) -> SimulationScheduler.Fate {
        var fate = SimulationScheduler.Fate()
        // About as many operations as its verb takes.
        let length = role == .reader ? 25 : [60, 250][random.below(2)]
        if random.below(8) == 0 { fate.diesAt = 1 + random.below(length) }
        if random.below(2) == 0 {
            fate.sleepsAt = 1 + random.below(length)
            fate.sleepLength = 20 + random.below(400)
        }
        return fate
    }

    /// What counts in the copy and still counts in the original is whole in both.
    private func checkMirror(_ copy: MemoryBackend, _ world: SimulationWorld) {
        let mirror = SimulationWorld.repository(on: copy, like: world.repository)
        do {
            let standing = Set(try world.repository.snapshots().snapshots.map(\.id))
            for snapshot in try mirror.snapshots().snapshots where standing.contains(snapshot.id) {
                do {
                    try SimulationWorld.load(snapshot.manifest, from: mirror)
                } catch { world.ledger.breach("in the copy: snapshot \(snapshot.id.hex.prefix(8)): \(error)") }
            }
        } catch { world.ledger.breach("the copy: \(error)") }
    }
}
