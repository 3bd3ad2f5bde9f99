import Glibc
import Varve
import VarveApp

/// The configuration file in force, under the environment: what is not in a variable is in the file.
struct Configured: Sendable {
    /// nil without a file.
    let configuration: Configuration?
    /// The environment, with what the file says where it says nothing.
    let environment: Environment

    static let fileName = "varve.toml"

    /// Finds and reads the configuration for a command.
    ///
    /// - Throws: `usage` for a file or a variable with a mistake, and for a file that was named and is not there.
    static func load(_ verb: some Verb, _ environment: Environment) throws(StoreError) -> Configured {
        guard type(of: verb).usesConfiguration else {
            return Configured(configuration: nil, environment: environment)
        }
        try checkVariables(environment)
        guard let file = try file(verb.global, environment) else {
            return Configured(configuration: nil, environment: environment)
        }
        let (configuration, mistakes) = try ConfigurationReader.read(file, home: home(environment))
        guard let configuration else { throw ConfigurationMistake.error(mistakes) }
        return Configured(configuration: configuration, environment: environment.filled(from: configuration))
    }

    static func home(_ environment: Environment) -> [UInt8]? {
        environment[.home].map(ArgumentBytes.bytes).flatMap { $0.first == UInt8(ascii: "/") ? $0 : nil }
    }

    /// The file: what an option or the environment names; else that of the working directory; else that of the user.
    ///
    /// - Throws: `usage` for one that was named and is not there, or belongs to somebody else.
    static func file(_ options: GlobalOptions, _ environment: Environment) throws(StoreError) -> [UInt8]? {
        if let named = options.config ?? environment[.config] {
            let path = try SourcePaths.absolute(ArgumentBytes.bytes(named), from: try workingDirectory())
            if (try? Syscalls.status(path)) == nil {
                let origin = options.config == nil ? "VARVE_CONFIG" : "--config"
                throw StoreError(.usage, "there is no such configuration", path: path, remedy: "correct \(origin)")
            }
            return path
        }
        if let directory = try? workingDirectory() {
            let path = try SourcePaths.absolute(Array(fileName.utf8), from: directory)
            if let status = try? Syscalls.status(path) {
                try checkOwner(status, path)
                try checkOwner(try Syscalls.status(path, follow: true), path)
                return path
            }
        }
        let base = environment[.configHome].flatMap { $0.hasPrefix("/") ? ArgumentBytes.bytes($0) : nil }
            ?? home(environment).map { $0 + Array("/.config".utf8) }
        guard let base else { return nil }
        let path = base + Array("/varve/\(fileName)".utf8)
        return (try? Syscalls.status(path)) == nil ? nil : path
    }

    /// A configuration names commands to run: one that lies about in a directory must be of somebody who may do that.
    private static func checkOwner(_ status: FileStatus, _ path: [UInt8]) throws(StoreError) {
        let isTrusted = status.user == 0 || status.user == geteuid()
        guard isTrusted, status.kind == .symlink || status.mode & 0o002 == 0 else {
            let why = isTrusted ? "can be written by everybody" : "belongs to somebody else"
            throw StoreError(
                .usage, "the configuration in this directory \(why), and it could name any command to run", path: path,
                remedy: isTrusted ? "chmod o-w it" : "name it with --config if that is right")
        }
    }

    static func checkVariables(_ environment: Environment) throws(StoreError) {
        for key in ConfigurationKeys.all {
            guard let (name, value) = environment.setting(key), let problem = key.form.problem(value) else { continue }
            let isKnownElsewhere = key.table.isEmpty
            if isKnownElsewhere { continue }
            throw StoreError(.usage, "\(name): \(problem)", remedy: "correct the variable or unset it")
        }
    }

    private static func workingDirectory() throws(StoreError) -> [UInt8] { try Context.workingDirectory() }

    // MARK: values

    /// The value of a scalar key, and what to call it in messages.
    func value(_ path: String) -> (text: String, origin: String)? {
        guard let key = ConfigurationKeys.key(path) else { return nil }
        if let (name, value) = environment.setting(key) { return (value, name) }
        return configuration?.values[path].map { ($0, path) }
    }

    /// The value of a scalar key, with the directory that a relative path in a variable starts from.
    func path(_ path: String) throws(StoreError) -> [UInt8]? {
        guard let (text, _) = value(path) else { return nil }
        return try SourcePaths.absolute(ArgumentBytes.bytes(text), from: try Self.workingDirectory())
    }

    func text(_ path: String) -> String? { value(path)?.text }

    func flag(_ path: String) -> Bool { value(path)?.text == "true" }

    func list(_ path: String) -> [String] { configuration?.lists[path] ?? [] }

    func duration(_ path: String) throws(StoreError) -> Int64? {
        guard let (text, origin) = value(path) else { return nil }
        return try OptionValue.duration(origin, text)
    }

    func size(_ path: String) throws(StoreError) -> UInt64? {
        guard let (text, origin) = value(path) else { return nil }
        return try OptionValue.size(origin, text)
    }

    /// The scalars of a table, by the names of the keys.
    func table(_ name: String) -> Configuration.Values {
        var result: Configuration.Values = [:]
        for key in ConfigurationKeys.keys(of: name) { result[key.name] = text(key.path) }
        return result
    }

    /// What is left out of every backup.
    func exclusions() throws(StoreError) -> Archiver.Exclusions {
        var lists: [String: [String]] = [:]
        for key in ConfigurationKeys.keys(of: "backup") where key.isList { lists[key.name] = list(key.path) }
        return try ConfiguredExclusions.exclusions(table("backup"), lists, prefix: "backup")
    }
}
