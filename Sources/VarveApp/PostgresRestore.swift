import Synchronization
package import Varve
package import VarveFormat

/// The restore in place of the PostgreSQL databases of a snapshot (docs/RESTORE.md): each is loaded beside the one that
/// is there and checked, then exchanged with it, and the old one is saved and removed.
///
/// The steps are called by whoever restores the files too: `prepare`, `exchange` as the last step that can still be
/// taken back, then `finish`; or `abandon` at any time before that.
package final class PostgresRestore: Sendable {
    /// What is wanted.
    package struct Options: Sendable {
        package var savesOld = true
        package var isUndo = false
        /// Whoever is connected is stopped before the exchange.
        package var isStoppedLater = false
        package var host = ""
        package init() {}
    }

    /// A database of the snapshot and where it goes.
    package struct Target: Sendable {
        package let component: String
        package let server: PostgresServer
        /// What the manifest says of the dump; nil to remove the database.
        package let record: JSONValue?

        package init(component: String, server: PostgresServer, record: JSONValue?) {
            self.component = component
            self.server = server
            self.record = record
        }

        /// Rows of all tables.
        package var rows: Int64 {
            (record?["tables"]?.objectValue ?? [:]).values.reduce(0) { $0 + ($1.integerValue ?? 0) }
        }
        package var tables: Int { record?["tables"]?.objectValue?.count ?? 0 }
        package var database: String { server.address.database }
        /// For messages.
        package var text: String { server.address.text }
    }

    private struct State {
        var swaps: [PostgresSwap] = []
        var note: PostgresMemory.Note?
    }

    private let repository: Repository
    private let snapshot: Snapshot
    private let targets: [Target]
    private let options: Options
    private let memory: PostgresMemory
    private let running: RunningCommands
    private let state = Mutex(State())

    package init(
        repository: Repository, snapshot: Snapshot, targets: [Target], options: Options, memory: PostgresMemory,
        running: RunningCommands
    ) {
        self.repository = repository
        self.snapshot = snapshot
        self.targets = targets
        self.options = options
        self.memory = memory
        self.running = running
    }

    /// The PostgreSQL databases among components of a snapshot.
    ///
    /// - Parameter server: where a component of a name goes whose database has a name.
    /// - Throws: `notFound` if the snapshot has no dump of one.
    package static func targets(
        _ components: [SnapshotComponent], of manifest: Manifest,
        server: (String, String) throws(StoreError) -> PostgresServer
    ) throws(StoreError) -> [Target] {
        var targets: [Target] = []
        for component in components where component.kind == ComponentKind.postgres.rawValue {
            let record = manifest.databases.first { record in
                guard let path = record["path"].flatMap({ try? FileNameJSON.decode($0) }) else { return false }
                return component.paths.contains(path)
            }
            guard let record, let database = record["database"]?.stringValue, !database.isEmpty else {
                throw StoreError(
                    .notFound, "the snapshot has no dump of \(component.name): it failed when the snapshot was made",
                    remedy: "choose other components with --only, or another snapshot")
            }
            targets.append(
                Target(component: component.name, server: try server(component.name, database), record: record))
        }
        return targets
    }

    // MARK: the steps

    /// Loads all databases under names of their own and checks them. Nothing else is changed.
    package func prepare(_ progress: Progress) throws(StoreError) {
        var note = PostgresMemory.Note(
            repository: repository.id.hex, snapshot: snapshot.id.hex, began: .now())
        note.isUndo = options.isUndo
        note.saves = options.savesOld
        var swaps: [PostgresSwap] = []
        for target in targets {
            var swap = PostgresSwap(
                component: target.component, server: target.server, suffix: try Self.suffix(), existed: false,
                isLoaded: target.record != nil)
            swap.existed = try swap.exists()
            if swap.existed, !options.isStoppedLater { try swap.refuseSessions() }
            swaps.append(swap)
            note.members.append(
                .init(
                    component: swap.component, database: swap.database, suffix: swap.suffix, existed: swap.existed,
                    isLoaded: swap.isLoaded))
        }
        let (known, written) = (swaps, note)
        state.withLock { state in
            state.swaps = known
            state.note = written
        }
        do throws(StoreError) {
            try memory.write(note)
            let reader = try SnapshotReader(repository: repository, snapshot: snapshot)
            for (swap, target) in zip(swaps, targets) {
                guard let record = target.record else { continue }
                progress.update { $0.phase = "loading database \(swap.database)" }
                try load(swap, record, reader, progress)
            }
        } catch {
            // What this cannot remove now is removed by the next run.
            try? abandon()
            throw progress.isCancelled ? StoreError(.interrupted, "interrupted: nothing was changed") : error
        }
    }

    private func load(
        _ swap: PostgresSwap, _ record: JSONValue, _ reader: SnapshotReader, _ progress: Progress
    ) throws(StoreError) {
        guard let path = record["path"].flatMap({ try? FileNameJSON.decode($0) }) else { return }
        try swap.create(record)
        try swap.load(isArchive: record["format"]?.stringValue == "custom", running) { write throws(StoreError) in
            try reader.readFile(path) { bytes throws(StoreError) in
                try progress.check()
                try write(bytes)
            }
        }
        progress.update { $0.phase = "checking database \(swap.database)" }
        try swap.compare(record, progress)
        let directory = path.prefix(through: path.lastIndex(of: UInt8(ascii: "/")) ?? 0)
        let properties = directory + Array(PostgresDump.propertiesName.utf8)
        guard try reader.entry(at: Array(properties)) != nil else { return }
        try swap.load(isArchive: false, running) { write throws(StoreError) in
            try reader.readFile(Array(properties), write: write)
        }
    }

    /// Gives all databases their names. If one cannot have it, none has.
    ///
    /// - Throws: `refused` while somebody is connected to an old one.
    package func exchange() throws(StoreError) {
        for swap in state.withLock({ $0.swaps }) { try swap.exchange() }
    }

    /// Makes the old state again.
    package func abandon() throws(StoreError) {
        for swap in state.withLock({ $0.swaps }) { try swap.takeBack() }
        try memory.removeCurrent()
    }

    /// Saves the old databases and removes them, and remembers the restore for `undo`.
    ///
    /// - Returns: the safety snapshot, and why the old databases could not be saved or removed. Then they are there,
    ///   and `undo` gives them their names again.
    package func finish(_ progress: Progress) -> (safety: SnapshotID?, failure: StoreError?) {
        let (swaps, note) = state.withLock { ($0.swaps, $0.note) }
        guard let note else { return (nil, nil) }
        let recovery = PostgresRecovery(note, swaps, memory)
        return recovery.complete(repository, host: options.host, running, progress)
    }

    private static func suffix() throws(StoreError) -> String {
        let digits = Array("0123456789abcdef")
        return String(try Syscalls.randomBytes(4).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}

/// Ends a restore of databases that was interrupted.
package struct PostgresRecovery: Sendable {
    package let note: PostgresMemory.Note
    private let swaps: [PostgresSwap]
    private let memory: PostgresMemory

    fileprivate init(_ note: PostgresMemory.Note, _ swaps: [PostgresSwap], _ memory: PostgresMemory) {
        self.note = note
        self.swaps = swaps
        self.memory = memory
    }

    /// The interrupted restore; nil if there is none.
    ///
    /// - Parameter server: as in `PostgresRestore.targets`.
    package init?(
        _ memory: PostgresMemory, server: (String, String) throws(StoreError) -> PostgresServer
    ) throws(StoreError) {
        guard let note = try memory.current() else { return nil }
        self.note = note
        self.memory = memory
        var swaps: [PostgresSwap] = []
        for member in note.members {
            var server = try server(member.component, member.database)
            server.address.database = member.database
            swaps.append(
                PostgresSwap(
                    component: member.component, server: server, suffix: member.suffix, existed: member.existed,
                    isLoaded: member.isLoaded))
        }
        self.swaps = swaps
    }

    /// The databases, for messages.
    package var names: String { swaps.map(\.database).joined(separator: ", ") }

    /// Whether all databases have their new names, so that only clearing is left.
    package func isExchanged() throws(StoreError) -> Bool {
        for swap in swaps where try !swap.isExchanged() { return false }
        return !swaps.isEmpty
    }

    /// Makes the old state again.
    package func takeBack() throws(StoreError) {
        for swap in swaps { try swap.takeBack() }
        try memory.removeCurrent()
    }

    /// Does what was left to do: saves the old databases, unless that was done, and clears up.
    ///
    /// - Returns: as `PostgresRestore.finish`.
    package func complete(
        _ repository: Repository, host: String, _ running: RunningCommands, _ progress: Progress
    ) -> (safety: SnapshotID?, failure: StoreError?) {
        var note = note
        do throws(StoreError) {
            let old = swaps.filter(\.existed)
            if note.ended == nil {
                if note.saves, !old.isEmpty {
                    progress.update { $0.phase = "saving the old database" }
                    note.safety = try PostgresSafety(repository, host, running, progress).save(old, note).hex
                }
                note.ended = .now()
                try memory.write(note)
            }
            try PostgresRecovery(note, swaps, memory).clear()
        } catch {
            let names = swaps.filter(\.existed).map(\.formerName).joined(separator: ", ")
            let message = "the old database could not be saved or removed, and is kept as \(names): \(error)"
            return (nil, StoreError(error.code, message, remedy: "varve undo gives it its name again"))
        }
        return (note.safety.flatMap { SnapshotID(hex: $0) }, nil)
    }

    /// Removes the old databases, which were saved, and remembers the restore.
    package func clear() throws(StoreError) {
        for swap in swaps { try swap.dropFormer() }
        if !note.isUndo { try memory.add(note) }
        try memory.removeCurrent()
    }
}

/// The safety snapshot of databases that were replaced.
struct PostgresSafety {
    private let repository: Repository
    private let host: String
    private let running: RunningCommands
    private let progress: Progress

    init(_ repository: Repository, _ host: String, _ running: RunningCommands, _ progress: Progress) {
        self.repository = repository
        self.host = host
        self.running = running
        self.progress = progress
    }

    /// Dumps the old databases under their old names.
    ///
    /// - Throws: `refused` if one cannot be dumped whole.
    func save(_ swaps: [PostgresSwap], _ note: PostgresMemory.Note) throws(StoreError) -> SnapshotID {
        var capture = Archiver.Options()
        for swap in swaps {
            var server = swap.server
            server.address.database = swap.formerName
            var plan = PostgresDump.Plan(name: swap.component, server: server)
            plan.recordedName = swap.database
            let streams = PostgresDump(plan, running).streams
            capture.streams += streams
            capture.components.append(PostgresDump.component(swap.component, streams))
        }
        capture.type = "database"
        capture.host = host
        capture.origin = .safety
        capture.tags = ["safety"]
        capture.name = try freeName(note)
        capture.description =
            (note.isUndo ? "before the undo to " : "before the restore of ") + note.snapshot.prefix(12)
        capture.checkpointInterval = 0
        let report = try Archiver(repository: repository, options: capture, progress: progress).run()
        guard let id = report.snapshotID, report.manifest.errorsTotal == 0 else {
            throw StoreError(.refused, report.errors.first?.message ?? "no snapshot was made")
        }
        return id
    }

    private func freeName(_ note: PostgresMemory.Note) throws(StoreError) -> String {
        let taken = Set(try repository.snapshots().snapshots.compactMap(\.manifest.name))
        let name = "pre-\(note.isUndo ? "undo" : "restore")-\(note.snapshot.prefix(12))-database"
        if !taken.contains(name) { return name }
        var number = 2
        while taken.contains("\(name)-\(number)") { number += 1 }
        return "\(name)-\(number)"
    }
}
