/// What a writer does, one visible step after the other.
enum WriterStep {
    case open, beginCondemned, endCondemned, listPacks, readIndex
    case publishPack, publishIndex, commit
    // Of undelete.
    case withdraw, putRecord, check
}

extension Model {
    static func writerProgram(_ broken: BrokenRule?) -> [WriterStep] {
        let session: [WriterStep] = [.open, .beginCondemned, .endCondemned]
        let listing: [WriterStep] = [.listPacks, .readIndex]
        switch broken {
        case .seenAfterListing:
            return [.open] + listing + [.beginCondemned, .endCondemned, .publishPack, .publishIndex, .commit]
        case .listingBeforeSession: return listing + session + [.publishPack, .publishIndex, .commit]
        case .indexBeforePacks: return session + listing + [.publishIndex, .publishPack, .commit]
        case .manifestBeforeIndex: return session + listing + [.publishPack, .commit, .publishIndex]
        case .manifestFirst: return session + listing + [.commit, .publishPack, .publishIndex]
        default: return session + listing + [.publishPack, .publishIndex, .commit]
        }
    }

    static let undeleteProgram: [WriterStep] = [
        .open, .beginCondemned, .endCondemned, .withdraw, .putRecord, .check,
    ]

    /// The steps that writer `index` can take; 2 undeletes.
    func writerSteps(_ state: ModelState, _ index: Int, _ next: inout [Successor]) {
        let writer = state.writers[index]
        let program = index == 2 ? Self.undeleteProgram : writerProgram
        guard Int(writer.step) < program.count else { return }
        if index == 2, writer.step == 0, !state.tombstones.has(scene.target) { return }
        let step = program[Int(writer.step)]
        let actor: Actor = index == 2 ? .undeleter : .writer(index)
        var new = state
        new.writers[index].step += 1
        switch step {
        case .open:
            new.writers[index].isOpen = 1
            next.append(Successor(new, actor, "opens its session"))
        case .beginCondemned:
            new.writers[index].isListing = 1
            next.append(Successor(new, actor, "begins to list condemned/"))
        case .endCondemned: endCondemned(new, index, actor, &next)
        case .listPacks:
            new.writers[index].found = state.packs
            decide(&new, index, after: step)
            next.append(Successor(new, actor, "lists packs/"))
        case .readIndex: readIndex(new, index, actor, &next)
        case .publishPack, .publishIndex, .commit: publish(state, new, index, step, actor, &next)
        case .withdraw: withdraw(state, new, index, &next)
        case .putRecord: putRecord(state, new, index, &next)
        case .check:
            let needed = scene.blobs(snapshot: scene.target)
            let isWhole =
                state.manifests.has(scene.target) && needed & ~scene.blobs(packs: state.packs, state) == 0
            if !isWhole { new.breach = Breach.undeleteFailed.rawValue }
            finish(&new, index)
            next.append(Successor(new, actor, isWhole ? "says ok" : "says that packs are missing"))
        }
    }

    /// The names in condemned/ were listed and their records read. A record that was renamed meanwhile may have been
    /// missed under both names.
    private func endCondemned(_ state: ModelState, _ index: Int, _ actor: Actor, _ next: inout [Successor]) {
        let writer = state.writers[index]
        guard writer.isOpen != 0 else { return lose(state, index, actor, &next) }
        var present: Bits = 0
        for record in 0..<2 where state.records[record].stage != 0 { present |= 1 << Bits(record) }
        let raced = writer.raced & present
        var missed: Bits = 0
        repeat {
            listed(state, index, read: present & ~missed, unread: 0, actor, &next)
            if broken == .skipsRecordsThatVanish, writer.raced != 0 {
                listed(state, index, read: present & ~missed, unread: writer.raced, actor, &next)
            }
            missed = (missed &- raced) & raced
        } while missed != 0
    }

    /// `unread`: records whose names were written into `seen` though they had gone when they were to be read.
    private func listed(
        _ state: ModelState, _ index: Int, read: Bits, unread: Bits, _ actor: Actor, _ next: inout [Successor]
    ) {
        var new = state
        new.writers[index].raced = 0
        new.writers[index].isListing = 0
        new.writers[index].seen = read | unread
        if index == 2 {
            var pending: Bits = 0
            var isTooLate = false
            for record in members(read) where state.records[record].snapshots.has(scene.target) {
                if state.records[record].stage == ModelState.Record.waiting { pending |= 1 << Bits(record) }
                if state.records[record].stage == ModelState.Record.final { isTooLate = true }
            }
            new.writers[index].pending = pending
            if isTooLate && broken != .undeleteAfterFinal {
                finish(&new, index)
                next.append(Successor(new, actor, "says that it is too late"))
                return
            }
        } else {
            for record in members(read & ~unread) where broken != .usesCondemnedPacks {
                new.writers[index].excluded |= state.records[record].packs
            }
            decide(&new, index, after: .endCondemned)
        }
        next.append(Successor(new, actor, read | unread == 0 ? "writes an empty seen" : "writes seen"))
    }

    private func readIndex(_ state: ModelState, _ index: Int, _ actor: Actor, _ next: inout [Successor]) {
        for isStale in scene.hasStaleCache ? [false, true] : [false] {
            var new = state
            let named = isStale ? scene.start.packs | state.namedAlone : state.indexed
            let listed = broken == .trustsCache ? named : state.writers[index].found
            new.writers[index].found = listed & named
            decide(&new, index, after: .readIndex)
            next.append(Successor(new, actor, isStale ? "takes the index from its cache" : "reads the index"))
        }
    }

    /// After the last of its listings a writer knows which blobs it must store.
    private func decide(_ state: inout ModelState, _ index: Int, after step: WriterStep) {
        let last = writerProgram.lastIndex { $0 == .endCondemned || $0 == .readIndex }
        guard last.map({ writerProgram[$0] == step }) == true else { return }
        let usable = state.writers[index].found & ~state.writers[index].excluded
        state.writers[index].found = scene.writers[index] & ~scene.blobs(packs: usable, state)
        state.writers[index].excluded = 0
    }

    private func publish(
        _ state: ModelState, _ moved: ModelState, _ index: Int, _ step: WriterStep, _ actor: Actor,
        _ next: inout [Successor]
    ) {
        var new = moved
        let writer = state.writers[index]
        let pack = Scene.pack(writer: index, attempt: writer.attempt)
        if step != .commit && writer.found == 0 {
            // Nothing to store: the step is none.
            guard Int(new.writers[index].step) == writerProgram.count else { return writerSteps(new, index, &next) }
            finish(&new, index)
            return next.append(Successor(new, actor, "closes its session"))
        }
        let isFenced = step != .commit || broken != .commitIsNotFenced
        if isFenced && writer.isOpen == 0 { return lose(new, index, actor, &next) }
        let label: StaticString
        switch step {
        case .publishPack:
            new.store(writer.found, inPack: pack)
            label = "publishes its pack"
        case .publishIndex:
            new.namedAlone |= 1 << Bits(pack)
            label = "publishes its index file"
        default:
            new.manifests |= 1 << Bits(index + 1)
            new.saved |= 1 << Bits(index + 1)
            label = "commits its manifest"
        }
        if Int(new.writers[index].step) == writerProgram.count { finish(&new, index) }
        next.append(Successor(new, actor, label))
    }

    /// Its session is gone: it starts once anew, then gives up.
    private func lose(_ state: ModelState, _ index: Int, _ actor: Actor, _ next: inout [Successor]) {
        var new = state
        let attempt = state.writers[index].attempt
        finish(&new, index)
        if attempt == 0 && index < 2 {
            new.writers[index].step = 0
            new.writers[index].attempt = 1
        }
        next.append(Successor(new, actor, "finds its session gone"))
    }

    private func finish(_ state: inout ModelState, _ index: Int) {
        state.writers[index] = ModelState.Writer()
        state.writers[index].step = 15
    }

    // MARK: undelete

    private func withdraw(_ state: ModelState, _ moved: ModelState, _ index: Int, _ next: inout [Successor]) {
        let pending = state.writers[index].pending
        var new = moved
        guard pending != 0, broken != .undeleteWithoutWithdrawing else {
            guard state.manifests.has(scene.target) else {
                finish(&new, index)
                next.append(Successor(new, .undeleter, "finds its snapshot gone: too late"))
                return
            }
            next.append(Successor(new, .undeleter, "reads the manifest"))
            return
        }
        let record = pending.trailingZeroBitCount
        new.writers[index].pending &= ~(1 << Bits(record))
        if state.records[record].stage == ModelState.Record.waiting {
            new.records[record] = ModelState.Record()
            new.race(record)
            new.writers[index].step = state.writers[index].step
            next.append(Successor(new, .undeleter, "withdraws a record"))
        } else {
            // Its `seen` tells collectors that it knows this record: to look again takes another session.
            if broken == .undeleteLooksAgainInItsSession {
                new.writers[index].step = 1
            } else {
                new.writers[index] = ModelState.Writer()
            }
            next.append(Successor(new, .undeleter, "cannot withdraw, and begins anew"))
        }
    }

    private func putRecord(_ state: ModelState, _ moved: ModelState, _ index: Int, _ next: inout [Successor]) {
        guard state.writers[index].isOpen != 0 else { return lose(moved, index, .undeleter, &next) }
        var new = moved
        new.tombstones &= ~(1 << Bits(scene.target))
        next.append(Successor(new, .undeleter, "writes its record"))
    }
}

extension Bits {
    func has(_ index: Int) -> Bool { self >> Bits(index) & 1 != 0 }
}
