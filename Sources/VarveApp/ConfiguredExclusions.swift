package import Varve

/// Exclusions as a configuration writes them.
package enum ConfiguredExclusions {
    private static let fileLimit = 16 << 20

    /// The bytes of a file that a key names.
    ///
    /// - Throws: `usage` if it is not there.
    package static func read(_ path: [UInt8], named key: String) throws(StoreError) -> [UInt8] {
        do throws(StoreError) {
            return try DescriptorReader.readFile(path, limit: fileLimit)
        } catch {
            let code: StoreError.Code = error.code == .missing ? .usage : error.code
            throw StoreError(code, "\(key): \(error.message)", path: path, remedy: "correct the key")
        }
    }

    /// The exclusions of one table, by the names of its keys.
    ///
    /// - Parameter prefix: the table, for messages.
    /// - Throws: `usage` for an exclude file with a line that makes no sense, and what reading it throws.
    package static func exclusions(
        _ values: Configuration.Values, _ lists: [String: [String]], prefix: String
    ) throws(StoreError) -> Archiver.Exclusions {
        var result = Archiver.Exclusions()
        for name in lists["exclude_set"] ?? [] { result.rules += try ExcludeSets.rules(name) }
        for file in lists["exclude_file"] ?? [] {
            let path = Array(file.utf8)
            let bytes = try read(path, named: "\(prefix).exclude_file")
            let (rules, problems) = PathRule.parseLines(bytes) { .file(path: path, line: $0) }
            if let problem = problems.first { throw problem }
            result.rules += rules
        }
        for pattern in lists["exclude"] ?? [] {
            result.rules.append(try PathRule(Array(pattern.utf8), origin: .option("\(prefix).exclude")))
        }
        for pattern in lists["include"] ?? [] {
            result.rules.append(
                try PathRule(Array(pattern.utf8), origin: .option("\(prefix).include"), action: .forceInclude))
        }
        result.markers = ExcludeMarkers(
            cacheDirectories: values["exclude_caches"] == "true",
            names: (lists["exclude_if_present"] ?? []).map { Array($0.utf8) })
        if let size = values["exclude_larger_than"] { result.largerThan = try SizeText.parse(size) }
        return result
    }
}
