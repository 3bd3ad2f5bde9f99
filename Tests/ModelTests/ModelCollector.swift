/// What a collector does, one visible step after the other.
enum CollectorStep: Bits {
    case idle, look, takeFolder, takeRecord, plan, publishPack, publishIndex, condemn
    case makeFolder, makeFinal, listManifests, listSessions, listPacks, listCondemned
    case newIndex, oldIndex, removeManifests, removePacks, indexWhatStays, drop
    case done

    /// Whether a collector that stands before this step is within a listing of condemned/.
    static func isListing(_ step: Bits) -> Bool { step == plan.rawValue || step == listCondemned.rawValue }
}

extension Model {
    static func endProgram(_ broken: BrokenRule?) -> [CollectorStep] {
        switch broken {
        case .oldIndexFirst: [.oldIndex, .newIndex, .removeManifests, .removePacks, .indexWhatStays, .drop]
        case .packsBeforeManifests: [.newIndex, .oldIndex, .removePacks, .removeManifests, .indexWhatStays, .drop]
        case .recordBeforePacks: [.newIndex, .oldIndex, .removeManifests, .drop, .removePacks]
        case .leavesPacksUnindexed: [.newIndex, .oldIndex, .removeManifests, .removePacks, .drop]
        default: [.newIndex, .oldIndex, .removeManifests, .removePacks, .indexWhatStays, .drop]
        }
    }

    /// The steps that a collector can take. `identity` names its files: 2 is one that comes when all others are done.
    func collectorSteps(_ state: ModelState, _ index: Int, identity: Int, _ next: inout [Successor]) {
        let collector = state.collectors[index]
        guard let step = CollectorStep(rawValue: collector.step) else { return }
        let actor = Actor.collector(identity)
        var new = state
        switch step {
        case .done: return
        case .idle:
            // One at a time: another one must have ended or been judged dead. The second comes after the first.
            guard state.collectors[1 - index].isOpen == 0 || broken == .collectorsDoNotExclude else { return }
            if index == 1, identity == 1, state.collectors[0].step == 0 { return }
            new.collectors[index].isOpen = 1
            new.collectors[index].step = CollectorStep.look.rawValue
            next.append(Successor(new, actor, "opens its session"))
        case .look: look(state, index, actor, &next)
        case .takeFolder, .takeRecord: takeOver(state, index, identity, step, actor, &next)
        case .plan:
            plan(&new, index, missing: 0)
            next.append(Successor(new, actor, "computes what is live"))
            guard collector.raced != 0 else { return }
            new = state
            plan(&new, index, missing: collector.raced)
            next.append(Successor(new, actor, "misses a record, computes what is live"))
        case .publishPack, .publishIndex, .condemn: prepare(state, index, identity, step, actor, &next)
        case .makeFolder:
            guard broken == .doesNotWait || isSeen(state, Int(collector.record)) else { return }
            if broken != .folderMadeLate { new.records[Int(collector.record)].folders |= collector.name }
            new.collectors[index].step = CollectorStep.makeFinal.rawValue
            next.append(Successor(new, actor, "finds that all have seen its record"))
        case .makeFinal:
            let record = Int(collector.record)
            guard state.records[record].stage == ModelState.Record.waiting else {
                end(&new, index)
                return next.append(Successor(new, actor, "finds its record gone"))
            }
            new.records[record].stage = ModelState.Record.final
            new.race(record)
            new.collectors[index].step = CollectorStep.listManifests.rawValue
            next.append(Successor(new, actor, "makes its record final"))
        case .listManifests, .listSessions, .listPacks, .listCondemned:
            computeAgain(state, index, step, actor, &next)
        default: finishing(state, index, identity, step, actor, &next)
        }
    }

    /// Whether every open writer names the record in its `seen`.
    func isSeen(_ state: ModelState, _ record: Int) -> Bool {
        (0..<3).allSatisfy { state.writers[$0].isOpen == 0 || state.writers[$0].seen.has(record) }
    }

    func end(_ state: inout ModelState, _ index: Int) {
        state.collectors[index] = ModelState.CollectorState()
        state.collectors[index].step = CollectorStep.done.rawValue
    }

    /// Final records first: they are taken over. Waiting ones are gone on with, or left alone for their grace.
    private func look(_ state: ModelState, _ index: Int, _ actor: Actor, _ next: inout [Successor]) {
        let collector = state.collectors[index]
        func go(_ step: CollectorStep, _ record: Int, _ label: StaticString) {
            var new = state
            new.collectors[index].step = step.rawValue
            new.collectors[index].record = Bits(record)
            new.collectors[index].name = step == .plan ? 0 : state.records[record].name
            new.collectors[index].rounds += 1
            next.append(Successor(new, actor, label))
        }
        let final = (0..<2).first { state.records[$0].stage == ModelState.Record.final }
        let waiting = (0..<2).first { state.records[$0].stage == ModelState.Record.waiting }
        if let final, collector.rounds < 3 { return go(.takeFolder, final, "finds a final record") }
        if let waiting, collector.rounds < 3 {
            go(.makeFolder, waiting, "finds a waiting record")
            if !scene.hasGrace { return }
        }
        if collector.hasPlanned == 0 { return go(.plan, 0, "looks for records") }
        var new = state
        end(&new, index)
        next.append(Successor(new, actor, "is done"))
    }

    /// The folder first: from then on the former owner can remove nothing.
    private func takeOver(
        _ state: ModelState, _ index: Int, _ identity: Int, _ step: CollectorStep, _ actor: Actor,
        _ next: inout [Successor]
    ) {
        var new = state
        let record = Int(state.collectors[index].record)
        let old = state.collectors[index].name
        let name: Bits = 2 << Bits(identity)
        if broken == .takeoverWithoutRename {
            new.collectors[index].step = CollectorStep.listManifests.rawValue
            return next.append(Successor(new, actor, "goes on with the record"))
        }
        if step == .takeFolder {
            let folders = state.records[record].folders
            if broken != .takeoverLeavesFolder { new.records[record].folders &= ~old }
            if broken != .folderMadeLate || folders & old != 0 { new.records[record].folders |= name }
            new.collectors[index].step = CollectorStep.takeRecord.rawValue
            return next.append(Successor(new, actor, "takes over the folder"))
        }
        guard state.records[record].stage == ModelState.Record.final, state.records[record].name == old else {
            new.collectors[index].step = CollectorStep.look.rawValue
            return next.append(Successor(new, actor, "finds the record gone"))
        }
        new.records[record].name = name
        new.race(record)
        new.collectors[index].name = name
        new.collectors[index].step = CollectorStep.listManifests.rawValue
        next.append(Successor(new, actor, "takes over the record"))
    }

    /// Replacement packs and their index, then the record, all fenced by the session.
    private func prepare(
        _ state: ModelState, _ index: Int, _ identity: Int, _ step: CollectorStep, _ actor: Actor,
        _ next: inout [Successor]
    ) {
        var new = state
        let collector = state.collectors[index]
        guard collector.isOpen != 0 || (broken == .recordIsNotFenced && step == .condemn) else {
            end(&new, index)
            return next.append(Successor(new, actor, "finds its session gone"))
        }
        let pack = Scene.pack(collector: identity)
        switch step {
        case .publishPack:
            new.store(collector.live, inPack: pack)
            new.collectors[index].step = CollectorStep.publishIndex.rawValue
            next.append(Successor(new, actor, "publishes a replacement pack"))
        case .publishIndex:
            new.namedAlone |= 1 << Bits(pack)
            new.collectors[index].live = 0
            new.collectors[index].step =
                (broken == .condemnsBeforeReplacing ? CollectorStep.makeFolder : .condemn).rawValue
            next.append(Successor(new, actor, "publishes its index file"))
        default:
            let slot = state.records[identity & 1].stage == 0 ? identity & 1 : 1 - identity & 1
            new.records[slot] = ModelState.Record(
                stage: ModelState.Record.waiting, name: 1, folders: 0, packs: collector.packs,
                snapshots: collector.snapshots)
            new.collectors[index].record = Bits(slot)
            new.collectors[index].name = 1
            new.collectors[index].packs = 0
            new.collectors[index].snapshots = 0
            let isReplacing = broken == .condemnsBeforeReplacing && collector.live != 0
            new.collectors[index].step = (isReplacing ? CollectorStep.publishPack : .makeFolder).rawValue
            next.append(Successor(new, actor, "makes its record durable"))
        }
    }
}
