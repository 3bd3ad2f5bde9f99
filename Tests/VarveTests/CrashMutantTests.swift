import Testing
import Varve
import VarveFormat

/// The replay would notice a program that forgot a sync. What a program that never looks at the result of a sync writes
/// without it is the same as with it, so that it is enough to leave the sync out of the recording.
///
/// Not among the kinds, because no snapshot can depend on them:
/// - the directories of a new repository that hold nothing yet (nothing in them can be lost), and the root after they
///   were made: what is in it becomes durable with the name of config, and without config there is no repository;
/// - everything in sessions/: a power cut ends every process, and a session whose process is gone protects nothing.
///   These syncs are there for collectors on other machines.
@Suite(.serialized) struct CrashMutantTests {
    enum Sync: String, CaseIterable, CustomTestStringConvertible {
        case packDirectories = "names of the directories of packs"
        case keyBytes = "bytes of a key slot"
        case keyName = "name of a key slot"
        case configBytes = "bytes of config"
        case configName = "name of config"
        case dataPackBytes = "bytes of a data pack"
        case dataPackName = "name of a data pack"
        case treePackBytes = "bytes of a tree pack"
        case treePackName = "name of a tree pack"
        case indexBytes = "bytes of an index file"
        case indexName = "name of an index file"
        case manifestBytes = "bytes of a manifest"
        case manifestName = "name of a manifest"

        var testDescription: String { rawValue }

        /// What the operation at a position makes durable.
        init?(_ position: Int, _ operations: [FileOperation]) {
            switch operations[position] {
            case .syncDirectory(let path): self.init(namesIn: path, hasConfig: Self.hasConfig(operations[..<position]))
            case .syncData(let file): self.init(bytesOf: Self.path(of: file, operations))
            default: return nil
            }
        }

        private init?(namesIn directory: String, hasConfig: Bool) {
            switch directory {
            case "packs", "packs/data", "packs/tree": self = .packDirectories
            case "keys" where hasConfig == false: self = .keyName
            case "": if hasConfig { self = .configName } else { return nil }
            case "index" where hasConfig: self = .indexName
            case "manifests" where hasConfig: self = .manifestName
            default:
                guard hasConfig else { return nil }
                if directory.hasPrefix("packs/data/") {
                    self = .dataPackName
                } else if directory.hasPrefix("packs/tree/") {
                    self = .treePackName
                } else {
                    return nil
                }
            }
        }

        private init?(bytesOf path: String) {
            switch path.split(separator: "/").prefix(2).joined(separator: "/") {
            case "packs/data": self = .dataPackBytes
            case "packs/tree": self = .treePackBytes
            default:
                switch path.split(separator: "/").first {
                case "config": self = .configBytes
                case "keys": self = .keyBytes
                case "index": self = .indexBytes
                case "manifests": self = .manifestBytes
                default: return nil
                }
            }
        }

        private static func hasConfig(_ operations: ArraySlice<FileOperation>) -> Bool {
            operations.contains { if case .rename(_, to: "config") = $0 { true } else { false } }
        }

        /// The last name of a file.
        private static func path(of file: Int, _ operations: [FileOperation]) -> String {
            var path = ""
            for operation in operations {
                switch operation {
                case .create(let name, file: file): path = name
                case .rename(let old, to: let new) where old == path: path = new
                default: continue
                }
            }
            return path
        }
    }

    /// The names of keys/ are made durable twice: when it is made, empty, and with the slot. The second one counts.
    private func positions(_ kind: Sync, _ operations: [FileOperation]) -> [Int] {
        let all = operations.indices.filter { Sync($0, operations) == kind }
        return kind == .keyName ? Array(all.suffix(1)) : all
    }

    @Test("Without any one sync of a kind some power cut does harm", arguments: Sync.allCases)
    func forgotten(kind: Sync) throws {
        let scene = try CrashScene(isEncrypted: true)
        let source = try SourceTree.varied(seed: 51)
        try scene.capture(source.state, .full)
        try source.write("noise", SeededBytes.of(52, count: 9_000))
        try scene.capture(source.state, .full)
        let operations = scene.layer.operations
        let mutants = positions(kind, operations)
        #expect(!mutants.isEmpty)
        for position in mutants {
            var replay = CrashReplay(scene, next: source.state, seeds: 0..<1)
            replay.policies = [
                CrashPolicy(data: .lost, names: .lost), CrashPolicy(data: .lost, names: .kept),
                CrashPolicy(data: .zeroFilled, names: .kept),
            ]
            replay.positions = stride(from: max(position, scene.created), through: operations.count, by: 1)
            replay.dropped = [position]
            replay.stopsAtFirstProblem = true
            let problems = try replay.run().problems
            #expect(!problems.isEmpty, "\(operations[position]) at \(position)")
        }
        print("crash replay: \(mutants.count) mutants without the sync of the \(kind.rawValue)")
    }
}
