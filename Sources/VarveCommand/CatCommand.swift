import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct CatCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "cat", abstract: "Write a file of a snapshot to standard output.",
        discussion: """
            Example:
              varve cat latest:home/me/app.sql | psql app
            """)

    @Argument(help: ArgumentHelp("The snapshot and the path of a file in it.", valueName: "ref:path"))
    var reference: String
    @Flag(help: "For @DATE: the closest snapshot, before or after.") var nearest = false
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let reference = try SnapshotReference(ArgumentBytes.bytes(reference))
        guard let path = reference.path, !path.isEmpty else {
            throw StoreError(.usage, "no path was given", remedy: "name the file behind a colon: latest:etc/hosts")
        }
        let repository = try context.openRepository()
        let snapshot = try SnapshotLookup(repository).find(reference, nearest: nearest)
        let reader = try SnapshotReader(repository: repository, snapshot: snapshot)
        let output = context.output
        try reader.readFile(path) { bytes throws(StoreError) in try output.write(bytes) }
        return .ok
    }
}
