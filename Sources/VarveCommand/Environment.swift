import Glibc
import Varve
import VarveApp

/// The environment variables that matter. Nothing else in the program reads the environment.
struct Environment: Sendable {
    /// The variables that the program knows.
    enum Variable: String, CaseIterable {
        case repository = "VARVE_REPOSITORY"
        case password = "VARVE_PASSWORD"
        case passwordFile = "VARVE_PASSWORD_FILE"
        case passwordCommand = "VARVE_PASSWORD_COMMAND"
        case keyFile = "VARVE_KEY_FILE"
        case cacheDirectory = "VARVE_CACHE_DIR"
        case host = "VARVE_HOST"
        case compression = "VARVE_COMPRESSION"
        case threads = "VARVE_THREADS"
        case progressRate = "VARVE_PROGRESS_FPS"
        case kind = "VARVE_KIND"
        case wait = "VARVE_WAIT"
        case config = "VARVE_CONFIG"
        case noColor = "NO_COLOR"
        case cacheHome = "XDG_CACHE_HOME"
        case configHome = "XDG_CONFIG_HOME"
        case stateHome = "XDG_STATE_HOME"
        case temporaryDirectory = "TMPDIR"
        case home = "HOME"
        case terminal = "TERM"
        case localeAll = "LC_ALL"
        case localeType = "LC_CTYPE"
        case language = "LANG"
        case user = "USER"
    }

    private var values: [Variable: String]
    /// Variables that stand for keys of the configuration, by their names.
    private let settings: [String: String]
    /// Which values come from a configuration file.
    private var configured: Set<Variable> = []

    /// Reads the variables of this process. An empty one counts as unset.
    init() {
        var values: [Variable: String] = [:]
        for variable in Variable.allCases { values[variable] = Self.read(variable.rawValue) }
        self.values = values
        var settings: [String: String] = [:]
        for name in ConfigurationKeys.all.flatMap({ [$0.variable, $0.shortVariable] }).compactMap(\.self) {
            settings[name] = Self.read(name)
        }
        self.settings = settings
    }

    private static func read(_ name: String) -> String? {
        guard let pointer = getenv(name), pointer.pointee != 0 else { return nil }
        return text(pointer)
    }

    /// The variable that stands for a key of the configuration, and its value.
    func setting(_ key: ConfigurationKey) -> (name: String, value: String)? {
        for name in [key.variable, key.shortVariable].compactMap(\.self) {
            if let value = settings[name] { return (name, value) }
        }
        return nil
    }

    /// What the file says where the environment says nothing. Secrets count as one: if the environment names any, the
    /// file names none.
    func filled(from configuration: Configuration) -> Environment {
        var result = self
        let secrets: Set<Variable> = [.password, .passwordFile, .passwordCommand, .keyFile]
        let hasSecret = secrets.contains { values[$0] != nil }
        for (key, value) in configuration.values {
            guard let name = ConfigurationKeys.key(key)?.variable, let variable = Variable(rawValue: name),
                values[variable] == nil, !(hasSecret && secrets.contains(variable))
            else { continue }
            result.values[variable] = ArgumentBytes.text(Array(value.utf8))
            result.configured.insert(variable)
        }
        return result
    }

    /// Whether a value comes from the configuration file.
    func isConfigured(_ variable: Variable) -> Bool { configured.contains(variable) }

    subscript(variable: Variable) -> String? { values[variable] }

    /// The value of a variable as `parse` understands it.
    ///
    /// - Throws: `usage`, naming the variable, if `parse` throws or gives nil.
    func value<Value>(
        _ variable: Variable, _ expected: String, _ parse: (String) throws(StoreError) -> Value?
    ) throws(StoreError) -> Value? {
        guard let text = values[variable] else { return nil }
        if let value = try? parse(text) { return value }
        throw StoreError(
            .usage, "\(variable.rawValue): \"\(text)\" is not \(expected)", remedy: "correct the variable or unset it")
    }

    /// Whether text beyond ASCII can be shown.
    var isUTF8: Bool {
        let locale = (self[.localeAll] ?? self[.localeType] ?? self[.language] ?? "").lowercased()
        return locale.contains("utf-8") || locale.contains("utf8")
    }

    /// Where caches go unless told otherwise; nil without a home directory.
    var defaultCacheDirectory: String? {
        if let base = self[.cacheHome], base.hasPrefix("/") { return base + "/varve" }
        return self[.home].flatMap { $0.hasPrefix("/") ? $0 + "/.cache/varve" : nil }
    }

    /// Where this machine remembers what it saw; nil without a home directory.
    var stateDirectory: String? {
        if let base = self[.stateHome], base.hasPrefix("/") { return base + "/varve" }
        return self[.home].flatMap { $0.hasPrefix("/") ? $0 + "/.local/state/varve" : nil }
    }

    private static func text(_ pointer: UnsafeMutablePointer<CChar>) -> String {
        var bytes: [UInt8] = []
        var next = pointer
        while next.pointee != 0 {
            bytes.append(UInt8(bitPattern: next.pointee))
            next += 1
        }
        return ArgumentBytes.text(bytes)
    }
}
