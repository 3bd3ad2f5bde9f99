import ArgumentParser
import Varve
import VarveApp

/// Which components of the configuration a backup saves.
struct ChoiceOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Save the components of a type: full, data, database or config.", valueName: "type"))
    var type: String?
    @Option(help: ArgumentHelp("Save this component, or those of this type; may be repeated.", valueName: "component"))
    var only: [String] = []
    @Option(help: ArgumentHelp("The job of the configuration, or a word to record.", valueName: "name"))
    var job: String?

    /// Components of a configuration that were chosen.
    struct Choice {
        let configuration: Configuration
        let components: [Configuration.Component]
        let job: Configuration.Job?
        /// What the snapshot is called.
        let type: String

        /// The SQLite databases among them.
        var databases: [[UInt8]] { components.filter { $0.kind == .sqlite }.flatMap(\.paths) }
        /// The longest of their waits for a lock, in milliseconds; nil without one.
        var patience: Int32? {
            components.filter { $0.kind == .sqlite }.compactMap { component in
                component.values["busy_timeout"].flatMap { try? DurationText.parse($0) }
            }.max().map { Int32(clamping: $0.multipliedReportingOverflow(by: 1_000).partialValue) }
        }
    }

    /// The components to save; nil if the configuration has none.
    ///
    /// - Throws: `usage` for a type, component or job that there is not.
    func choice(_ context: Context) throws(StoreError) -> Choice? {
        guard let configuration = context.configured.configuration, !configuration.components.isEmpty else {
            guard only.isEmpty else {
                throw StoreError(
                    .usage, "--only: no configuration with components is in force",
                    remedy: "name one with --config, or write a varve.toml")
            }
            return nil
        }
        let job: Configuration.Job? =
            if let name = self.job { try configuration.job(name) } else { nil }
        let only = self.only.isEmpty && type == nil ? job?.lists["only"] ?? [] : self.only
        let type = self.type ?? Self.standardType(context, job)
        let components = try configuration.components(type: type, only: only)
        return Choice(
            configuration: configuration, components: components, job: job,
            type: Self.recorded(type, components, configuration))
    }

    /// The type of a backup of paths.
    func recordedType() throws(StoreError) -> String? {
        guard let type else { return nil }
        if let problem = ConfigurationKey.Form.name.problem(type) { throw StoreError(.usage, "--type: \(problem)") }
        return type
    }

    /// The job to record.
    func recordedJob() throws(StoreError) -> String? {
        guard let job else { return nil }
        guard !job.isEmpty, !job.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value >= 0x10_FF80 }) else {
            throw StoreError(.usage, "--job: a name cannot be empty or hold control characters, and must be UTF-8")
        }
        return job
    }

    private static func standardType(_ context: Context, _ job: Configuration.Job?) -> String {
        let configured = context.configured.value("backup.type")
        // The job is in the file, and so weaker than a variable.
        if let configured, configured.origin.hasPrefix("VARVE_") { return configured.text }
        return job?.values["type"] ?? configured?.text ?? "full"
    }

    /// `full` only for everything; else the one type of what was chosen.
    private static func recorded(
        _ type: String, _ components: [Configuration.Component], _ configuration: Configuration
    ) -> String {
        if type != "full" || components.count == configuration.components.count { return type }
        let types = Set(components.map(\.type))
        return types.count == 1 ? types.first ?? type : "mixed"
    }
}
