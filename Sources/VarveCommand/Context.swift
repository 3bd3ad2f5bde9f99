import Glibc
import Varve
import VarveApp
import VarveFormat

/// What a running command stands in.
struct Context: Sendable {
    let settings: Settings
    let options: GlobalOptions
    let environment: Environment
    let configured: Configured
    let output: Output
    let signals: Signals

    /// The same for a step of the command, whose summary is not the last line. Its output is to be flushed in the end.
    func step(_ name: String) -> Context {
        output.flush()
        return Context(
            settings: settings, options: options, environment: environment, configured: configured,
            output: Output(name, of: output), signals: signals)
    }

    var passwords: Passwords { Passwords(options, environment, signals) }

    /// The place of the repository.
    ///
    /// - Throws: `usage` if none was given.
    func repositoryPath() throws(StoreError) -> String {
        guard let path = settings.repository, !path.isEmpty else {
            throw StoreError(
                .usage, "no repository was given",
                remedy: "name it with --repo, VARVE_REPOSITORY or as repository in varve.toml")
        }
        return path
    }

    func openOptions(_ secrets: [RepositorySecret]) -> Repository.OpenOptions {
        var options = Repository.OpenOptions()
        options.secrets = secrets
        options.cacheDirectory = settings.cacheDirectory
        options.stateDirectory = environment.stateDirectory
        options.threads = settings.threads
        options.program = ProgramVersion.program
        return options
    }

    /// Opens the repository, asking for the password where none was given and somebody can be asked.
    func openRepository() throws(StoreError) -> Repository { try openWithSecrets().repository }

    /// As `openRepository`, and the secrets that opened it.
    func openWithSecrets() throws(StoreError) -> (repository: Repository, secrets: [RepositorySecret]) {
        let path = try repositoryPath()
        var secrets = try passwords.secrets()
        let repository: Repository
        do throws(StoreError) {
            repository = try patiently { () throws(StoreError) in
                try Repository.open(at: path, options: openOptions(secrets))
            }
        } catch {
            guard error.code == .wrongKey, secrets.isEmpty else { throw error }
            secrets = [.password(try passwords.ask("Password of \(output.safe(path)): ", twice: false))]
            repository = try Repository.open(at: path, options: openOptions(secrets))
        }
        for warning in repository.warnings { output.warning(output.safe(warning)) }
        return (repository, secrets)
    }

    /// Tries again while the repository is busy, as long as `--wait` says.
    func patiently<Value>(_ body: () throws(StoreError) -> Value) throws(StoreError) -> Value {
        let deadline = ContinuousClock.now + .seconds(settings.wait)
        while true {
            do throws(StoreError) {
                return try body()
            } catch {
                guard error.code == .busy, ContinuousClock.now < deadline, signals.status == nil else { throw error }
                _ = usleep(500_000)
            }
        }
    }

    /// Whether somebody may watch the progress, so that counting ahead for the time left is worth it.
    var showsProgress: Bool {
        !options.noProgress && (options.progress || (isatty(2) == 1 && !options.quiet))
    }

    /// Runs a verb with signals and the display connected to its progress.
    func withProgress<Value>(
        onStop: (@Sendable () -> Void)? = nil, _ body: (Progress) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        let progress = Progress()
        let line = try ProgressLine(progress, output, options, environment)
        signals.connect(progress, onStatus: { line.showStatus() }, onStop: onStop)
        defer { line.stop() }
        return try body(progress)
    }

    /// The working directory, which relative paths start from.
    func workingDirectory() throws(StoreError) -> [UInt8] { try Self.workingDirectory() }

    /// The working directory.
    static func workingDirectory() throws(StoreError) -> [UInt8] {
        guard let pointer = getcwd(nil, 0) else {
            throw StoreError(.failed, "the working directory is gone", remedy: "change to another one")
        }
        defer { free(pointer) }
        var bytes: [UInt8] = []
        var next = pointer
        while next.pointee != 0 {
            bytes.append(UInt8(bitPattern: next.pointee))
            next += 1
        }
        return bytes
    }

    /// A path from the command line, absolute.
    func absolute(_ argument: String) throws(StoreError) -> [UInt8] {
        try SourcePaths.absolute(ArgumentBytes.bytes(argument), from: try workingDirectory())
    }
}
