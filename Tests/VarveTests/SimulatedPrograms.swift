import Varve
import VarveFormat

/// The programs that run beside each other in a simulation. Errors are theirs; a broken promise goes into the ledger.
enum SimulatedProgram {
    /// Restores a snapshot, under a session that names it.
    static func read(_ repository: Repository, _ backend: SimulationBackend, _ ledger: SimulationLedger) throws {
        let list = try repository.snapshots()
        let all = list.every
        guard !all.isEmpty else { return }
        let snapshot = all[backend.scheduler.below(all.count)]
        guard
            let session = Session.openReader(
                on: repository.backend, program: "simulation", snapshots: [snapshot.id])
        else { return }
        defer { session.close() }
        let isPromised = isThere(snapshot.id, backend.base) && !isDoomed(snapshot.id, backend.base)
        for attempt in 1...2 {
            do throws(StoreError) {
                return try SimulationWorld.load(snapshot.manifest, from: repository)
            } catch {
                // The dead complain of everything.
                try backend.step()
                guard error.code == .missing else { return ledger.breach("a reader: \(error)") }
                if attempt == 1 { continue }
                let name = "snapshot \(snapshot.id.hex.prefix(8))"
                let isOpen = try backend.base.list("sessions").contains { $0.name == session.id.hex }
                if isThere(snapshot.id, backend.base) {
                    ledger.breach("a reader reports \(name) damaged: \(error)")
                } else if isPromised && isOpen {
                    ledger.breach("a reader lost \(name)")
                }
            }
        }
    }

    private static func isThere(_ id: SnapshotID, _ backend: MemoryBackend) -> Bool {
        ((try? backend.list(RepositoryPath.manifests)) ?? []).contains { $0.name == id.hex }
    }

    /// Whether a collection that means to remove the snapshot is past the point of no return.
    private static func isDoomed(_ id: SnapshotID, _ backend: MemoryBackend) -> Bool {
        let records = (try? CondemnedRecords(reading: backend))?.final ?? []
        return records.contains { $0.snapshots.contains(id) }
    }

    /// Deletes a snapshot or brings one back.
    static func edit(_ repository: Repository, _ backend: SimulationBackend, _ ledger: SimulationLedger) throws {
        let list = try repository.snapshots()
        let editor = SnapshotEditor(repository: repository)
        let scheduler = backend.scheduler
        if !list.deleted.isEmpty, scheduler.below(3) > 0 {
            let id = list.deleted[scheduler.below(list.deleted.count)].id
            let deletions = ledger.undeletionBegins(id)
            try editor.undelete([id])
            ledger.undeletionEnds(id, deletions: deletions)
            ledger.tell("\(backend.actor) undeleted \(id.hex)")
        } else if !list.snapshots.isEmpty {
            let id = list.snapshots[scheduler.below(list.snapshots.count)].id
            ledger.deletionBegins(id)
            try editor.delete([id], reason: "delete", includesSafety: true)
            ledger.deletionEnds(id)
            ledger.tell("\(backend.actor) deleted \(id.hex)")
        }
    }

    /// Collects, on a clock of its own, when no other collection runs.
    static func collect(
        _ repository: Repository, _ backend: SimulationBackend, _ ledger: SimulationLedger, _ options: CollectOptions
    ) throws {
        var patience = 10
        while patience > 0, isCollecting(backend.base) {
            for _ in 0..<10 { try backend.step() }
            patience -= 1
        }
        guard patience > 0 else { return }
        do throws(StoreError) {
            _ = try Collector(repository: repository, options: options, progress: Progress()).run()
        } catch {
            // The dead complain of everything.
            try backend.step()
            // One that was taken for dead has an old list, of which snapshots may be gone.
            if error.code == .damaged, !backend.hasLostSession { ledger.breach("a collector: \(error)") }
            throw error
        }
    }

    private static func isCollecting(_ backend: MemoryBackend) -> Bool {
        ((try? SessionEntry.list(on: backend)) ?? []).contains { $0.kind == .collector }
    }

    /// Ends sessions that it takes for dead.
    static func judge(_ backend: SimulationBackend, count: Int) throws {
        for _ in 0..<count {
            for _ in 0..<backend.scheduler.below(40) { try backend.step() }
            let sessions = try backend.list("sessions").compactMap { SessionID(hex: $0.name) }
            guard !sessions.isEmpty else { continue }
            _ = try backend.expire(session: sessions[backend.scheduler.below(sessions.count)])
        }
    }

    /// Copies the tree file by file, in the order of names, as rsync does.
    static func mirror(_ backend: SimulationBackend) throws -> MemoryBackend {
        let copy = MemoryBackend()
        try copy.createLayout(directories: ["condemned", "index", "keys", "manifests", "records", "sessions"])
        var pending = [""]
        while let directory = pending.popLast() {
            var below: [String] = []
            for entry in try backend.list(directory) {
                let path = directory.isEmpty ? entry.name : directory + "/" + entry.name
                if path == "sessions" || path == "condemned" { continue }
                if entry.isDirectory {
                    below.append(path)
                    continue
                }
                // What vanished meanwhile is left out.
                guard let bytes = try? backend.read(path, limit: .max) else {
                    try backend.step()
                    continue
                }
                if directory.hasPrefix("packs/") {
                    for folder in ["packs", LayerPath.parent(directory), directory] { try? copy.makeDirectory(folder) }
                }
                try copy.putIfAbsent(path, bytes, session: nil)
            }
            pending.append(contentsOf: below.reversed())
        }
        return copy
    }
}
