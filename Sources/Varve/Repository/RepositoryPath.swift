package import VarveFormat

/// Where files lie in a repository (FORMAT.md section 2).
package enum RepositoryPath {
    /// The directory of collections in progress.
    package static let condemned = "condemned"
    /// The path of a name in `condemned/`.
    package static func condemned(_ name: CondemnedName) -> String { condemned + "/" + name.text }
    /// The directory of index files.
    package static let index = "index"
    /// The directory of manifests.
    package static let manifests = "manifests"
    /// The directory of records.
    package static let records = "records"
    /// The directories above the 512 that hold packs, by the kind of pack.
    package static func packs(_ kind: FileKind) -> String { kind == .treePack ? "packs/tree" : "packs/data" }

    /// The directory of a pack.
    package static func packDirectory(_ kind: FileKind, _ id: PackID) -> String {
        packs(kind) + "/" + id.hex.prefix(2)
    }

    /// The path of a pack.
    package static func pack(_ kind: FileKind, _ id: PackID) -> String {
        packDirectory(kind, id) + "/" + id.hex
    }

    /// The directory of sealed files of a kind.
    package static func directory(_ kind: FileKind) -> String {
        switch kind {
        case .dataPack, .treePack: packs(kind)
        case .index: index
        case .manifest: manifests
        case .record: records
        }
    }

    /// The path of a sealed file or pack.
    package static func file(_ kind: FileKind, _ id: FileID) -> String {
        kind.isPack ? pack(kind, id) : directory(kind) + "/" + id.hex
    }
}
