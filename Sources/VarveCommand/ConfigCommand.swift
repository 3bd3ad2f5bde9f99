import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Check the configuration, or show what is in force.",
        subcommands: [ConfigCheckCommand.self, ConfigShowCommand.self])
}

struct ConfigCheckCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Find every mistake in varve.toml.",
        discussion: """
            Each mistake is named with file, line and key, and what to do about it. Exit
            status 2 if there is one. docs/CONFIGURATION.md lists the keys.

            Examples:
              varve config check
              varve config check --config /etc/varve/app.toml
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    static var usesConfiguration: Bool { false }

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        guard let file = try Configured.file(global, context.environment) else {
            throw StoreError(
                .usage, "there is no \(Configured.fileName) here",
                remedy: "name one with --config; varve init --app DIR proposes one")
        }
        let (configuration, mistakes) = try ConfigurationReader.read(file, home: Configured.home(context.environment))
        try Configured.checkVariables(context.environment)
        if context.output.isJSON {
            context.output.json([
                "file": FileNameJSON.encode(file), "valid": .bool(configuration != nil),
                "mistakes": .array(mistakes.map(Self.json)),
                "components": .array((configuration?.components ?? []).map { .string($0.name) }),
                "jobs": .array((configuration?.jobs ?? []).map { .string($0.name) }),
            ])
        } else {
            for mistake in mistakes { context.output.line(context.output.safe(mistake.description)) }
            if let configuration {
                let components = HumanText.count(configuration.components.count, "component")
                let jobs = HumanText.count(configuration.jobs.count, "job")
                context.output.summary("\(context.output.show(file)): \(components), \(jobs), no mistakes")
            } else {
                context.output.note(HumanText.count(mistakes.count, "mistake"))
            }
        }
        return configuration == nil ? .usage : .ok
    }

    private static func json(_ mistake: ConfigurationMistake) -> JSONValue {
        .object([
            "file": FileNameJSON.encode(mistake.file), "line": mistake.line.map { .integer(Int64($0)) } ?? .null,
            "key": SnapshotJSON.text(mistake.key), "message": .string(mistake.message),
            "remedy": .string(mistake.remedy),
        ])
    }
}

struct ConfigShowCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show every setting in force and where it comes from.",
        discussion: """
            Variables win over the file; options of a command, which win over both, are
            not shown.

            Example:
              varve config show
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let configured = context.configured
        let settings = ConfigurationKeys.all.compactMap { key in
            configured.value(key.path).map { (key: key.path, text: $0.text, origin: $0.origin) }
        }
        let lists = (configured.configuration?.lists ?? [:]).sorted { $0.key < $1.key }
        let file = configured.configuration?.file
        if context.output.isJSON {
            context.output.json([
                "file": file.map(FileNameJSON.encode) ?? .null,
                "settings": .array(
                    settings.map { setting in
                        .object([
                            "key": .string(setting.key), "value": .string(setting.text),
                            "origin": .string(setting.origin == setting.key ? "file" : setting.origin),
                        ])
                    }
                        + lists.map { key, list in
                            .object([
                                "key": .string(key), "value": .array(list.map { .string($0) }),
                                "origin": .string("file"),
                            ])
                        }),
                "components": .array((configured.configuration?.components ?? []).map(Self.json)),
                "jobs": .array((configured.configuration?.jobs ?? []).map { .string($0.name) }),
            ])
        } else {
            show(settings, lists, configured.configuration, context.output)
        }
        return .ok
    }

    private func show(
        _ settings: [(key: String, text: String, origin: String)], _ lists: [(key: String, value: [String])],
        _ configuration: Configuration?, _ output: Output
    ) {
        output.line("file  \(configuration.map { output.show($0.file) } ?? "none")")
        for setting in settings {
            let origin = setting.origin == setting.key ? "" : "  (\(setting.origin))"
            output.line("\(setting.key) = \(output.safe(setting.text))\(origin)")
        }
        for (key, list) in lists { output.line("\(key) = \(output.safe(list.joined(separator: ", ")))") }
        for component in configuration?.components ?? [] {
            let paths = component.paths.map(output.show).joined(separator: " ")
            output.line("component \(component.name): \(component.kind.rawValue), \(component.type) \(paths)")
        }
        for job in configuration?.jobs ?? [] { output.line("job \(job.name)") }
    }

    private static func json(_ component: Configuration.Component) -> JSONValue {
        .object([
            "name": .string(component.name), "kind": .string(component.kind.rawValue),
            "type": .string(component.type), "paths": .array(component.paths.map(FileNameJSON.encode)),
        ])
    }
}
