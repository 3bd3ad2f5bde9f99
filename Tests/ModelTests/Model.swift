/// Who takes a step.
enum Actor: CustomStringConvertible {
    case writer(Int), undeleter, reader, forgetter, collector(Int), judge

    var description: String {
        switch self {
        case .writer(let index): "writer \(index)"
        case .undeleter: "undelete"
        case .reader: "reader"
        case .forgetter: "forget"
        case .collector(let index): "collector \(index)"
        case .judge: "judge"
        }
    }
}

/// A state that one step leads to.
struct Successor {
    var state: ModelState
    let actor: Actor
    let label: StaticString

    init(_ state: ModelState, _ actor: Actor, _ label: StaticString) {
        self.state = state
        self.actor = actor
        self.label = label
    }
}

/// The protocol of sessions and collection (FORMAT.md section 12), as steps between states.
///
/// Each step is one visible act on the repository; everything may happen between two steps of an actor: it may never
/// wake up again (a crash), or be taken for dead although it lives, so that its session is gone when it wakes up.
struct Model {
    let scene: Scene
    let broken: BrokenRule?
    let writerProgram: [WriterStep]
    let endProgram: [CollectorStep]

    init(_ scene: Scene, breaking broken: BrokenRule? = nil) {
        self.scene = scene
        self.broken = broken
        writerProgram = Self.writerProgram(broken)
        endProgram = Self.endProgram(broken)
    }

    func successors(of state: ModelState, _ next: inout [Successor]) {
        next.removeAll(keepingCapacity: true)
        for writer in scene.writers.indices { writerSteps(state, writer, &next) }
        if scene.undeletes { writerSteps(state, 2, &next) }
        if scene.reads { readerSteps(state, &next) }
        if scene.forgets { forgetterSteps(state, &next) }
        for collector in 0..<scene.collectors { collectorSteps(state, collector, identity: collector, &next) }
        judgements(state, &next)
        for index in next.indices where next[index].state.breach == 0 {
            next[index].state.breach = breach(of: next[index].state)?.rawValue ?? 0
        }
    }

    /// Somebody takes a session for dead, rightly or not, and ends it.
    private func judgements(_ state: ModelState, _ next: inout [Successor]) {
        for writer in 0..<3 where state.writers[writer].isOpen != 0 {
            var new = state
            new.writers[writer].isOpen = 0
            next.append(
                Successor(new, .judge, writer == 2 ? "ends the session of undelete" : "ends a writer's session"))
        }
        for collector in 0..<scene.collectors where state.collectors[collector].isOpen != 0 {
            var new = state
            new.collectors[collector].isOpen = 0
            next.append(Successor(new, .judge, "ends a collector's session"))
        }
        if state.reader.isOpen != 0 {
            var new = state
            new.reader.isOpen = 0
            new.reader.isPromised = 0
            next.append(Successor(new, .judge, "ends the reader's session"))
        }
    }

    private func forgetterSteps(_ state: ModelState, _ next: inout [Successor]) {
        guard state.forgotten == 0, state.standing.has(scene.target) else { return }
        var new = state
        new.forgotten = 1
        new.tombstones |= 1 << Bits(scene.target)
        next.append(Successor(new, .forgetter, "writes a tombstone"))
    }

    /// Opens its session, reads the manifest, the index, the blobs; looks once more for what is missing.
    private func readerSteps(_ state: ModelState, _ next: inout [Successor]) {
        let reader = state.reader
        var new = state
        new.reader.step += 1
        let needed = scene.blobs(snapshot: scene.target)
        func finish(_ label: StaticString, _ breach: Breach? = nil) {
            new.reader = ModelState.Reader(step: 15)
            new.breach = breach?.rawValue ?? 0
            next.append(Successor(new, .reader, label))
        }
        let isGone = !state.manifests.has(scene.target)
        let lost = reader.isPromised != 0 ? Breach.readerLostSnapshot : nil
        switch reader.step {
        case 0:
            guard state.saved.has(scene.target) else { return }
            new.reader.isOpen = 1
            let isDoomed = (0..<2).contains {
                state.records[$0].stage == ModelState.Record.final && state.records[$0].snapshots.has(scene.target)
            }
            new.reader.isPromised = isGone || isDoomed ? 0 : 1
            next.append(Successor(new, .reader, "opens its session"))
        case 1:
            if isGone { return finish("finds its snapshot gone", lost) }
            next.append(Successor(new, .reader, "reads the manifest"))
        case 2:
            new.reader.found = state.indexed
            next.append(Successor(new, .reader, "reads the index"))
        case 3:
            if needed & ~scene.blobs(packs: reader.found & state.packs, state) == 0 { return finish("reads all") }
            new.reader.found = 0
            next.append(Successor(new, .reader, "misses a blob"))
        case 4:
            if needed & ~scene.blobs(packs: state.packs, state) == 0 { return finish("finds it by a second look") }
            next.append(Successor(new, .reader, "misses it again"))
        case 5:
            isGone ? finish("finds its snapshot gone", lost) : finish("reports damage", .falseDamage)
        default: break
        }
    }

    // MARK: promises

    /// The first promise that the repository breaks.
    func breach(of state: ModelState) -> Breach? {
        let standing = state.saved & ~state.tombstones
        if standing & ~state.manifests != 0 { return .lostManifest }
        let needed = scene.blobs(snapshots: standing)
        if needed & ~scene.blobs(packs: state.packs, state) != 0 { return .lostBlob }
        // What a collection is about to remove has left the index; if it stays after all, it returns before the record
        // goes. Until then a reader finds it in the ends of packs.
        let found = state.packs & (state.indexed | finalPacks(state))
        if needed & ~scene.blobs(packs: found, state) != 0 { return .unindexedBlob }
        return nil
    }

    private func finalPacks(_ state: ModelState) -> Bits {
        var packs: Bits = 0
        for record in 0..<2 where state.records[record].stage == ModelState.Record.final {
            packs |= state.records[record].packs
        }
        return packs
    }

    /// Everybody has finished or died, every session has ended; then a collector comes and finds nothing in its way.
    /// Returns the promise that is broken on its way or when it is done.
    func breachOfLastCollection(after state: ModelState, _ next: inout [Successor]) -> Breach? {
        var state = state
        for writer in 0..<3 { state.writers[writer] = ModelState.Writer() }
        state.reader = ModelState.Reader()
        for collector in 0..<2 { state.collectors[collector] = ModelState.CollectorState() }
        for _ in 0..<100 {
            next.removeAll(keepingCapacity: true)
            collectorSteps(state, 0, identity: 2, &next)
            guard let step = next.first else { break }
            state = step.state
            if let breach = breach(of: state) { return breach }
        }
        guard state.collectors[0].step == CollectorStep.done.rawValue else { return .stuck }
        let needed = scene.blobs(snapshots: state.standing)
        let isClean =
            state.manifests & state.tombstones == 0 && state.condemned == 0 && state.records[0].stage == 0
            && state.records[1].stage == 0 && state.indexed & ~state.packs == 0
            && members(state.packs).allSatisfy { scene.blobs(pack: $0, state) & ~needed == 0 }
        return isClean ? nil : .leftover
    }
}
