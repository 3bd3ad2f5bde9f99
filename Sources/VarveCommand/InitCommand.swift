import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct InitCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make a repository, or propose a configuration for an application.",
        discussion: """
            It is encrypted unless --unencrypted is given. With a key file (--key-file
            or VARVE_KEY_FILE; made if there is none) no password is needed; else the
            password comes from an option, from the environment or from the terminal.

            With --app, no repository is made: varve looks into the directory of an
            application and writes a varve.toml there, for you to edit.

            Examples:
              varve init -r /backup/repo
              varve init -r /backup/repo --key-file ~/.varve.key
              varve init -r /backup/repo --unencrypted
              varve init --app /srv/app -r /backup/app
            """)

    @Flag(help: "Make it readable without a key.") var unencrypted = false
    @Option(help: ArgumentHelp("Close packs at this size (default: 16M).", valueName: "size")) var packSize: String?
    @Option(help: ArgumentHelp("Average chunk of files up to 1 GiB (default: 64K).", valueName: "size"))
    var chunkSize: String?
    @Option(help: ArgumentHelp("Propose a varve.toml for the application in a directory.", valueName: "dir"))
    var app: String?
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        if let app { return try Proposal.write(for: app, context) }
        let path = try context.repositoryPath()
        var options = Repository.CreateOptions()
        options.timeMade = Timestamp.now().seconds
        if let packSize { options.packBytes = Int(clamping: try OptionValue.size("--pack-size", packSize)) }
        if let chunkSize {
            options.fileChunkAverage = Int(clamping: try OptionValue.size("--chunk-size", chunkSize))
        }
        let (password, keyFile) = try context.passwords.sources()
        if unencrypted, password != nil || keyFile != nil {
            throw StoreError(
                .usage, "--unencrypted was given together with a password or key file",
                remedy: "leave one of them out; look into the environment too")
        }
        if context.settings.isDryRun {
            context.output.note("would make \(unencrypted ? "an unencrypted" : "an encrypted") repository at \(path)")
            return .ok
        }
        return try make(path, &options, password, keyFile, context)
    }

    private func make(
        _ path: String, _ options: inout Repository.CreateOptions, _ password: Passwords.Source?, _ keyFile: String?,
        _ context: Context
    ) throws(StoreError) -> ExitStatus {
        var second: RepositorySecret?
        var madeKeyFile: String?
        if !unencrypted {
            if let keyFile {
                let (key, isNew) = try Passwords.readOrMakeKeyFile(keyFile)
                options.secret = .keyFile(key)
                if isNew { madeKeyFile = keyFile }
                if let password { second = .password(try context.passwords.read(password)) }
            } else if let password {
                options.secret = .password(try context.passwords.read(password))
            } else {
                let question = "Password for the new repository: "
                options.secret = .password(try context.passwords.ask(question, twice: true))
            }
        }
        let secrets = options.secret.map { [$0] } ?? []
        let repository: Repository
        do throws(StoreError) {
            repository = try Repository.create(at: path, options: options, openOptions: context.openOptions(secrets))
        } catch {
            // A key that opens nothing would only confuse.
            if let madeKeyFile { try? Syscalls.unlink(ArgumentBytes.bytes(madeKeyFile)) }
            throw error
        }
        if let second {
            _ = try repository.addKey(second, existing: secrets, label: "", timeMade: options.timeMade)
        }
        report(repository, context.output)
        if let keyFile, second == nil {
            context.output.warning(
                "the key file is the only key: copy it elsewhere; varve key add sets a password",
                path: ArgumentBytes.bytes(keyFile))
        }
        return .ok
    }

    private func report(_ repository: Repository, _ output: Output) {
        if output.isJSON {
            output.message(
                "summary",
                [
                    "repository_id": .string(repository.id.hex), "path": .string(repository.location),
                    "encrypted": .bool(repository.isEncrypted),
                ])
        } else {
            let kind = repository.isEncrypted ? "encrypted" : "unencrypted"
            output.summary("made \(kind) repository \(repository.id.hex.prefix(8)) at \(repository.location)")
        }
    }
}
