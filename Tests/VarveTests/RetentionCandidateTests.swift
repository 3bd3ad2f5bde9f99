import Testing
import Varve
import VarveFormat

@Suite("Retention of a repository's snapshots")
struct RetentionCandidateTests {
    @Test("what records say of snapshots counts: pins, holds, tags, and what is deleted already")
    func statements() throws {
        let fixture = try StatementFixture()
        let editor = SnapshotEditor(repository: fixture.repository)
        var ids: [SnapshotID] = []
        for number in 1...8 {
            ids.append(try fixture.manifest(Int64(number) * 60, tips: ids.suffix(1), sequence: number) {
                if number == 4 { $0.state = .interrupted }
                if number == 5 { $0.origin = .safety }
                $0.tags = number == 6 ? ["dull"] : []
                $0.bytes.stored = 100
            })
        }
        try editor.pin([ids[0]], true)
        try editor.hold([ids[1]], until: Timestamp(seconds: 1 << 40))
        try editor.tag([ids[2]], .change(add: ["good"], remove: []))
        try editor.tag([ids[5]], .change(add: [], remove: ["dull"]))
        try editor.delete([ids[7]], reason: "delete", includesSafety: false)
        var policy = RetentionPolicy()
        policy.keepLast = .count(1)
        policy.keepTags = ["good", "dull"]
        let candidates = try fixture.repository.snapshots().snapshots.map(RetentionCandidate.init)
        #expect(candidates.allSatisfy { $0.bytesStored == 100 })
        let plan = try RetentionFixture.plan(candidates, policy)
        #expect(Set(plan.dropped) == [ids[3], ids[5]])
        try editor.delete(plan.dropped, reason: "forget", includesSafety: false)
        #expect(try fixture.repository.snapshots().snapshots.map(\.id) == [6, 4, 2, 1, 0].map { ids[$0] })
    }

    @Test("a machine that remembers when it saw each snapshot is not deceived by their clocks")
    func memory() throws {
        let fixture = try StatementFixture()
        let now = Timestamp.now()
        let day: Int64 = 86_400
        let old = try fixture.manifest(now.seconds - 3 * day)
        let repository = try fixture.remembering()
        _ = try repository.snapshots()
        let ahead = try fixture.manifest(now.seconds + 300 * day, tips: [old], sequence: 2)
        let plan = try RetentionFixture.plan(
            try repository.snapshots().snapshots.map(RetentionCandidate.init), .init(.daily, .count(2)), now: .now())
        let forged = try #require(plan.decisions.first { $0.id == ahead })
        #expect(forged.time.seconds - now.seconds < day)
        #expect(plan.keptIDs == [old, ahead])
    }
}
