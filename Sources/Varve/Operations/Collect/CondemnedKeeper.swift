package import VarveFormat

/// Handles the records in `condemned/` for one collector (FORMAT.md section 12).
///
/// A record changes hands by renames, of which exactly one wins. Whoever makes a record final makes the directory for
/// what leaves first, under a name that holds the session: a collector that slept, and whose records were taken over
/// meanwhile, has no directory any more into which it could move anything.
package struct CondemnedKeeper: Sendable {
    /// A record under the name that it has.
    package struct Named: Sendable {
        package let name: CondemnedName
        package let record: CondemnedRecord
    }

    /// A final record in our hands.
    package struct Held: Sendable {
        package let id: CollectionID
        package let record: CondemnedRecord
        /// Where files go on their way out.
        package let directory: String
        fileprivate let name: CondemnedName
    }

    private let backend: any Backend
    private let owner: SessionID

    package init(backend: any Backend, owner: SessionID) {
        self.backend = backend
        self.owner = owner
    }

    // MARK: reading

    /// Every waiting and final record. One that is renamed meanwhile could be missed, so that the directory is listed
    /// until two listings say the same and all of them could be read.
    package static func read(
        on backend: any Backend
    ) throws(StoreError) -> (records: [Named], damaged: [CondemnedName]) {
        var before = try names(on: backend)
        while true {
            var records: [Named] = []
            var damaged: [CondemnedName] = []
            for name in before where name.condemns {
                do throws(StoreError) {
                    records.append(Named(name: name, record: try CondemnedRecord(reading: name, on: backend)))
                } catch {
                    if error.code == .damaged { damaged.append(name) } else if error.code != .missing { throw error }
                }
            }
            let after = try names(on: backend)
            if after == before { return (records, damaged) }
            before = after
        }
    }

    private static func names(on backend: any Backend) throws(StoreError) -> [CondemnedName] {
        try backend.list(RepositoryPath.condemned).compactMap { CondemnedName($0.name) }
    }

    // MARK: records that wait

    /// Makes a record of what is to be removed.
    package func publish(_ record: CondemnedRecord) throws(StoreError) -> Named {
        guard let id = CollectionID(bytes: try KeyWrapping.randomBytes(CollectionID.byteCount)) else {
            throw StoreError(.failed, "a condemned record needs 16 random bytes")
        }
        let name = CondemnedName(id, .waiting)
        try backend.putIfAbsent(RepositoryPath.condemned(name), record.encode(), session: owner)
        return Named(name: name, record: record)
    }

    /// Takes a waiting record back; harmless if somebody else did.
    package func withdraw(_ name: CondemnedName) throws(StoreError) {
        let withdrawn = RepositoryPath.condemned(CondemnedName(name.id, .withdrawn))
        do throws(StoreError) {
            try backend.rename(RepositoryPath.condemned(name), to: withdrawn)
        } catch {
            guard error.code == .missing else { throw error }
        }
        try backend.remove(withdrawn)
    }

    /// The point of no return; nil if the record was withdrawn meanwhile.
    package func finalise(_ named: Named) throws(StoreError) -> Held? {
        let directory = RepositoryPath.condemned(CondemnedName(named.name.id, .leaving, taker: owner))
        try backend.makeDirectory(directory)
        return try take(named.name, named.record, directory)
    }

    // MARK: final records

    /// Takes the final records of collectors that are gone. What they moved into their directories leaves with ours.
    package func takeOver() throws(StoreError) -> [Held] {
        var held: [Held] = []
        let (records, damaged) = try Self.read(on: backend)
        // Of a record that cannot be read nothing more is removed.
        let nothing = CondemnedRecord(time: .now(), reason: .unreferenced, packs: [])
        let finals = records + damaged.map { Named(name: $0, record: nothing) }
        for named in finals where named.name.state == .final {
            let target = CondemnedName(named.name.id, .leaving, taker: owner)
            var isMade = false
            for left in try Self.names(on: backend) where left.state == .leaving && left.id == named.name.id {
                let path = RepositoryPath.condemned(left)
                if isMade { try backend.removeTree(path) } else { isMade = try rename(path, to: target) }
            }
            let directory = RepositoryPath.condemned(target)
            if !isMade { try backend.makeDirectory(directory) }
            if let taken = try take(named.name, named.record, directory) { held.append(taken) }
        }
        return held
    }

    /// Removes what was withdrawn, directories without a final record, and records that say nothing.
    ///
    /// - Returns: what is worth telling.
    package func sweep() throws(StoreError) -> [String] {
        let (records, damaged) = try Self.read(on: backend)
        let finals = Set((records.map(\.name) + damaged).filter { $0.state == .final }.map(\.id))
        for name in try Self.names(on: backend) {
            switch name.state {
            case .withdrawn: try backend.remove(RepositoryPath.condemned(name))
            case .leaving:
                if !finals.contains(name.id) { try backend.removeTree(RepositoryPath.condemned(name)) }
            case .waiting, .final: break
            }
        }
        for name in damaged where name.state == .waiting { try withdraw(name) }
        return damaged.map { "condemned/\($0.text) cannot be read; what it named is judged anew" }
    }

    /// Removes what left so far.
    func empty(_ held: Held) throws(StoreError) {
        for entry in try backend.list(held.directory) { try backend.remove(held.directory + "/" + entry.name) }
    }

    /// Removes a record with which everything has been done.
    package func drop(_ held: Held) throws(StoreError) {
        try backend.removeTree(held.directory)
        try backend.remove(RepositoryPath.condemned(held.name))
    }

    private func take(
        _ name: CondemnedName, _ record: CondemnedRecord, _ directory: String
    ) throws(StoreError) -> Held? {
        let final = CondemnedName(name.id, .final, taker: owner)
        guard try rename(RepositoryPath.condemned(name), to: final) else {
            try backend.removeTree(directory)
            return nil
        }
        return Held(id: name.id, record: record, directory: directory, name: final)
    }

    /// False if the old name is gone.
    private func rename(_ path: String, to name: CondemnedName) throws(StoreError) -> Bool {
        do throws(StoreError) {
            try backend.rename(path, to: RepositoryPath.condemned(name))
            return true
        } catch {
            guard error.code == .missing else { throw error }
            return false
        }
    }
}
