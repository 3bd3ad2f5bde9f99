import ArgumentParser
import Varve
import VarveApp

/// What a capture leaves out.
struct ExclusionOptions: ParsableArguments {
    @Option(
        name: .shortAndLong, help: ArgumentHelp("Leave out what a pattern (gitignore) matches.", valueName: "pattern")
    )
    var exclude: [String] = []
    @Option(help: ArgumentHelp("Take patterns from a file, one a line.", valueName: "file"))
    var excludeFile: [String] = []
    @Option(help: ArgumentHelp("A named set: python, ide, vcs, os, logs or caches.", valueName: "name"))
    var excludeSet: [String] = []
    @Flag(help: "Leave out directories with a CACHEDIR.TAG.") var excludeCaches = false
    @Option(help: ArgumentHelp("Leave out directories that hold this file.", valueName: "name"))
    var excludeIfPresent: [String] = []
    @Option(help: ArgumentHelp("Leave out larger files, as in 500M.", valueName: "size"))
    var excludeLargerThan: String?
    @Option(help: ArgumentHelp("Take what a pattern matches, whatever excludes it.", valueName: "pattern"))
    var include: [String] = []
    @Flag(name: [.customShort("x"), .long], help: "Stay on the file system of each path.")
    var oneFileSystem = false

    private static let fileLimit = 16 << 20

    /// What the configuration leaves out, and on top of it what the options say.
    func added(to general: Archiver.Exclusions, _ own: Archiver.Exclusions) -> Archiver.Exclusions {
        var result = general
        result.rules += own.rules
        result.markers = ExcludeMarkers(
            cacheDirectories: general.markers.cacheDirectories || own.markers.cacheDirectories,
            names: general.markers.names + own.markers.names)
        result.largerThan = own.largerThan ?? general.largerThan
        return result
    }

    /// The rules in ascending order of strength.
    ///
    /// - Throws: `usage` for a pattern, set or size that makes no sense, naming the option or the line.
    func exclusions() throws(StoreError) -> Archiver.Exclusions {
        var result = Archiver.Exclusions()
        for name in excludeSet {
            result.rules += try OptionValue.named("--exclude-set") { () throws(StoreError) in
                try ExcludeSets.rules(name)
            }
        }
        for file in excludeFile {
            let path = ArgumentBytes.bytes(file)
            let bytes = try DescriptorReader.readFile(path, limit: Self.fileLimit)
            let (rules, problems) = PathRule.parseLines(bytes) { .file(path: path, line: $0) }
            if let problem = problems.first { throw problem }
            result.rules += rules
        }
        for pattern in exclude {
            result.rules.append(try PathRule(ArgumentBytes.bytes(pattern), origin: .option("--exclude")))
        }
        for pattern in include {
            result.rules.append(
                try PathRule(ArgumentBytes.bytes(pattern), origin: .option("--include"), action: .forceInclude))
        }
        for name in excludeIfPresent where name.isEmpty || name.contains("/") {
            throw StoreError(.usage, "--exclude-if-present: \"\(name)\" is not the name of a file")
        }
        result.markers = ExcludeMarkers(
            cacheDirectories: excludeCaches, names: excludeIfPresent.map(ArgumentBytes.bytes))
        if let excludeLargerThan {
            result.largerThan = try OptionValue.size("--exclude-larger-than", excludeLargerThan)
        }
        return result
    }
}
