package import VarveFormat

/// The records in `condemned/` that condemn something, read whole (FORMAT.md section 12).
package struct CondemnedRecords: Sendable {
    /// By their names, which stand in `seen` of whoever relies on this.
    package let records: [CondemnedName: CondemnedRecord]

    /// Reads the records. One that is renamed between the listing and the reading, as when it is made final, condemns
    /// its packs all the same: then the listing is made again.
    ///
    /// - Throws: `damaged` if a record cannot be understood.
    package init(reading backend: any Backend) throws(StoreError) {
        for _ in 0..<16 {
            do throws(StoreError) {
                records = try Self.read(backend)
                return
            } catch {
                guard error.code == .missing else { throw error }
            }
        }
        throw StoreError(.busy, "collections come and go too fast to be read", path: RepositoryPath.condemned)
    }

    /// Every pack that a record names.
    package var packs: Set<PackID> { records.values.reduce(into: []) { $0.formUnion($1.packs) } }

    /// Those past the point of no return.
    package var final: [CondemnedRecord] { records.filter { $0.key.state == .final }.map(\.value) }

    private static func read(_ backend: any Backend) throws(StoreError) -> [CondemnedName: CondemnedRecord] {
        var records: [CondemnedName: CondemnedRecord] = [:]
        for entry in try backend.list(RepositoryPath.condemned) {
            guard let name = CondemnedName(entry.name), name.condemns else { continue }
            records[name] = try CondemnedRecord(reading: name, on: backend)
        }
        return records
    }
}

extension CondemnedRecord {
    /// Reads a record of `condemned/`.
    ///
    /// - Throws: `missing` if it has been renamed or removed; `damaged` if it cannot be understood.
    package init(reading name: CondemnedName, on backend: any Backend) throws(StoreError) {
        let path = RepositoryPath.condemned(name)
        let bytes = try backend.read(path, limit: FormatLimits.indexFile)
        do throws(FormatError) {
            try self.init(parsing: bytes)
        } catch {
            throw StoreError(
                .damaged, "a collection's record cannot be read: \(error.message)", path: path,
                remedy: "let the collection finish or remove the file, then try again")
        }
    }
}
