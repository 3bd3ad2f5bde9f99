import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct ExplainCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Say which rule captures a path or leaves it out.",
        discussion: """
            Give the exclusions as for backup. The last rule that matches decides;
            .varveignore files in the source count too.

            Examples:
              varve explain build/app.o --exclude '*.o'
              varve explain /home/me/.cache/x --source /home/me --exclude-set caches
            """)

    @Argument(help: ArgumentHelp("The path.", valueName: "path")) var path: String
    @Option(help: ArgumentHelp("What the backup is given (default: the working directory).", valueName: "dir"))
    var source: String?
    @OptionGroup(title: "What is left out") var exclusions: ExclusionOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let path = try context.absolute(path)
        let source =
            if let text = self.source { try context.absolute(text) } else { try defaultSource(path, context) }
        guard Self.isBelow(path, source) else {
            throw StoreError(.usage, "the path is not in the source", path: path, remedy: "name it with --source")
        }
        let result = try RuleExplanation(path: path, source: source, exclusions: try exclusions.exclusions())
        let output = context.output
        if output.isJSON {
            var members = Output.pathMembers(path)
            members["included"] = .bool(!result.isExcluded)
            members["reason"] = SnapshotJSON.text(result.reason)
            members["rule"] = SnapshotJSON.text(result.rule.map { String(decoding: $0, as: UTF8.self) })
            output.json(members)
        } else {
            let verdict = result.isExcluded ? "excluded" : "included"
            let rule = result.rule.map { " \"\(output.show($0))\"" } ?? ""
            let reason = result.reason.map { "by \(output.safe($0))\(rule)" } ?? "no rule says anything about it"
            output.line("\(output.show(path)): \(verdict), \(reason)")
        }
        return .ok
    }

    /// The working directory if it holds the path, else the root.
    private func defaultSource(_ path: [UInt8], _ context: Context) throws(StoreError) -> [UInt8] {
        let directory = try context.workingDirectory()
        return Self.isBelow(path, directory) ? directory : [UInt8(ascii: "/")]
    }

    private static func isBelow(_ path: [UInt8], _ source: [UInt8]) -> Bool {
        guard path.starts(with: source) else { return false }
        return source.count == 1 || path.count == source.count || path[source.count] == UInt8(ascii: "/")
    }
}
