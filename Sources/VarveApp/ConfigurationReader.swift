import CSys
package import Varve

/// Reads a varve.toml by the table of keys, and goes on after a mistake so that all are found at once.
package struct ConfigurationReader {
    typealias Node = ConfigurationDocument.Node

    /// The values of one table of the file.
    struct Table {
        var path = ""
        var values: Configuration.Values = [:]
        var lists: [String: [String]] = [:]
        var tables: [String: Table] = [:]
        var command: [String] = []
    }

    let file: [UInt8]
    private let home: [UInt8]?
    private(set) var mistakes: [ConfigurationMistake] = []
    private(set) var lines: ConfigurationLines?
    private var written: Set<String> = []

    private init(_ file: [UInt8], _ home: [UInt8]?) {
        self.file = file
        self.home = home
    }

    /// Reads a file.
    ///
    /// - Parameters:
    ///   - file: its absolute path.
    ///   - home: what `~` stands for.
    /// - Returns: the configuration, nil if there are mistakes, and the mistakes in the order of lines.
    /// - Throws: `noSuchFile` and others of the system if it cannot be read.
    package static func read(
        _ file: [UInt8], home: [UInt8]?
    ) throws(StoreError) -> (configuration: Configuration?, mistakes: [ConfigurationMistake]) {
        let descriptor = try Syscalls.open(file, flags: SYS_O_RDONLY | SYS_O_NONBLOCK)
        defer { _ = sys_close(descriptor) }
        guard try Syscalls.status(of: descriptor).kind == .regular else {
            throw StoreError(.usage, "the configuration is not a file", path: file)
        }
        var bytes: [UInt8] = []
        while bytes.count <= ConfigurationDocument.sizeLimit {
            let part = try DescriptorReader.read(descriptor, atMost: 64 << 10)
            if part.isEmpty { break }
            bytes += part
        }
        return parse(bytes, file: file, home: home)
    }

    /// Parses the bytes of a file.
    package static func parse(
        _ bytes: [UInt8], file: [UInt8], home: [UInt8]?
    ) -> (configuration: Configuration?, mistakes: [ConfigurationMistake]) {
        var reader = ConfigurationReader(file, home)
        do throws(ConfigurationDocument.Failure) {
            let document = try ConfigurationDocument(bytes)
            reader.lines = document.lines
            let configuration = reader.configuration(document.root)
            guard reader.mistakes.isEmpty else {
                return (nil, reader.mistakes.sorted { ($0.line ?? 0, $0.key ?? "") < ($1.line ?? 0, $1.key ?? "") })
            }
            return (configuration, [])
        } catch {
            let mistake = ConfigurationMistake(
                file: file, line: error.line, key: nil, message: error.message, remedy: error.remedy)
            return (nil, [mistake])
        }
    }

    mutating func add(_ key: String, _ message: String, _ remedy: String) {
        mistakes.append(
            ConfigurationMistake(
                file: file, line: lines?.line(of: key), key: key, message: message, remedy: remedy))
    }

    func hasMistake(_ key: String) -> Bool {
        mistakes.contains { $0.key == key || $0.key?.hasPrefix(key + "[") == true }
    }

    /// Whether a key was written, with whatever value.
    func hasKey(_ key: String) -> Bool { written.contains(key) }

    private mutating func configuration(_ root: [(key: String, value: Node)]) -> Configuration {
        var values: Configuration.Values = [:]
        var lists: [String: [String]] = [:]
        var components: [Table] = []
        var jobs: [Table] = []
        let tables = Set(ConfigurationKeys.tables.map(\.name).filter { !$0.isEmpty && !$0.contains(".") })
        var top: [(key: String, value: Node)] = []
        for (key, value) in root {
            switch key {
            case "component": components = self.tables(value, key)
            case "job": jobs = self.tables(value, key)
            case _ where tables.contains(key):
                guard case .table(let members) = value else {
                    add(key, "is \(value.kind), expected a table", "write [\(key)] on a line of its own")
                    continue
                }
                let table = table(members, key, key)
                for (name, value) in table.values { values["\(key).\(name)"] = value }
                for (name, list) in table.lists { lists["\(key).\(name)"] = list }
            default: top.append((key, value))
            }
        }
        let table = table(top, "", "")
        values.merge(table.values) { $1 }
        lists.merge(table.lists) { $1 }
        return ConfigurationChecks.checked(values, lists, components, jobs, &self)
    }

    /// The tables of `[[component]]` or `[[job]]`.
    private mutating func tables(_ value: Node, _ key: String) -> [Table] {
        guard case .array(let elements) = value else {
            add(key, "is \(value.kind), expected a table for each", "write [[\(key)]] with two brackets")
            return []
        }
        var result: [Table] = []
        for (index, element) in elements.enumerated() {
            let path = "\(key)[\(index)]"
            guard case .table(let members) = element else {
                add(path, "is \(element.kind), expected a table", "write [[\(key)]] on a line of its own")
                continue
            }
            result.append(table(members, path, key))
        }
        return result
    }

    /// The members of a table, by the keys of the table `name`.
    private mutating func table(_ members: [(key: String, value: Node)], _ path: String, _ name: String) -> Table {
        var result = Table(path: path)
        let keys = ConfigurationKeys.keys(of: name)
        for (member, value) in members {
            let place = path.isEmpty ? member : "\(path).\(member)"
            written.insert(place)
            guard let key = keys.first(where: { $0.name == member }) else {
                let (message, remedy) = ConfigurationAdvice.unknown(member, in: name, keys)
                add(place, message, remedy)
                continue
            }
            if key.form == .table {
                guard case .table(let inner) = value else {
                    add(place, "is \(value.kind), expected a table", "write [\(name).\(member)] on a line of its own")
                    continue
                }
                result.tables[member] = table(inner, place, "\(name).\(member)")
            } else if key.isList {
                if let list = list(value, key, place) { result.lists[member] = list }
            } else if key.form == .command, case .array = value {
                if let list = list(value, key, place) { result.command = list }
            } else if let text = scalar(value, key, place) {
                result.values[member] = text
            }
        }
        return result
    }

    private mutating func list(_ value: Node, _ key: ConfigurationKey, _ place: String) -> [String]? {
        guard case .array(let elements) = value else {
            let example = if case .string(let text) = value { text } else { "..." }
            add(place, "is \(value.kind), expected a list", "write \(key.name) = [\"\(example)\"]")
            return nil
        }
        var result: [String] = []
        for (index, element) in elements.enumerated() {
            if let text = scalar(element, key, "\(place)[\(index)]") { result.append(text) }
        }
        return result.count == elements.count ? result : nil
    }

    /// A value as text.
    private mutating func scalar(_ value: Node, _ key: ConfigurationKey, _ place: String) -> String? {
        let text: String
        switch (value, key.form) {
        case (.flag(let flag), .flag): text = flag ? "true" : "false"
        case (.integer(let number), .integer), (.integer(let number), .span), (.integer(let number), .size),
            (.integer(let number), .compression):
            text = String(number)
        case (.integer(0), .duration): text = "0"
        case (.string, .integer), (.string, .flag):
            add(place, "is a string, expected \(key.form.expectation)", "write it without quotation marks")
            return nil
        case (.string(let string), _): text = string
        default:
            add(place, "is \(value.kind), expected \(key.form.expectation)", ConfigurationAdvice.writing(key, value))
            return nil
        }
        if let problem = key.form.problem(text) {
            add(place, problem, "write \(key.form.expectation)")
            return nil
        }
        return key.form == .path ? path(text, key, place) : text
    }

    /// Makes a path absolute.
    private mutating func path(_ text: String, _ key: ConfigurationKey, _ place: String) -> String? {
        if key.path == "repository", text.contains("://") { return text }
        var bytes = Array(text.utf8)
        if text == "~" || text.hasPrefix("~/") {
            guard let home else {
                add(place, "begins with ~, and HOME is not set", "write the whole path")
                return nil
            }
            bytes = home + bytes.dropFirst()
        } else if text.hasPrefix("~") {
            add(place, "names the home of another user", "write the whole path; ./\(text) is a file of that name")
            return nil
        }
        let end = file.lastIndex(of: UInt8(ascii: "/")) ?? 0
        do throws(StoreError) {
            return String(decoding: try SourcePaths.absolute(bytes, from: Array(file[..<end])), as: UTF8.self)
        } catch {
            add(place, error.message, "write a path")
            return nil
        }
    }
}
