import CSys
import Varve
import VarveApp
import VarveFormat

/// Writes the varve.toml that is proposed for an application.
enum Proposal {
    /// - Throws: `exists` if there is a varve.toml already.
    static func write(for app: String, _ context: Context) throws(StoreError) -> ExitStatus {
        let directory = try context.absolute(app)
        let file = directory + Array("/\(Configured.fileName)".utf8)
        let survey = try ApplicationSurvey(directory)
        let text = ConfigurationProposal(
            survey, repository: try repository(directory, context),
            secrets: try secrets(context)
        ).text()
        if survey.isCut {
            context.output.warning("the directory holds more than was looked at: some of it may be missing here")
        }
        if !context.settings.isDryRun { try put(text, file) }
        if context.output.isJSON {
            context.output.json([
                "file": FileNameJSON.encode(file), "text": .string(text),
                "written": .bool(!context.settings.isDryRun),
            ])
        } else if context.settings.isDryRun {
            context.output.write(Array(text.utf8))
        } else {
            context.output.summary("wrote \(context.output.show(file))")
            context.output.note("edit it, then run varve config check, varve init and varve backup there")
        }
        return .ok
    }

    /// The repository that was named, or one beside the application.
    private static func repository(_ directory: [UInt8], _ context: Context) throws(StoreError) -> String {
        if let named = context.settings.repository { return try path(named, context) }
        let name = directory.split(separator: UInt8(ascii: "/")).last ?? []
        return "../\(String(decoding: name, as: UTF8.self))-backup"
    }

    /// Where options and variables say that the password and the key come from; a password itself is not written down.
    private static func secrets(_ context: Context) throws(StoreError) -> [(key: String, value: String)] {
        let (password, keyFile) = try context.passwords.sources()
        var secrets: [(key: String, value: String)] = []
        if let keyFile { secrets.append(("key_file", try path(keyFile, context))) }
        switch password {
        case .passwordFile(let file): secrets.append(("password_file", try path(file, context)))
        case .passwordCommand(let line): secrets.append(("password_command", line))
        case .password, nil: break
        }
        return secrets
    }

    private static func path(_ text: String, _ context: Context) throws(StoreError) -> String {
        text.contains("://") ? text : String(decoding: try context.absolute(text), as: UTF8.self)
    }

    private static func put(_ text: String, _ file: [UInt8]) throws(StoreError) {
        let descriptor: Int32
        do throws(StoreError) {
            descriptor = try Syscalls.open(file, flags: SYS_O_WRONLY | SYS_O_CREAT | SYS_O_EXCL, mode: 0o600)
        } catch {
            guard error.code == .exists else { throw error }
            throw StoreError(
                .exists, "there is a configuration already, it is left as it is", path: file,
                remedy: "--dry-run shows what would be proposed")
        }
        defer { _ = sys_close(descriptor) }
        let bytes = Array(text.utf8)
        let count = bytes.withUnsafeBytes { sys_write(descriptor, $0.baseAddress, $0.count) }
        try Syscalls.check(count, "write the configuration", file)
        guard count == bytes.count else { throw StoreError(.noSpace, "the configuration was cut short", path: file) }
    }
}
