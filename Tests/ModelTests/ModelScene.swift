/// What the model begins with, and who takes part.
struct Scene {
    var name: String
    /// The blobs of up to three packs that one index file names.
    var packs: [Bits]
    /// The blobs of snapshot 0, which is there from the start; nil if there is none.
    var first: Bits? = nil
    var isFirstForgotten = false
    /// The blobs of snapshots 1 and 2, which the writers make.
    var writers: [Bits] = []
    var collectors = 1
    /// The snapshot that is forgotten, undeleted and read.
    var target = 0
    var forgets = false
    var undeletes = false
    var reads = false
    /// Writers may hold the index as it was at the start.
    var hasStaleCache = false
    /// A collector may leave a waiting record alone (its grace is not over) and plan anew.
    var hasGrace = false

    static let firstNewPack = 3
    /// The pack of a writer's attempt.
    static func pack(writer: Int, attempt: Bits) -> Int { firstNewPack + 2 * writer + Int(attempt) }
    /// The replacement pack of a collector.
    static func pack(collector: Int) -> Int { firstNewPack + 4 + collector }
}

/// A rule of the protocol that the model can break, so that it is seen to be needed.
enum BrokenRule: String, CaseIterable {
    // Writers.
    case seenAfterListing, listingBeforeSession, usesCondemnedPacks, skipsRecordsThatVanish, trustsCache
    case commitIsNotFenced, indexBeforePacks, manifestBeforeIndex, manifestFirst
    // Undelete.
    case undeleteWithoutWithdrawing, undeleteAfterFinal, undeleteLooksAgainInItsSession
    // Collectors: phases.
    case doesNotWait, doesNotLookAgain, doesNotCompute, oldManifests, oldRecords, oldPacks
    case copiesInOwnRecordCount, copiesInOtherRecordsCount, readersDoNotCount, lateTombstonesAreDead
    case removesUnnamedManifests
    // Collectors: the end.
    case oldIndexFirst, packsBeforeManifests, recordBeforePacks, unlinksManifests, unlinksIndex, unlinksPacks
    case leavesPacksUnindexed
    // Takeover.
    case takeoverWithoutRename, takeoverLeavesFolder, folderMadeLate
    case collectorsDoNotExclude, recordIsNotFenced, newIndexIsNotFenced
    // Not missed when it is broken.
    case condemnsBeforeReplacing
}

extension Scene {
    var start: ModelState {
        var state = ModelState()
        state.packs = (1 << Bits(packs.count)) - 1
        state.sharedIndex[0] = state.packs
        if first != nil {
            state.manifests = 1
            state.saved = 1
            if isFirstForgotten { state.tombstones = 1 }
        }
        return state
    }

    func blobs(snapshot: Int) -> Bits {
        snapshot == 0 ? first ?? 0 : writers[snapshot - 1]
    }

    /// The blobs that a set of snapshots needs.
    func blobs(snapshots: Bits) -> Bits {
        var blobs: Bits = 0
        for snapshot in members(snapshots) { blobs |= self.blobs(snapshot: snapshot) }
        return blobs
    }

    func blobs(pack: Int, _ state: ModelState) -> Bits {
        if pack < packs.count { return packs[pack] }
        return pack < Self.firstNewPack ? 0 : (state.contents >> Bits(2 * (pack - Self.firstNewPack))) & 3
    }

    /// The blobs that a set of packs holds.
    func blobs(packs: Bits, _ state: ModelState) -> Bits {
        var blobs: Bits = 0
        for pack in members(packs) { blobs |= self.blobs(pack: pack, state) }
        return blobs
    }
}

extension ModelState {
    mutating func store(_ blobs: Bits, inPack pack: Int) {
        contents &= ~(3 << Bits(2 * (pack - Scene.firstNewPack)))
        contents |= blobs << Bits(2 * (pack - Scene.firstNewPack))
        packs |= 1 << Bits(pack)
    }
}
