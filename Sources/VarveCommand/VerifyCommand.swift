import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct VerifyCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Prove that snapshots can be restored, or name what cannot.",
        discussion: """
            Without --read-data everything but the content of files is read and every
            blob must have its place. With it everything is read, decrypted and
            compared. --no-key needs no password: it compares every file with its name
            and looks at the ends of packs.

            Exit status 4 means damage, missing packs, or DELETION DETECTED: a snapshot that
            this machine has seen here is gone and nobody deleted it. Every hit file is
            named. --accept-missing records that you know of vanished snapshots.

            Examples:
              varve verify
              varve verify latest --read-data
              varve verify --read-data-subset 1/7
            """, aliases: ["check"])

    @Argument(help: ArgumentHelp("Snapshots (default: all).", valueName: "ref")) var references: [String] = []
    @Flag(help: "Read all data.") var readData = false
    @Option(help: ArgumentHelp("Read a part of it: 1/7 of the packs, or 10%.", valueName: "part"))
    var readDataSubset: String?
    @Flag(help: "Compare files with their names, without a key.") var noKey = false
    @Flag(help: "Accept for good that snapshots vanished without having been deleted.") var acceptMissing = false
    @Flag(help: "For @DATE: the closest snapshot, before or after.") var nearest = false
    @OptionGroup(title: "Global options") var global: GlobalOptions

    static var jsonForm: Output.Form { .jsonLines }

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        if noKey { return try verifyNames(context) }
        var options = Verifier.Options()
        options.level = readData || readDataSubset != nil ? .data : .structure
        options.subset = try readDataSubset.map(Self.subset)
        options.recordResult = !context.settings.isDryRun
        let repository = try context.openRepository()
        if !references.isEmpty {
            let lookup = try SnapshotLookup(repository)
            let snapshots = try NamedSnapshots.find(references, in: lookup, nearest: nearest, verb: "verify")
            options.snapshots = snapshots.map(\.id)
        }
        if acceptMissing, !context.settings.isDryRun {
            _ = try DeletionEvidence.accept(SnapshotLookup(repository), repository)
        }
        return try VerificationRun.run(repository, options, context)
    }

    private func verifyNames(_ context: Context) throws(StoreError) -> ExitStatus {
        guard references.isEmpty, !readData, readDataSubset == nil, !acceptMissing else {
            throw StoreError(.usage, "--no-key verifies the files of a repository and takes nothing else")
        }
        let path = try context.repositoryPath()
        let findings = FindingList(context.output)
        let report = try context.withProgress { progress throws(StoreError) in
            try NamesVerifier.run(
                at: path, threads: context.settings.threads, progress: progress, onFinding: findings.show)
        }
        return findings.finish(report, snapshots: [], context.output)
    }

    private static func subset(_ text: String) throws(StoreError) -> Verifier.Subset {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 2, let number = Int(parts[0]), let count = Int(parts[1]), number >= 1, number <= count {
            return .part(number: number, of: count)
        }
        if text.hasSuffix("%"), let percent = Double(text.dropLast()), percent > 0, percent <= 100 {
            return .percent(percent, seed: UInt64.random(in: .min ... .max))
        }
        throw StoreError(
            .usage, "--read-data-subset: \"\(text)\" is not a part", remedy: "write 1/7 for a seventh, or 10%")
    }
}
