import Synchronization
import Testing
import Varve
import VarveFormat

/// A collection that ends, sleeps or fails at any of its steps.
@Suite(.serialized) struct CollectorCrashTests {
    /// Two snapshots of three are deleted; small packs are to be merged; a condemned record waits from before.
    private struct Scene {
        let site: CollectionSite
        let source: SourceTree
        let kept: [SnapshotID]
        let deleted: SnapshotID

        init() throws {
            site = try CollectionSite()
            source = try SourceTree.varied(seed: 5)
            var ids: [SnapshotID] = []
            for round in 0..<4 {
                try source.write("noise", SeededBytes.of(UInt64(40 + round), count: 30_000))
                ids.append(try site.capture(source.state))
            }
            try site.delete(ids[0])
            try site.collect {
                $0.grace = 100
                $0.rewriteGrace = 100
            }
            site.pass(seconds: 101)
            try site.delete(ids[1])
            kept = [ids[2], ids[3]]
            deleted = ids[1]
        }
    }

    /// Runs `body` for step 0, 1, 2 ... of a collection in copies of the scene's repository, until one has fewer.
    private func forEachStep(
        _ scene: Scene, _ body: (_ number: Int, CollectionSite) throws -> SteppedBackend.Step?
    ) throws -> [String] {
        var steps: [String] = []
        while let step = try body(steps.count, try scene.site.copy()) {
            steps.append(step.description)
            try #require(steps.count < 1_000)
        }
        return steps
    }

    /// Counts steps; the `number`-th, and all after it where `stays`, throw.
    private final class Trap: Sendable {
        private let state = Mutex((count: 0, hit: SteppedBackend.Step?.none))
        private let number: Int
        private let stays: Bool

        init(_ number: Int, stays: Bool) {
            self.number = number
            self.stays = stays
        }

        var hit: SteppedBackend.Step? { state.withLock { $0.hit } }

        /// Whether this step is to fail.
        func isHit(by step: SteppedBackend.Step) -> Bool {
            state.withLock { state in
                defer { state.count += 1 }
                if state.count == number { state.hit = step }
                return stays ? state.count >= number : state.count == number
            }
        }
    }

    @Test("Killed at any step it leaves every snapshot whole, and the next one finishes")
    func killed() throws {
        let scene = try Scene()
        let steps = try forEachStep(scene) { number, site in
            let trap = Trap(number, stays: true)
            let backend = SteppedBackend(site.backend) { step throws(StoreError) in
                if trap.isHit(by: step) { throw StoreError(.failed, "killed") }
            }
            _ = try? site.collect(on: backend)
            guard let step = trap.hit else { return nil }
            try site.expectWhole(scene.kept, "killed before \(step)")
            try site.endProcesses()
            try site.collect()
            try site.expectWhole(scene.kept, "collected again after a kill before \(step)")
            try site.expectTidy("collected again after a kill before \(step)")
            return step
        }
        #expect(steps.count > 40)
        print("collector: killed at \(steps.count) steps")
    }

    @Test("A step that fails once ends it without harm, and the next one finishes")
    func failing() throws {
        let scene = try Scene()
        for code in [StoreError.Code.noSpace, .failed] {
            let steps = try forEachStep(scene) { number, site in
                let trap = Trap(number, stays: false)
                let backend = SteppedBackend(site.backend) { step throws(StoreError) in
                    let writes = code != .noSpace || ["put", "replace", "begin", "make"].contains(step.verb)
                    if writes, trap.isHit(by: step) { throw StoreError(code, "injected") }
                }
                _ = try? site.collect(on: backend)
                guard let step = trap.hit else { return nil }
                try site.expectWhole(scene.kept, "\(code) at \(step)")
                try site.endProcesses()
                try site.collect()
                try site.expectWhole(scene.kept, "collected again after \(code) at \(step)")
                try site.expectTidy("collected again after \(code) at \(step)")
                return step
            }
            print("collector: \(code) at \(steps.count) steps")
        }
    }

    @Test("On a full disk what needs no writing is freed all the same")
    func fullDisk() throws {
        let scene = try Scene()
        try scene.site.delete(scene.kept[0])
        let backend = SteppedBackend(scene.site.backend) { step throws(StoreError) in
            // Records fit, packs and index files do not.
            if step.verb == "begin" { throw StoreError(.noSpace, "full") }
        }
        let before = try scene.site.packs.count
        let report = try? scene.site.collect(on: backend)
        #expect(try scene.site.packs.count < before)
        #expect(report == nil || report?.ranOutOfSpace == true)
        try scene.site.endProcesses()
        try scene.site.collect()
        try scene.site.expectWhole([scene.kept[1]])
        try scene.site.expectTidy()
    }

    @Test("One that sleeps at any step, is judged dead, and wakes after another one was done, does no harm")
    func sleeping() throws {
        let scene = try Scene()
        let again = try SourceTree.varied(seed: 5).state
        let deleted = scene.deleted
        let steps = try forEachStep(scene) { number, site in
            let trap = Trap(number, stays: false)
            let backend = SteppedBackend(site.backend) { step throws(StoreError) in
                guard trap.isHit(by: step) else { return }
                do {
                    try site.endProcesses()
                    // Too late for the collector, or just in time.
                    try? site.undelete(deleted)
                    try site.collect()
                    // Whatever was deleted comes again.
                    try site.capture(again)
                } catch { throw error as? StoreError ?? StoreError(.failed, "\(error)") }
            }
            _ = try? site.collect(on: backend)
            guard let step = trap.hit else { return nil }
            try site.expectWhole(scene.kept, "slept before \(step)")
            try site.endProcesses()
            try site.collect()
            try site.expectWhole(scene.kept, "collected again after a sleep before \(step)")
            try site.expectTidy("collected again after a sleep before \(step)")
            return step
        }
        print("collector: slept at \(steps.count) steps")
    }

    @Test("A backup, or an undelete, at any step of a collection keeps what it needs", arguments: [true, false])
    func interleaved(backsUp: Bool) throws {
        let scene = try Scene()
        let (deleted, source) = (scene.deleted, scene.source.state)
        let steps = try forEachStep(scene) { number, site in
            let trap = Trap(number, stays: false)
            let kept = Mutex(scene.kept)
            let backend = SteppedBackend(site.backend) { step throws(StoreError) in
                guard trap.isHit(by: step) else { return }
                do {
                    if backsUp {
                        let id = try site.capture(source)
                        kept.withLock { $0.append(id) }
                    } else if (try? site.undelete(deleted)) != nil {
                        kept.withLock { $0.append(deleted) }
                    }
                } catch { throw error as? StoreError ?? StoreError(.failed, "\(error)") }
            }
            _ = try? site.collect(on: backend)
            guard let step = trap.hit else { return nil }
            let all = kept.withLock { $0 }
            try site.expectWhole(all, "before \(step)")
            try site.endProcesses()
            try site.collect()
            try site.expectWhole(all, "collected again, before \(step)")
            return step
        }
        print("collector: \(backsUp ? "a backup" : "an undelete") at \(steps.count) steps")
    }
}
