import ArgumentParser
import Varve
import VarveApp
import VarveFormat

/// A command that says something about snapshots and changes nothing else.
protocol Mark: Verb {
    var references: [String] { get }
    /// What the command is called.
    static var verb: String { get }
    /// What it does, or would do, to so many snapshots.
    var summary: String { get }
    func apply(to ids: [SnapshotID], _ editor: SnapshotEditor) throws(StoreError)
    /// Refuses options that make no sense, before anything is opened.
    func check() throws(StoreError)
}

extension Mark {
    func check() throws(StoreError) {}

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        try check()
        let repository = try context.openRepository()
        let snapshots = try NamedSnapshots.find(references, in: SnapshotLookup(repository), verb: Self.verb)
        let ids = snapshots.map(\.id)
        if !context.settings.isDryRun { try apply(to: ids, SnapshotEditor(repository: repository)) }
        if context.output.isJSON {
            context.output.json([
                "snapshots": .array(ids.map { .string($0.hex) }), "dry_run": .bool(context.settings.isDryRun),
            ])
        } else {
            let would = context.settings.isDryRun ? "would have " : ""
            context.output.summary("\(would)\(summary): \(HumanText.count(ids.count, "snapshot"))")
        }
        return .ok
    }
}

struct TagCommand: Mark {
    static let configuration = CommandConfiguration(
        commandName: "tag", abstract: "Add, remove or replace the tags of snapshots.",
        discussion: """
            The options may be repeated. --set replaces all tags; --set '' leaves none.

            Examples:
              varve tag latest --add release --remove candidate
              varve tag 20250623_123456 --set archive
            """)
    static let verb = "tag"

    @Argument(help: ArgumentHelp("Snapshots.", valueName: "ref")) var references: [String]
    @Option(help: ArgumentHelp("Add a tag.", valueName: "tag")) var add: [String] = []
    @Option(help: ArgumentHelp("Take a tag away.", valueName: "tag")) var remove: [String] = []
    @Option(help: ArgumentHelp("Have these tags and no others.", valueName: "tag")) var set: [String] = []
    @OptionGroup(title: "Global options") var global: GlobalOptions

    var summary: String { "tagged" }

    func check() throws(StoreError) {
        guard !add.isEmpty || !remove.isEmpty || !set.isEmpty else {
            throw StoreError(.usage, "no tag was named", remedy: "give --add, --remove or --set")
        }
        guard set.isEmpty || add.isEmpty && remove.isEmpty else {
            throw StoreError(.usage, "--set replaces all tags and goes with neither --add nor --remove")
        }
    }

    func apply(to ids: [SnapshotID], _ editor: SnapshotEditor) throws(StoreError) {
        try editor.tag(ids, set.isEmpty ? .change(add: add, remove: remove) : .set(set.filter { !$0.isEmpty }))
    }
}

struct PinCommand: Mark {
    static let configuration = CommandConfiguration(
        commandName: "pin", abstract: "Keep snapshots whatever a policy says.",
        discussion: """
            A pinned snapshot is not deleted either before it is unpinned.

            Examples:
              varve pin before_migration_v2
            """)
    static let verb = "pin"

    @Argument(help: ArgumentHelp("Snapshots.", valueName: "ref")) var references: [String]
    @OptionGroup(title: "Global options") var global: GlobalOptions

    var summary: String { "pinned" }

    func apply(to ids: [SnapshotID], _ editor: SnapshotEditor) throws(StoreError) { try editor.pin(ids, true) }
}

struct UnpinCommand: Mark {
    static let configuration = CommandConfiguration(
        commandName: "unpin", abstract: "Take pins away.",
        discussion: """
            Examples:
              varve unpin before_migration_v2
            """)
    static let verb = "unpin"

    @Argument(help: ArgumentHelp("Snapshots.", valueName: "ref")) var references: [String]
    @OptionGroup(title: "Global options") var global: GlobalOptions

    var summary: String { "unpinned" }

    func apply(to ids: [SnapshotID], _ editor: SnapshotEditor) throws(StoreError) { try editor.pin(ids, false) }
}

struct HoldCommand: Mark {
    static let configuration = CommandConfiguration(
        commandName: "hold", abstract: "Keep snapshots from being deleted before a date.",
        discussion: """
            A date (2031-12-31) holds to the end of that day, local time; an age (90d)
            counts from now. A later hold replaces an earlier one.

            Examples:
              varve hold latest --until 2031-12-31
              varve hold 20250623_123456 --until 90d
              varve hold latest --release
            """)
    static let verb = "hold"

    @Argument(help: ArgumentHelp("Snapshots.", valueName: "ref")) var references: [String]
    @Option(help: ArgumentHelp("Until when.", valueName: "date")) var until: String?
    @Flag(help: "End the hold now.") var release = false
    @OptionGroup(title: "Global options") var global: GlobalOptions

    var summary: String { release ? "released" : "held" }

    func check() throws(StoreError) { _ = try end() }

    func apply(to ids: [SnapshotID], _ editor: SnapshotEditor) throws(StoreError) {
        try editor.hold(ids, until: try end())
    }

    /// When the hold ends; nil to release it.
    private func end() throws(StoreError) -> Timestamp? {
        guard (until != nil) != release else {
            throw StoreError(.usage, "give either --until or --release")
        }
        guard let until else { return nil }
        let now = Timestamp.now()
        let end = try OptionValue.named("--until") { () throws(StoreError) in
            if let age = try? DurationText.parse(until) {
                return Timestamp(seconds: now.seconds.addingReportingOverflow(age).partialValue)
            }
            return try DateText(until).end
        }
        guard end > now else { throw StoreError(.usage, "--until: \"\(until)\" is past") }
        return end
    }
}
