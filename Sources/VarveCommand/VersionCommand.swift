import ArgumentParser
import Varve
import VarveFormat

struct VersionCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    static var usesConfiguration: Bool { false }

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        if context.output.isJSON {
            context.output.json(["version": .string(ProgramVersion.text), "repository_formats": .array([.integer(1)])])
        } else {
            context.output.line("varve \(ProgramVersion.text) (repository format 1)")
        }
        return .ok
    }
}
