import Glibc
import Varve

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
        case noColor = "NO_COLOR"
        case cacheHome = "XDG_CACHE_HOME"
        case stateHome = "XDG_STATE_HOME"
        case temporaryDirectory = "TMPDIR"
        case home = "HOME"
        case terminal = "TERM"
        case localeAll = "LC_ALL"
        case localeType = "LC_CTYPE"
        case language = "LANG"
        case user = "USER"
    }

    private let values: [Variable: String]

    /// Reads the variables of this process. An empty one counts as unset.
    init() {
        var values: [Variable: String] = [:]
        for variable in Variable.allCases {
            guard let pointer = getenv(variable.rawValue), pointer.pointee != 0 else { continue }
            values[variable] = Self.text(pointer)
        }
        self.values = values
    }

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
