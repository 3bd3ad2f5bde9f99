import ArgumentParser
import Varve
import VarveApp

/// A stream that a backup takes instead of files.
struct StreamOptions: ParsableArguments {
    @Flag(help: "Save standard input as one file.") var stdin = false
    @Option(help: ArgumentHelp("Its name in the snapshot (default: stdin).", valueName: "name"))
    var stdinFilename: String?
    @Flag(help: "Save the output of the command behind --; if it fails, nothing is saved.") var fromCommand = false
    @Option(help: ArgumentHelp("Its name in the snapshot.", valueName: "name")) var filename: String?

    /// A stream to save.
    enum Input {
        case standardInput(path: [UInt8])
        case command(path: [UInt8], arguments: [[UInt8]])

        /// Connects the stream with a capture; a command is started, but not for a dry run.
        func start(into options: inout Archiver.Options) throws(StoreError) -> ChildProcess? {
            switch self {
            case .standardInput(let path):
                options.streams = [Archiver.Stream(path: path, descriptor: 0) {}]
                return nil
            case .command(let path, let arguments):
                guard !options.isDryRun else {
                    options.streams = [Archiver.Stream(path: path, descriptor: 0) {}]
                    return nil
                }
                let (stream, process) = try CommandSource.start(path: path, arguments: arguments)
                options.streams = [stream]
                return process
            }
        }
    }

    /// The stream to save, if one was named.
    func input(_ command: [String]) throws(StoreError) -> Input? {
        guard !stdin || !fromCommand else {
            throw StoreError(.usage, "--stdin and --from-command were both given", remedy: "give one")
        }
        if stdinFilename != nil, !stdin { throw StoreError(.usage, "--stdin-filename needs --stdin") }
        if filename != nil, !fromCommand { throw StoreError(.usage, "--filename needs --from-command") }
        if stdin { return .standardInput(path: try Self.path(stdinFilename ?? "stdin", "--stdin-filename")) }
        guard fromCommand else { return nil }
        guard let filename, !command.isEmpty else {
            throw StoreError(
                .usage, "--from-command needs --filename and a command behind --",
                remedy: "as in: varve backup --from-command --filename app.sql -- pg_dump app")
        }
        return .command(path: try Self.path(filename, "--filename"), arguments: command.map(ArgumentBytes.bytes))
    }

    private static func path(_ name: String, _ option: String) throws(StoreError) -> [UInt8] {
        let path = try SourcePaths.absolute(ArgumentBytes.bytes(name), from: [])
        guard path.count > 1 else { throw StoreError(.usage, "\(option): \"\(name)\" is not the name of a file") }
        return path
    }
}
