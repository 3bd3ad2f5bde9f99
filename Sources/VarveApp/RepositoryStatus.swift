package import Varve
package import VarveFormat

/// How the backups of a repository stand, judged by what its snapshots say.
package struct RepositoryStatus: Sendable {
    /// What is demanded of every source.
    package struct Demands: Sendable {
        /// How old the newest snapshot may be, in seconds; nil for any age.
        package var maxAge: Int64?
        /// How many snapshots there have to be.
        package var minCount = 1

        /// Makes the defaults: one snapshot of any age.
        package init() {}
    }

    /// Snapshots of one job, host and paths. Checkpoints and safety snapshots do not count.
    package struct Source: Sendable {
        package let host: String
        package let job: String?
        package let paths: [[UInt8]]
        package fileprivate(set) var count = 0
        package fileprivate(set) var newest: Snapshot
        /// When one of them was last found whole.
        package fileprivate(set) var lastVerified: Timestamp?
        /// When one of them was last restored for a test, and that went well.
        package fileprivate(set) var lastDrilled: Timestamp?
        /// Seconds since the newest; negative if its clock was ahead.
        package fileprivate(set) var age: Double = 0
    }

    /// Something to know.
    package struct Problem: Sendable, Hashable {
        /// What kind it is.
        package enum Kind: String, Sendable {
            case empty
            case stale
            case few
            case damaged
            case unproven
            case partial
            case future
            case vanished
            case unreadable
            case rolledBack = "rolled_back"
        }

        package let kind: Kind
        package let message: String

        /// Whether somebody has to act; the others are worth a look.
        package var isCritical: Bool {
            switch kind {
            case .empty, .stale, .few, .damaged, .vanished, .unreadable, .unproven: true
            case .partial, .future, .rolledBack: false
            }
        }
    }

    /// In order of host, job and paths.
    package private(set) var sources: [Source] = []
    package private(set) var problems: [Problem] = []

    private struct Key: Hashable {
        let host: String
        let job: String?
        let paths: [[UInt8]]
    }

    /// Judges the snapshots of a list that fit a filter.
    package init(_ list: SnapshotList, _ filter: SnapshotFilter, _ demands: Demands, now: Timestamp) {
        var found: [Key: Source] = [:]
        for snapshot in list.snapshots where filter.matches(SnapshotCandidate(snapshot)) {
            let manifest = snapshot.manifest
            guard manifest.state != .interrupted, manifest.origin != .safety else { continue }
            let paths = manifest.paths.sorted { $0.lexicographicallyPrecedes($1) }
            let key = Key(host: manifest.host, job: manifest.job, paths: paths)
            found[key, default: Source(host: manifest.host, job: manifest.job, paths: paths, newest: snapshot)]
                .take(snapshot)
        }
        sources = found.values.sorted { $0.order.lexicographicallyPrecedes($1.order) }
        for index in sources.indices {
            sources[index].age = now.seconds(since: sources[index].newest.manifest.time)
            judge(sources[index], demands)
        }
        judge(list)
    }

    /// Whether somebody has to act.
    package var isCritical: Bool { problems.contains(where: \.isCritical) }
    package var snapshots: Int { sources.reduce(0) { $0 + $1.count } }

    private mutating func judge(_ list: SnapshotList) {
        if sources.isEmpty { add(.empty, "there is no snapshot") }
        for id in list.vanished {
            add(.vanished, "DELETION DETECTED: snapshot \(id.hex) is gone and was not deleted by varve")
        }
        for file in list.unreadable { add(.unreadable, "\(file.directory)/\(file.id.hex): \(file.error.message)") }
        if list.isRolledBack, list.vanished.isEmpty {
            add(.rolledBack, "the repository is older than this machine saw it")
        }
    }

    private mutating func judge(_ source: Source, _ demands: Demands) {
        let manifest = source.newest.manifest
        let name = source.name
        if let maxAge = demands.maxAge, source.age > Double(maxAge) {
            add(.stale, "the newest snapshot of \(name) is \(Self.words(source.age)) old")
        }
        if source.count < demands.minCount {
            let verb = source.count == 1 ? "is" : "are"
            add(.few, "there \(verb) \(source.count) of at least \(demands.minCount) snapshots of \(name)")
        }
        if ["damaged", "incomplete"].contains(source.newest.status) {
            add(.damaged, "the newest snapshot of \(name) is \(source.newest.status)")
        }
        if source.newest.drill?.result.outcome == .failed {
            add(.unproven, "the last drill of the newest snapshot of \(name) failed")
        }
        if manifest.state == .partial {
            let missing = manifest.errorsTotal == 1 ? "1 path is" : "\(manifest.errorsTotal) paths are"
            add(.partial, "\(missing) missing from the newest snapshot of \(name)")
        }
        // A clock that is off by minutes is no news.
        if source.age < -300 { add(.future, "the newest snapshot of \(name) is from the future") }
    }

    private mutating func add(_ kind: Problem.Kind, _ message: String) {
        problems.append(Problem(kind: kind, message: message))
    }

    /// `90 minutes`, `26 hours`, `3 days`.
    private static func words(_ seconds: Double) -> String {
        switch seconds {
        case ..<7_200: "\(Int(seconds / 60)) minutes"
        case ..<172_800: "\(Int(seconds / 3_600)) hours"
        default: "\(Int(min(seconds / 86_400, 1e9))) days"
        }
    }
}

extension RepositoryStatus.Source {
    fileprivate mutating func take(_ snapshot: Snapshot) {
        count += 1
        if (newest.manifest.time, newest.id) < (snapshot.manifest.time, snapshot.id) { newest = snapshot }
        if let verification = snapshot.verification, verification.result == "ok" {
            lastVerified = max(lastVerified ?? verification.time, verification.time)
        }
        if let drill = snapshot.drill, drill.result.outcome == .ok {
            lastDrilled = max(lastDrilled ?? drill.time, drill.time)
        }
    }

    /// Bytes that put sources in order.
    fileprivate var order: [UInt8] {
        Array(([host, job ?? ""].map { Array($0.utf8) } + paths).joined(separator: [0]))
    }

    /// The job, or the paths, and the host.
    fileprivate var name: String {
        let what = job ?? SourcePaths.summary(paths) { String(decoding: $0, as: UTF8.self) }
        return "\(what) on \(host)"
    }
}
