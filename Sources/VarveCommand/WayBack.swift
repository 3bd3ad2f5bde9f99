import Varve
import VarveApp
import VarveFormat

/// The command that restores a snapshot in place, to be typed into any shell of this user.
struct WayBack: Sendable {
    let command: String

    /// - Throws: `failed` if the working directory is gone, which relative paths start from.
    init(_ id: SnapshotID, _ context: Context) throws(StoreError) {
        func absolute(_ text: String) throws(StoreError) -> String {
            ArgumentBytes.text(try context.absolute(text))
        }
        let program = CommandLine.arguments.first ?? "varve"
        var words = [program.contains("/") ? try absolute(program) : program, "restore", String(id.hex.prefix(16))]
        words += ["--repo", try absolute(try context.repositoryPath())]
        if let file = context.configured.configuration?.file { words += ["--config", ArgumentBytes.text(file)] }
        let (password, keyFile) = try context.passwords.sources()
        let environment = context.environment
        if let keyFile, context.options.keyFile != nil || !environment.isConfigured(.keyFile) {
            words += ["--key-file", try absolute(keyFile)]
        }
        switch password {
        case .passwordFile(let file)?
        where context.options.passwordFile != nil || !environment.isConfigured(.passwordFile):
            words += ["--password-file", try absolute(file)]
        case .passwordCommand(let line)?
        where context.options.passwordCommand != nil || !environment.isConfigured(.passwordCommand):
            words += ["--password-command", line]
        default: break
        }
        command = words.map(Self.quoted).joined(separator: " ")
    }

    func show(_ output: Output) { output.warning("to restore what was there before it, run: \(command)") }

    /// A word as a POSIX shell takes it.
    private static func quoted(_ word: String) -> String {
        let isPlain = word.unicodeScalars.allSatisfy { scalar in
            scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
                || "/._-+=:,@%".unicodeScalars.contains(scalar)
        }
        if isPlain, !word.isEmpty { return word }
        return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
    }
}
