import ArgumentParser
import Varve
import VarveFormat

struct RepairCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Make lost parts of the repository anew.",
        subcommands: [RepairIndexCommand.self])
}

struct RepairIndexCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "index", abstract: "Make index/ anew from the packs.",
        discussion: """
            Every pack carries its own directory, so a lost or damaged index costs only
            the time to read the ends of all packs. No pack is changed.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let repository = try context.openRepository()
        let output = context.output
        if context.settings.isDryRun {
            output.note("would read the ends of all packs and write index/ anew; see varve verify whether that helps")
            return .ok
        }
        let report = try context.withProgress { progress throws(StoreError) in
            try IndexRepair(repository: repository, progress: progress).run()
        }
        for notice in report.notices { output.warning(output.safe(notice)) }
        for pack in report.damagedPacks {
            output.error("the pack's directory cannot be read", path: Array(pack.hex.utf8))
        }
        if output.isJSON {
            output.json([
                "packs_read": .integer(Int64(report.packsRead)),
                "index_files_written": .integer(Int64(report.indexFilesWritten)),
                "index_files_removed": .integer(Int64(report.indexFilesRemoved)),
                "damaged_packs": .array(report.damagedPacks.map { .string($0.hex) }),
            ])
        } else {
            output.summary(
                "read \(HumanText.count(report.packsRead, "pack")), wrote "
                    + "\(HumanText.count(report.indexFilesWritten, "index file")), removed \(report.indexFilesRemoved)")
        }
        return report.damagedPacks.isEmpty ? .ok : .damage
    }
}
