import CSys
import Testing
import Varve
import VarveApp

@Suite("The keys of varve.toml")
struct ConfigurationKeysTests {
    private static let document: String = {
        var parts = #filePath.split(separator: "/")
        parts.removeLast(3)
        let path = "/" + parts.joined(separator: "/") + "/docs/CONFIGURATION.md"
        let bytes = try? DescriptorReader.readFile(Array(path.utf8), limit: 1 << 20)
        return String(decoding: bytes ?? [], as: UTF8.self)
    }()

    private static func row(_ key: ConfigurationKey) -> String {
        let form = key.isList ? "list: \(key.form.title)" : key.form.title
        let kinds = key.kinds.isEmpty ? "" : " (\(key.kinds.map { "`\($0.rawValue)`" }.joined(separator: ", ")))"
        let variables = [key.variable, key.shortVariable].compactMap(\.self).map { "`\($0)`" }.joined(separator: ", ")
        let isNested = key.table.hasPrefix("component") || key.table.hasPrefix("job")
        let last = isNested ? "" : " \(variables.isEmpty ? "-" : variables) |"
        return "| `\(key.name)` | \(form) | \(key.standard) |\(last) \(key.summary)\(kinds) |"
    }

    @Test("every scalar key outside the component and job tables has its variable, and no two have the same")
    func variables() {
        var seen: Set<String> = []
        for key in ConfigurationKeys.all {
            let isNested = key.table.hasPrefix("component") || key.table.hasPrefix("job")
            guard !isNested, !key.isList else {
                #expect(key.variable == nil)
                continue
            }
            let expected = key.table.isEmpty ? key.name : "\(key.table)_\(key.name)"
            #expect(key.variable == "VARVE_" + expected.uppercased())
            for name in [key.variable, key.shortVariable].compactMap(\.self) {
                #expect(seen.insert(name).inserted, "\(name) stands for two keys")
            }
        }
        #expect(seen.count > 40)
    }

    @Test("no key is there twice, and every one is in a table of the documentation")
    func unique() {
        #expect(Set(ConfigurationKeys.all.map(\.path)).count == ConfigurationKeys.all.count)
        let tables = Set(ConfigurationKeys.tables.map(\.name))
        #expect(ConfigurationKeys.all.allSatisfy { tables.contains($0.table) })
    }

    @Test(
        "docs/CONFIGURATION.md has a row for every key, and none besides",
        arguments: ConfigurationKeys.tables.map(\.name))
    func documentation(_ table: String) {
        let expected = ConfigurationKeys.keys(of: table).map(Self.row)
        let title = table.isEmpty ? "## At the top" : "## `\(Self.header(table))`"
        let lines = Self.document.split(separator: "\n", omittingEmptySubsequences: false)
        let section = lines.drop { $0 != title }.dropFirst().prefix { !$0.hasPrefix("## ") }
        let rows = section.filter { $0.hasPrefix("| `") }.map(String.init)
        #expect(rows == expected, "\(title)\n\(expected.joined(separator: "\n"))")
    }

    private static func header(_ table: String) -> String {
        table == "component" || table == "job" ? "[[\(table)]]" : "[\(table)]"
    }

    @Test("what a default says is a value of the key")
    func defaults() {
        for key in ConfigurationKeys.all where key.standard.hasPrefix("`") && key.standard.hasSuffix("`") {
            let value = String(key.standard.dropFirst().dropLast())
            guard !value.contains("`") else { continue }
            #expect(key.form.problem(value) == nil, "\(key.path): \(value)")
        }
    }
}
