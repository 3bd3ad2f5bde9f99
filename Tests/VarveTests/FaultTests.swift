import Glibc
import Testing
import Varve
import VarveFormat

/// The n-th call to the storage fails, for every n: no false success, nothing earlier harmed, and the next run works.
@Suite(.serialized) struct FaultTests {
    struct Plan: Sendable, CustomTestStringConvertible {
        let name: String
        let kind: Fault.Kind
        var calls = Set(Fault.Call.allCases)
        var isLasting = false
        /// The code that every failure must have.
        var code: StoreError.Code?

        var testDescription: String { name }

        func fault(_ number: Int) -> Fault { Fault(number, kind, calls: calls, isLasting: isLasting) }
    }

    static let writing: Set<Fault.Call> = [.create, .write, .makeDirectory, .syncData, .syncDirectory, .rename]
    static let notListing = Set(Fault.Call.allCases).subtracting([.list])
    static let plans = [
        Plan(name: "a full disk once", kind: .error(ENOSPC), calls: writing, code: .noSpace),
        Plan(name: "a full disk from then on", kind: .error(ENOSPC), calls: writing, isLasting: true, code: .noSpace),
        Plan(name: "a used up quota", kind: .error(EDQUOT), calls: writing, isLasting: true, code: .noSpace),
        Plan(name: "an input/output error once", kind: .error(EIO), calls: notListing),
        Plan(name: "input/output errors from then on", kind: .error(EIO), calls: notListing, isLasting: true),
        Plan(name: "an input/output error in a listing", kind: .error(EIO), calls: [.list]),
        Plan(name: "a signal", kind: .error(EINTR), calls: notListing),
        Plan(name: "a read-only file system", kind: .error(EROFS), calls: writing, isLasting: true, code: .denied),
        Plan(name: "a short read or write", kind: .short, calls: [.read, .write]),
        Plan(name: "short reads and writes from then on", kind: .short, calls: [.read, .write], isLasting: true),
    ]

    private let key = [UInt8](repeating: 5, count: 32)

    private func create(_ layer: any FileLayer) throws(StoreError) {
        var options = Repository.CreateOptions()
        options.secret = CrashScene.secrets(key).first
        options.fileChunkAverage = 2_048
        _ = try Repository.create(on: LocalBackend(layer: layer), options: options, openOptions: .init())
    }

    private func open(_ layer: any FileLayer) throws(StoreError) -> Repository {
        var options = Repository.OpenOptions()
        options.secrets = CrashScene.secrets(key)
        options.threads = 1
        return try Repository.open(on: LocalBackend(layer: layer), options: options)
    }

    private func expect(_ source: SourceTree.State, is manifest: Manifest, in layer: MemoryFileLayer) throws {
        let contents = try SnapshotContents(try open(layer))
        let found = try contents.read(manifest, below: source.path)
        #expect(contents.problems.isEmpty)
        #expect(found == source.contents)
    }

    /// Nothing that has a name is damaged, and every manifest leads to all its content.
    private func expectWhole(_ layer: MemoryFileLayer, snapshots: ClosedRange<Int>) throws {
        var options = Verifier.Options()
        options.level = .data
        options.recordResult = false
        let repository = try open(layer)
        let report = try Verifier(repository: repository, options: options, progress: Progress()).run { finding in
            Issue.record("\(finding.message)")
        }
        #expect(report.result == .passed)
        #expect(snapshots.contains(try repository.snapshots().every.count))
    }

    private func expect(_ error: StoreError, fits plan: Plan, _ number: Int) {
        if let code = plan.code { #expect(error.code == code, "call \(number): \(error)") }
        #expect(plan.kind != .short, "call \(number): \(error)")
    }

    @Test("A backup throws or is whole, whatever call fails", arguments: plans)
    func backup(plan: Plan) throws {
        let base = MemoryFileLayer()
        try create(base)
        let source = try SourceTree.varied(seed: 61)
        let first = try CrashScene.archive(source.state, .full, try open(base)).manifest
        let before = source.state
        try source.write("noise", SeededBytes.of(62, count: 9_100))
        let start = base.disk
        var failures = 0
        var number = 0
        while true {
            let layer = MemoryFileLayer(start)
            let faulty = FaultyFileLayer(layer, plan.fault(number))
            let result = attempt { () throws(StoreError) in
                try CrashScene.archive(source.state, .full, try open(faulty))
            }
            switch result {
            case .success(let report):
                #expect(report.snapshotID != nil)
                try expect(source.state, is: report.manifest, in: layer)
                try expectWhole(layer, snapshots: 2...2)
            case .failure(let error):
                failures += 1
                expect(error, fits: plan, number)
                try expectWhole(layer, snapshots: 1...2)
            }
            try expect(before, is: first, in: layer)
            let next = try CrashScene.archive(source.state, .full, try open(layer))
            try expect(source.state, is: next.manifest, in: layer)
            guard faulty.hasFired else { break }
            number += plan.calls == [.list] ? step(after: number) : 1
        }
        print("faults: \(plan.name): \(number) calls of a backup, \(failures) times an error")
        #expect(number > 10)
    }

    @Test("Making a repository throws or makes a whole one, whatever call fails", arguments: plans)
    func creation(plan: Plan) throws {
        let source = try SourceTree.varied(seed: 71)
        var failures = 0
        var number = 0
        while true {
            let layer = MemoryFileLayer()
            let faulty = FaultyFileLayer(layer, plan.fault(number))
            let result = attempt { () throws(StoreError) in try create(faulty) }
            if case .failure(let error) = result {
                failures += 1
                expect(error, fits: plan, number)
            }
            switch attempt({ () throws(StoreError) in try open(layer) }) {
            case .success(let repository):
                let report = try CrashScene.archive(source.state, .full, repository)
                try expect(source.state, is: report.manifest, in: layer)
            case .failure(let error):
                // What a failed init leaves is no repository, or one that works.
                #expect(error.code == .noRepository, "call \(number): \(error)")
                if case .success = result { Issue.record("call \(number): a false success") }
            }
            guard faulty.hasFired else { break }
            number += step(after: number)
        }
        print("faults: \(plan.name): \(number) calls of init, \(failures) times an error")
    }

    static let readingPlans = [
        Plan(name: "an input/output error once", kind: .error(EIO), calls: notListing),
        Plan(name: "input/output errors from then on", kind: .error(EIO), calls: notListing, isLasting: true),
        Plan(name: "an input/output error in a listing", kind: .error(EIO), calls: [.list]),
        Plan(name: "a read-only place", kind: .error(EROFS), calls: writing, isLasting: true),
        Plan(name: "short reads from then on", kind: .short, calls: [.read], isLasting: true),
    ]

    /// A repository with one snapshot of a source without special files, which diff cannot compare.
    private func captured(_ layer: MemoryFileLayer) throws -> (source: SourceTree, id: SnapshotID) {
        try create(layer)
        let source = try SourceTree.varied(seed: 81)
        try source.remove("pipe")
        let report = try CrashScene.archive(source.state, .full, try open(layer))
        return (source, try #require(report.snapshotID))
    }

    @Test("A restore throws, names what is missing, or is exact, whatever call fails", arguments: readingPlans)
    func restore(plan: Plan) throws {
        let base = MemoryFileLayer()
        let (source, id) = try captured(base)
        var failures = 0
        var number = 0
        while true {
            let faulty = FaultyFileLayer(MemoryFileLayer(base.disk), plan.fault(number))
            let target = try TemporaryDirectory()
            let result = attempt { () throws(StoreError) -> RestoreReport in
                let repository = try open(faulty)
                guard let snapshot = try repository.snapshots().snapshots.first(where: { $0.id == id }) else {
                    throw StoreError(.notFound, "the snapshot is not listed")
                }
                var options = Restorer.Options()
                options.target = Array(target.path.utf8)
                options.subpath = source.path
                return try Restorer(
                    repository: repository, snapshot: snapshot, options: options, progress: Progress()
                ).run()
            }
            if case .success(let report) = result, report.errorsTotal == 0 {
                let original = String(decoding: source.path, as: UTF8.self)
                let isSame = Tool.run("/usr/bin/diff", ["-r", "--no-dereference", original, target.path])
                #expect(isSame, "call \(number): a false success")
            } else {
                failures += 1
                #expect(plan.kind != .short && plan.name != "a read-only place", "call \(number): \(result)")
            }
            guard faulty.hasFired else { break }
            number += plan.calls == [.list] ? step(after: number) : 1
        }
        print("faults: \(plan.name): \(number) calls of a restore, \(failures) times an error")
    }

    @Test("A verification that could not read something does not pass", arguments: readingPlans)
    func verification(plan: Plan) throws {
        var plan = plan
        // What it writes is its session, without which it goes on.
        if plan.calls == Self.notListing { plan.calls = [.open, .size, .read, .entry] }
        let base = MemoryFileLayer()
        _ = try captured(base)
        var failures = 0
        var number = 0
        while true {
            let faulty = FaultyFileLayer(MemoryFileLayer(base.disk), plan.fault(number))
            var warnings: [String] = []
            let result = attempt { () throws(StoreError) -> VerifyReport in
                let repository = try open(faulty)
                warnings = repository.warnings
                var options = Verifier.Options()
                options.level = .data
                options.recordResult = false
                return try Verifier(repository: repository, options: options, progress: Progress()).run { _ in }
            }
            guard faulty.hasFired else {
                #expect((try? result.get().result) == .passed)
                break
            }
            if case .success(let report) = result, report.result == .passed {
                // The copy of config in a key slot may stand in for config, with a warning; a place that cannot be
                // written, and short reads, harm nothing.
                let isHarmless = plan.kind == .short || plan.calls == Self.writing || !warnings.isEmpty
                #expect(isHarmless, "call \(number): a false success")
            } else {
                failures += 1
                #expect(plan.kind != .short && plan.calls != Self.writing, "call \(number): \(result)")
            }
            number += plan.calls == [.list] ? step(after: number) : 1
        }
        print("faults: \(plan.name): \(number) calls of a verification, \(failures) times an error")
    }

    /// The 512 directories of packs are alike.
    private func step(after number: Int) -> Int { number > 20 && number < 1_000 ? 37 : 1 }

    private func attempt<Value>(_ body: () throws(StoreError) -> Value) -> Result<Value, StoreError> {
        do throws(StoreError) { return .success(try body()) } catch { return .failure(error) }
    }
}
