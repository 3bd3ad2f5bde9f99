import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct LsCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List what a snapshot holds.",
        discussion: """
            With --json one line an entry.

            Examples:
              varve ls latest -R
              varve ls latest:home/me/docs -l
            """)

    @Argument(help: ArgumentHelp("The snapshot, and a path in it.", valueName: "ref[:path]")) var reference: String
    @Flag(name: [.customShort("R"), .long], help: "Everything below too.") var recursive = false
    @Flag(name: [.customShort("l"), .long], help: "Show mode, owner, size and time.") var long = false
    @Flag(help: "For @DATE: the closest snapshot, before or after.") var nearest = false
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let reference = try SnapshotReference(ArgumentBytes.bytes(reference))
        let repository = try context.openRepository()
        let snapshot = try SnapshotLookup(repository).find(reference, nearest: nearest)
        let reader = try SnapshotReader(repository: repository, snapshot: snapshot)
        let output = context.output
        let failures = try reader.list(reference.path ?? [], isRecursive: recursive) { path, entry throws(StoreError) in
            try output.checkReader()
            if output.isJSON {
                output.json(EntryText.json(entry, path, blobs: try reader.blobCount(entry)))
            } else {
                let name = output.width == nil ? path : Array(output.show(path).utf8)
                let prefix = long ? EntryText.columns(entry, output) : ""
                var line = Array(prefix.utf8) + name
                if long, case .symlink(let target) = entry.content {
                    line += Array(" -> ".utf8) + (output.width == nil ? target : Array(output.show(target).utf8))
                }
                output.write(line + [UInt8(ascii: "\n")])
            }
        }
        for failure in failures { output.error(output.safe(failure.message), path: failure.path) }
        return failures.isEmpty ? .ok : .damage
    }
}

/// Entries of trees as text and JSON.
enum EntryText {
    static func json(_ entry: TreeEntry, _ path: [UInt8], blobs: Int) -> [String: JSONValue] {
        var members = Output.pathMembers(path)
        let attributes = entry.attributes
        members["type"] = .string(type(entry.type))
        members["mode"] = .integer(Int64(attributes.mode))
        members["uid"] = .integer(Int64(attributes.uid))
        members["gid"] = .integer(Int64(attributes.gid))
        members["size"] = .integer(Int64(clamping: size(entry)))
        members["mtime"] = entry.isImplied ? .null : .string(time(entry).rfc3339)
        members["target"] = .null
        if case .symlink(let target) = entry.content {
            members["target"] = .string(String(decoding: target, as: UTF8.self))
            if String(validating: target, as: UTF8.self) == nil {
                members["target_base64"] = .string(Base64.encode(target))
            }
        }
        members["links"] = entry.hardLinkKey.map { .string(hex($0)) } ?? .null
        members["blobs"] = .integer(Int64(blobs))
        return members
    }

    /// `-rw-r--r-- owner group size time `.
    static func columns(_ entry: TreeEntry, _ output: Output) -> String {
        let attributes = entry.attributes
        let owner = attributes.owner.isEmpty ? String(attributes.uid) : output.show(attributes.owner)
        let group = attributes.group.isEmpty ? String(attributes.gid) : output.show(attributes.group)
        let size = HumanText.size(size(entry))
        return "\(mode(entry)) \(padded(owner, 8)) \(padded(group, 8)) "
            + String(repeating: " ", count: max(0, 9 - size.count)) + size
            + " \(entry.isImplied ? String(repeating: " ", count: 19) : LocalTime.text(time(entry))) "
    }

    static func type(_ type: EntryType) -> String {
        switch type {
        case .file: "file"
        case .directory: "directory"
        case .symlink: "symlink"
        case .fifo: "fifo"
        case .characterDevice: "character_device"
        case .blockDevice: "block_device"
        case .socket: "socket"
        }
    }

    private static func size(_ entry: TreeEntry) -> UInt64 {
        if case .file(let size, _) = entry.content { size } else { 0 }
    }

    private static func time(_ entry: TreeEntry) -> Timestamp {
        Timestamp(seconds: entry.attributes.mtimeSeconds, nanoseconds: entry.attributes.mtimeNanoseconds)
    }

    private static func mode(_ entry: TreeEntry) -> String {
        let mode = entry.attributes.mode
        let kind: Character =
            switch entry.type {
            case .file: "-"
            case .directory: "d"
            case .symlink: "l"
            case .fifo: "p"
            case .characterDevice: "c"
            case .blockDevice: "b"
            case .socket: "s"
            }
        var text = Array("rwxrwxrwx")
        for bit in 0..<9 where mode & (0o400 >> UInt32(bit)) == 0 { text[bit] = "-" }
        if mode & 0o4000 != 0 { text[2] = text[2] == "x" ? "s" : "S" }
        if mode & 0o2000 != 0 { text[5] = text[5] == "x" ? "s" : "S" }
        if mode & 0o1000 != 0 { text[8] = text[8] == "x" ? "t" : "T" }
        return String([kind] + text)
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
