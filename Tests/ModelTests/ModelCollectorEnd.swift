/// What a collector computes, and how it removes.
extension Model {
    /// Phase 1. Tombstoned manifests that no reader names go, and packs whose live blobs lie in others or can be moved.
    /// `missing`: records that the listing of condemned/ missed.
    func plan(_ state: inout ModelState, _ index: Int, missing: Bits) {
        state.collectors[index].hasPlanned = 1
        state.collectors[index].raced = 0
        var condemned: Bits = 0
        for record in 0..<2 where state.records[record].stage != 0 && !missing.has(record) {
            condemned |= state.records[record].packs
        }
        var going = state.manifests & state.tombstones & ~readBits(state)
        for record in 0..<2 where state.records[record].stage != 0 && !missing.has(record) {
            going &= ~state.records[record].snapshots
        }
        let live = scene.blobs(snapshots: state.manifests & ~going)
        let present = broken == .copiesInOtherRecordsCount ? state.packs : state.packs & ~condemned
        var kept: Bits = 0
        // A pack that no index file names may not be durable: it counts as nobody's copy.
        for pack in members(present & state.indexed) {
            let blobs = scene.blobs(pack: pack, state)
            if blobs != 0 && blobs & ~live == 0 { kept |= 1 << Bits(pack) }
        }
        for pack in members(kept & ~(broken == .copiesInOtherRecordsCount ? condemned : 0)) {
            let others = kept & ~(1 << Bits(pack))
            if scene.blobs(pack: pack, state) & ~scene.blobs(packs: others, state) == 0 { kept = others }
        }
        let moved = live & scene.blobs(packs: present & ~kept, state) & ~scene.blobs(packs: kept, state)
        let packs = present & ~kept & ~condemned
        if broken == .oldManifests || broken == .oldRecords || broken == .oldPacks {
            state.collectors[index].oldManifests = state.manifests
            state.collectors[index].oldTombstones = state.tombstones
            state.collectors[index].oldPacks = state.packs
        }
        guard packs | going != 0 else {
            state.collectors[index].step = CollectorStep.look.rawValue
            return
        }
        state.collectors[index].packs = packs
        state.collectors[index].snapshots = going
        state.collectors[index].live = moved
        let isReplacing = moved != 0 && broken != .condemnsBeforeReplacing
        state.collectors[index].step = (isReplacing ? CollectorStep.publishPack : .condemn).rawValue
    }

    /// Snapshots that open readers name.
    private func readBits(_ state: ModelState) -> Bits {
        state.reader.isOpen != 0 && broken != .readersDoNotCount ? 1 << Bits(scene.target) : 0
    }

    /// After the point of no return: sessions again, manifests and records, readers, packs, condemned.
    func computeAgain(
        _ state: ModelState, _ index: Int, _ step: CollectorStep, _ actor: Actor, _ next: inout [Successor]
    ) {
        var new = state
        let collector = state.collectors[index]
        let record = state.records[Int(collector.record)]
        let isOld = collector.hasPlanned != 0
        new.collectors[index].step += 1
        switch step {
        case .listManifests:
            let waits = broken != .doesNotWait && broken != .doesNotLookAgain
            guard !waits || isSeen(state, Int(collector.record)) else { return }
            let manifests = isOld && broken == .oldManifests ? collector.oldManifests : state.manifests
            let tombstones = isOld && broken == .oldRecords ? collector.oldTombstones : state.tombstones
            let named = broken == .removesUnnamedManifests ? manifests : record.snapshots
            new.collectors[index].snapshots = named & manifests & tombstones
            // Until the next step: the manifests that were found.
            new.collectors[index].live = broken == .lateTombstonesAreDead ? manifests & ~tombstones : manifests
            next.append(Successor(new, actor, "lists manifests and records"))
        case .listSessions:
            new.collectors[index].snapshots &= ~readBits(state)
            let staying = collector.live & ~new.collectors[index].snapshots | readBits(state) & state.manifests
            new.collectors[index].live = scene.blobs(snapshots: staying)
            next.append(Successor(new, actor, "lists the readers"))
        case .listPacks:
            new.collectors[index].raced = 0
            new.collectors[index].found = isOld && broken == .oldPacks ? collector.oldPacks : state.packs
            next.append(Successor(new, actor, "lists packs/"))
        default:
            next.append(decided(new, index, missing: 0, isOld: isOld))
            let missed = collector.raced & ~(1 << collector.record)
            if missed != 0 { next.append(decided(new, index, missing: missed, isOld: isOld)) }
        }
    }

    /// The packs that go: each live blob of them lies in another pack that is there, that an index file names, and that
    /// no record names. `missing`: records that the listing of condemned/ missed.
    private func decided(_ state: ModelState, _ index: Int, missing: Bits, isOld: Bool) -> Successor {
        var new = state
        let collector = state.collectors[index]
        let record = state.records[Int(collector.record)]
        var condemned: Bits = broken == .copiesInOwnRecordCount ? 0 : record.packs
        for other in 0..<2 where state.records[other].stage != 0 && !missing.has(other) {
            if other != Int(collector.record) && broken != .copiesInOtherRecordsCount {
                condemned |= state.records[other].packs
            }
        }
        let safe = collector.found & ~condemned & (isOld && broken == .oldPacks ? ~0 : state.indexed)
        var packs = record.packs & state.packs
        for pack in members(packs) {
            let needed = scene.blobs(pack: pack, state) & collector.live
            if needed & ~scene.blobs(packs: safe & ~(1 << Bits(pack)), state) != 0 { packs &= ~(1 << Bits(pack)) }
        }
        if broken == .doesNotCompute {
            packs = record.packs & state.packs
            new.collectors[index].snapshots = record.snapshots
        }
        new.collectors[index].packs = packs
        new.collectors[index].found = 0
        new.collectors[index].live = 0
        new.collectors[index].raced = 0
        new.collectors[index].oldPacks = 0
        new.collectors[index].oldManifests = 0
        new.collectors[index].oldTombstones = 0
        new.collectors[index].step = endProgram[0].rawValue
        return Successor(new, .collector(index), "lists condemned/ and decides")
    }

    /// Whether the collector's folder is still there: nobody took the record over.
    private func ownsFolder(_ state: inout ModelState, _ index: Int) -> Bool {
        let collector = state.collectors[index]
        let record = Int(collector.record)
        if broken == .folderMadeLate { state.records[record].folders |= collector.name }
        if broken == .takeoverWithoutRename || broken == .recordBeforePacks { return true }
        return state.records[record].folders & collector.name != 0
    }

    func finishing(
        _ state: ModelState, _ index: Int, _ identity: Int, _ step: CollectorStep, _ actor: Actor,
        _ next: inout [Successor]
    ) {
        var new = state
        let collector = state.collectors[index]
        let record = Int(collector.record)
        let owns = ownsFolder(&new, index)
        func fail(_ label: StaticString) {
            end(&new, index)
            next.append(Successor(new, actor, label))
        }
        switch step {
        case .newIndex, .oldIndex:
            let named = (0..<4).filter { state.sharedIndex[$0] & collector.packs != 0 }
            let rest = named.reduce(collector.found) { $0 | state.sharedIndex[$1] } & ~collector.packs
            if step == .newIndex {
                guard rest != 0 else { return advanceSilently(new, index, identity, step, &next) }
                let isFenced = broken != .newIndexIsNotFenced
                guard !isFenced || collector.isOpen != 0 else { return fail("finds its session gone") }
                new.sharedIndex[1 + identity] = rest
                new.collectors[index].found = 0
                return advance(new, index, step, "publishes the new index", actor, &next)
            }
            guard state.indexed & collector.packs != 0 else {
                return advanceSilently(new, index, identity, step, &next)
            }
            guard owns || broken == .unlinksIndex else { return fail("finds its folder gone") }
            for file in named { new.sharedIndex[file] = 0 }
            new.namedAlone &= ~collector.packs
            if broken == .oldIndexFirst { new.collectors[index].found = rest }
            advance(new, index, step, "removes old index files", actor, &next)
        case .removeManifests:
            guard collector.snapshots != 0 else { return advanceSilently(new, index, identity, step, &next) }
            guard owns || broken == .unlinksManifests else { return fail("finds its folder gone") }
            new.manifests &= ~collector.snapshots
            new.collectors[index].snapshots = 0
            advance(new, index, step, "removes manifests", actor, &next)
        case .removePacks:
            let present = collector.packs & state.packs
            guard present != 0 else { return advanceSilently(new, index, identity, step, &next) }
            guard owns || broken == .unlinksPacks else { return fail("finds its folder gone") }
            new.packs &= ~(present & (0 &- present))
            next.append(Successor(new, actor, "removes a pack"))
        case .indexWhatStays:
            let stays = state.records[record].packs & state.packs & ~state.indexed
            guard stays != 0, owns else { return advanceSilently(new, index, identity, step, &next) }
            guard collector.isOpen != 0 else { return fail("finds its session gone") }
            new.namedAlone |= stays
            advance(new, index, step, "indexes packs that stay", actor, &next)
        default:
            if state.records[record].name == collector.name, state.records[record].stage != 0 {
                new.records[record] = ModelState.Record()
                new.race(record)
            }
            advance(new, index, step, "removes its record", actor, &next)
        }
    }

    /// A step that has nothing to do is none.
    private func advanceSilently(
        _ state: ModelState, _ index: Int, _ identity: Int, _ step: CollectorStep, _ next: inout [Successor]
    ) {
        collectorSteps(advanced(state, index, step), index, identity: identity, &next)
    }

    private func advance(
        _ state: ModelState, _ index: Int, _ step: CollectorStep, _ label: StaticString, _ actor: Actor,
        _ next: inout [Successor]
    ) {
        next.append(Successor(advanced(state, index, step), actor, label))
    }

    private func advanced(_ state: ModelState, _ index: Int, _ step: CollectorStep) -> ModelState {
        var new = state
        let at = endProgram.firstIndex(of: step) ?? 0
        if at + 1 < endProgram.count {
            new.collectors[index].step = endProgram[at + 1].rawValue
            return new
        }
        let old = state.collectors[index]
        new.collectors[index] = ModelState.CollectorState()
        new.collectors[index].step = CollectorStep.look.rawValue
        new.collectors[index].isOpen = old.isOpen
        new.collectors[index].rounds = old.rounds
        new.collectors[index].hasPlanned = old.hasPlanned
        return new
    }
}
