import Testing

@Suite("Sessions and collection: every interleaving of a small model")
struct ModelTests {
    @Test("The protocol keeps its promises in every state", arguments: Scene.all)
    func keeps(scene: Scene) {
        let result = Model(scene).explore()
        print("model: \(scene.name): \(result.states) states, \(result.breach.map { "\($0)" } ?? "0 broken")")
        #expect(result.breach == nil, "\(result.trace.joined(separator: "\n"))")
    }

    @Test("Without any one of its rules it breaks them", arguments: BrokenRule.needed)
    func needs(rule: BrokenRule) {
        let result = Model(rule.scene, breaking: rule).explore()
        guard let breach = result.breach else {
            Issue.record("\(rule) is broken, and nobody notices in \(result.states) states")
            return
        }
        let end = result.trace.suffix(4).joined(separator: "; ")
        print("model: \(rule): \(breach) after \(result.trace.count) steps: ...; \(end)")
    }

    @Test("Two rules save space or are a second line: without them no data is lost", arguments: BrokenRule.spare)
    func spares(rule: BrokenRule) {
        for scene in [Scene.rewriting, .duplicates, .rewritingWithTwoCollectors, .undeleteWithTwoCollectors] {
            let result = Model(scene, breaking: rule).explore()
            #expect(result.breach == nil, "\(result.trace.joined(separator: "\n"))")
        }
    }
}

extension Scene {
    static let all: [Scene] = [
        writers, rewriting, reading, forgettingLate, undelete, undeleteWithTwoWriters, undeleteWithTwoCollectors,
        duplicates, rewritingWithTwoCollectors, manyHands,
    ]

    static let writers = Scene(name: "two writers, stale caches", packs: [1], writers: [1, 1], hasStaleCache: true)
    static let rewriting = Scene(name: "rewriting", packs: [3, 2], first: 1, writers: [2, 1], forgets: true)
    static let reading = Scene(
        name: "rewriting under a reader", packs: [3], first: 1, writers: [2], forgets: true, reads: true)
    static let forgettingLate = Scene(
        name: "forgetting what is being written", packs: [1, 3], writers: [1], target: 1, forgets: true,
        undeletes: true, reads: true)
    static let undelete = Scene(
        name: "undelete", packs: [1], first: 1, writers: [1], forgets: true, undeletes: true, reads: true)
    static let undeleteWithTwoWriters = Scene(
        name: "undelete, two writers", packs: [1], first: 1, writers: [1, 1], forgets: true, undeletes: true)
    static let undeleteWithTwoCollectors = Scene(
        name: "undelete, two collectors", packs: [1], first: 1, collectors: 2, forgets: true, undeletes: true,
        reads: true)
    static let duplicates = Scene(
        name: "duplicates, two collectors", packs: [1, 1], first: 1, writers: [1], collectors: 2, hasGrace: true)
    static let rewritingWithTwoCollectors = Scene(
        name: "rewriting, two collectors", packs: [3, 1], first: 1, writers: [2], collectors: 2, hasGrace: true)
    static let manyHands = Scene(
        name: "undelete, a writer, two collectors", packs: [1], first: 1, writers: [1], collectors: 2, forgets: true,
        undeletes: true)
}

extension Scene: CustomTestStringConvertible {
    var testDescription: String { name }
}

extension BrokenRule {
    static let spare: [BrokenRule] = [.condemnsBeforeReplacing, .unlinksPacks]
    static let needed = allCases.filter { !spare.contains($0) }

    /// A small scene in which it is missed.
    var scene: Scene {
        switch self {
        case .seenAfterListing, .listingBeforeSession, .usesCondemnedPacks, .skipsRecordsThatVanish, .trustsCache,
            .commitIsNotFenced, .indexBeforePacks, .manifestBeforeIndex, .manifestFirst, .doesNotWait,
            .doesNotLookAgain, .doesNotCompute, .oldManifests, .recordBeforePacks:
            .writers
        case .oldPacks, .copiesInOwnRecordCount, .oldIndexFirst: .rewriting
        case .undeleteWithoutWithdrawing, .undeleteAfterFinal, .oldRecords, .readersDoNotCount,
            .lateTombstonesAreDead, .removesUnnamedManifests, .packsBeforeManifests:
            .forgettingLate
        case .copiesInOtherRecordsCount: .duplicates
        case .newIndexIsNotFenced: .rewritingWithTwoCollectors
        case .undeleteLooksAgainInItsSession, .unlinksManifests, .unlinksIndex, .unlinksPacks, .leavesPacksUnindexed,
            .takeoverWithoutRename, .takeoverLeavesFolder, .folderMadeLate, .condemnsBeforeReplacing,
            .collectorsDoNotExclude, .recordIsNotFenced:
            .undeleteWithTwoCollectors
        }
    }
}
