import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "List, add, remove and change what opens the repository.",
        subcommands: [KeyListCommand.self, KeyAddCommand.self, KeyRemoveCommand.self, KeyPasswdCommand.self])
}

/// Where a new password or key file comes from.
struct NewKeyOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Take the new password from the first line of a file.", valueName: "file"))
    var newPasswordFile: String?
    @Option(help: ArgumentHelp("Take the new password from the output of a command.", valueName: "command"))
    var newPasswordCommand: String?
    @Option(help: ArgumentHelp("Text that key list shows.", valueName: "text")) var label: String = ""

    /// The new password, asked for twice on a terminal if no option names it.
    func password(_ context: Context) throws(StoreError) -> RepositorySecret {
        if newPasswordFile != nil, newPasswordCommand != nil {
            throw StoreError(.usage, "two new passwords were given", remedy: "give one")
        }
        if let newPasswordFile { return .password(try context.passwords.read(.passwordFile(newPasswordFile))) }
        if let newPasswordCommand { return .password(try context.passwords.read(.passwordCommand(newPasswordCommand))) }
        return .password(try context.passwords.ask("New password: ", twice: true))
    }
}

struct KeyListCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the keys; * marks the one that opened the repository.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let (repository, secrets) = try context.openWithSecrets()
        let current = try KeySlots.opened(in: repository, by: secrets)
        let slots = try repository.keySlots()
        if context.output.isJSON {
            let keys = slots.map { slot in
                JSONValue.object([
                    "id": .string(slot.id.hex), "kind": SnapshotJSON.text(slot.kind.map(Self.name)),
                    "label": .string(slot.label), "current": .bool(slot.id == current),
                    "time": .string(Timestamp(seconds: slot.timeMade).rfc3339),
                    "damage": .array(slot.damage.map { .string($0) }),
                ])
            }
            context.output.json(["keys": .array(keys)])
        } else {
            var table = Table([
                .init(title: " "), .init(title: "ID"), .init(title: "KIND"), .init(title: "MADE"),
                .init(title: "LABEL"),
            ])
            for slot in slots {
                let kind = slot.kind.map(Self.name) ?? "damaged"
                table.add([
                    slot.id == current ? "*" : " ", String(slot.id.hex.prefix(16)), kind,
                    LocalTime.text(Timestamp(seconds: slot.timeMade)), context.output.safe(slot.label),
                ])
            }
            context.output.table(table)
        }
        return slots.allSatisfy(\.damage.isEmpty) ? .ok : .damage
    }

    private static func name(_ kind: KeySlotKind) -> String {
        switch kind {
        case .configCopy: "none"
        case .password: "password"
        case .keyFile: "key_file"
        }
    }
}

struct KeyAddCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a password or a key file.",
        discussion: """
            Examples:
              varve key add --label "on paper in the safe"
              varve key add --new-key-file ~/second.key
            """)

    @Option(help: ArgumentHelp("Add a key file, made if there is none.", valueName: "file")) var newKeyFile: String?
    @OptionGroup var new: NewKeyOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let (repository, secrets) = try context.openWithSecrets()
        if context.settings.isDryRun {
            context.output.note("would add a key")
            return .ok
        }
        let secret: RepositorySecret
        if let newKeyFile {
            secret = .keyFile(try Passwords.readOrMakeKeyFile(newKeyFile).key)
        } else {
            secret = try new.password(context)
        }
        let id = try repository.addKey(
            secret, existing: secrets, label: new.label, timeMade: Timestamp.now().seconds)
        if context.output.isJSON {
            context.output.json(["id": .string(id.hex)])
        } else {
            context.output.summary("added key \(id.hex.prefix(16))")
        }
        return .ok
    }
}

struct KeyRemoveCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a key.",
        discussion: """
            What it opened can still be opened by whoever copied the repository before.
            """)

    @Argument(help: ArgumentHelp("The key's id, or the first digits of it.", valueName: "id")) var id: String
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let (repository, secrets) = try context.openWithSecrets()
        let matches = try repository.keySlots().filter { $0.id.hex.hasPrefix(id.lowercased()) }
        guard let slot = matches.first, !id.isEmpty else {
            throw StoreError(.notFound, "there is no key \"\(id)\"", remedy: "see varve key list")
        }
        guard matches.count == 1 else {
            throw StoreError(.ambiguous, "\(matches.count) keys begin with \"\(id)\"", remedy: "give more digits")
        }
        if context.settings.isDryRun {
            context.output.note("would remove key \(slot.id.hex)")
            return .ok
        }
        let isCurrent = try KeySlots.opened(in: repository, by: secrets) == slot.id
        let which = isCurrent ? "the key that is in use now" : "key \(slot.id.hex.prefix(16))"
        try Confirmation.ask("Removing \(which)", context)
        try repository.removeKey(slot.id)
        if context.output.isJSON {
            context.output.json(["removed": .string(slot.id.hex)])
        } else {
            context.output.summary("removed key \(slot.id.hex.prefix(16))")
        }
        return .ok
    }
}

struct KeyPasswdCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "passwd", abstract: "Replace the password that opens the repository now.")

    @OptionGroup var new: NewKeyOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let (repository, secrets) = try context.openWithSecrets()
        guard repository.isEncrypted else {
            throw StoreError(.usage, "an unencrypted repository has no password", path: repository.location)
        }
        let current = try KeySlots.opened(in: repository, by: secrets)
        let slots = try repository.keySlots()
        guard let old = slots.first(where: { $0.id == current }), old.kind == .password else {
            throw StoreError(
                .usage, "the repository was opened with a key file, which has no password to change",
                remedy: "open it with the password, or use varve key add")
        }
        if context.settings.isDryRun {
            context.output.note("would replace the password of key \(old.id.hex)")
            return .ok
        }
        let id = try repository.addKey(
            try new.password(context), existing: secrets, label: new.label.isEmpty ? old.label : new.label,
            timeMade: Timestamp.now().seconds)
        // With the same second and label nothing else differs but salt and nonce, so the names always do.
        try repository.removeKey(old.id)
        if context.output.isJSON {
            context.output.json(["id": .string(id.hex), "removed": .string(old.id.hex)])
        } else {
            context.output.summary("changed the password")
        }
        return .ok
    }
}
