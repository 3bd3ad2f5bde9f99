import CSys
import Glibc
import Testing
import Varve
import VarveFormat

@Suite struct InPlaceRestoreTests {
    private func differences(_ left: [String: String], _ right: [String: String]) -> [String] {
        Set(left.keys).union(right.keys).sorted().filter { left[$0] != right[$0] }
            .map { "\($0): \(left[$0] ?? "absent") | \(right[$0] ?? "absent")" }
    }

    /// The old and the new state, and the steps between them.
    private struct States {
        let fixture: InPlaceFixture
        let snapshot: Snapshot
        let old: [String: String]
        let new: [String: String]
        let steps: Int
    }

    private func states() throws -> States {
        let fixture = try InPlaceFixture()
        let snapshot = try fixture.captureAndChange()
        let old = try fixture.image()
        let probe = StepProbe()
        let report = try fixture.restore(snapshot) { $0.probe = probe.probe }
        #expect(report.errors.isEmpty && report.safetySnapshotID != nil)
        let new = try fixture.image()
        #expect(try fixture.undo())
        #expect(differences(try fixture.image(), old).filter { !$0.contains("linked") } == [])
        return States(fixture: fixture, snapshot: snapshot, old: old, new: new, steps: probe.steps)
    }

    @Test func `The restored state is the recorded one, and an undo brings the old one back`() throws {
        let fixture = try InPlaceFixture()
        let snapshot = try fixture.captureAndChange()
        let old = try fixture.image()
        let report = try fixture.restore(snapshot)
        #expect(report.errors.isEmpty, "\(report.errors)")
        #expect(fixture.text("changed") == "recorded" && fixture.text("kept/extra") == nil)
        #expect(fixture.text("becomes-file/in-it") == "recorded" && fixture.text("gone/below/file") == "recorded")
        #expect(fixture.text("kept/linked") == "recorded twice" && fixture.text("symbolic") == "recorded")
        let safety = try #require(report.safetySnapshotID)
        let list = try fixture.repository().snapshots()
        let made = try #require(list.snapshots.first { $0.id == safety })
        #expect(made.manifest.origin == .safety && made.tags == ["safety"])
        #expect(made.manifest.name == "pre-restore-\(snapshot.id.hex.prefix(12))")
        #expect(!made.manifest.paths.contains(fixture.path("same")))
        #expect(made.manifest.paths.contains(fixture.path("changed")))
        #expect(try fixture.undo())
        #expect(differences(old, try fixture.image()) == [])
        #expect(try !fixture.undo())
    }

    @Test func `Ended before any step, an undo brings the old state back, and the same restore the new one`() throws {
        let states = try states()
        #expect(states.steps > 20)
        for step in 0..<states.steps {
            for undoes in [true, false] {
                let fixture = try InPlaceFixture()
                let snapshot = try fixture.captureAndChange()
                let old = try fixture.image()
                let probe = StepProbe(endingAt: step)
                let report = try? fixture.restore(snapshot) { $0.probe = probe.probe }
                #expect(report == nil || report?.isAbandoned == true)
                if undoes {
                    _ = try fixture.undo()
                    let left = differences(old, try fixture.image())
                    #expect(left == [], "step \(step): \(left)")
                } else {
                    let report = try fixture.restore(snapshot)
                    #expect(report.errors.isEmpty)
                    let left = differences(states.new, try fixture.image())
                    #expect(left == [], "step \(step): \(left)")
                }
            }
        }
    }

    @Test func `A failure before any step leaves the old state by itself`() throws {
        let steps = try states().steps
        for step in 0..<steps {
            let fixture = try InPlaceFixture()
            let snapshot = try fixture.captureAndChange()
            let old = try fixture.image()
            let probe = StepProbe(endingAt: step, leavesAll: false)
            if let report = try? fixture.restore(snapshot, { $0.probe = probe.probe }), !report.isAbandoned {
                // Everything was restored, and only clearing up failed.
                #expect(fixture.text("changed") == "recorded")
                #expect(try fixture.undo())
            }
            let left = differences(old, try fixture.image())
            #expect(left == [], "step \(step): \(left)")
        }
    }

    @Test func `An undo ended before any step is begun anew by an undo, and taken back by the same restore`() throws {
        let counter = StepProbe()
        let whole = try InPlaceFixture()
        try whole.restore(try whole.captureAndChange())
        #expect(try whole.undo { $0.probe = counter.probe })
        #expect(counter.steps > 20)
        for step in 0..<counter.steps {
            for undoes in [true, false] {
                let fixture = try InPlaceFixture()
                let snapshot = try fixture.captureAndChange()
                let old = try fixture.image()
                try fixture.restore(snapshot)
                let new = try fixture.image()
                let probe = StepProbe(endingAt: step)
                _ = try? fixture.undo { $0.probe = probe.probe }
                #expect(probe.steps > step)
                if undoes {
                    #expect(try fixture.undo())
                } else {
                    #expect(try fixture.restore(snapshot).errors.isEmpty)
                }
                let left = differences(undoes ? old : new, try fixture.image())
                #expect(left == [], "step \(step), \(undoes ? "undo" : "restore"): \(left)")
            }
        }
    }

    @Test func `Another restore is refused until an interrupted undo was given again`() throws {
        let fixture = try InPlaceFixture()
        let snapshot = try fixture.captureAndChange()
        let old = try fixture.image()
        try fixture.restore(snapshot)
        #expect(throws: StoreError.self) {
            try fixture.undo { options in
                options.probe = RestoreProbe(leavesAll: true) { what throws(StoreError) in
                    if what == "commit" { throw StoreError(.failed, "ended before the commit") }
                }
            }
        }
        let error = #expect(throws: StoreError.self) { try fixture.restore(snapshot) { $0.deletes = false } }
        #expect(error?.code == .refused)
        #expect(try fixture.undo())
        #expect(differences(old, try fixture.image()) == [])
        try fixture.restore(snapshot) { $0.deletes = false }
    }
}
