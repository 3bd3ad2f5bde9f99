package import Varve

/// Where a PostgreSQL database is, in the parameters of libpq. The password stands apart: it is handed on in the
/// environment of programs, never in their arguments, which everybody can read.
package struct PostgresAddress: Sendable, Equatable {
    /// The database.
    package var database: String
    /// The other parameters by their keywords (postgresql.org/docs/current/libpq-connect.html), in order.
    private var parameters: [[String]] = []
    private var password: String?

    private static let schemes = ["postgresql://", "postgres://"]

    /// Understands what a user wrote. Nothing of it is repeated in an error: it may hold a password.
    ///
    /// - Parameters:
    ///   - text: a URI, or else the name of a database, whatever characters it has.
    ///   - service: the name of a service, whose parameters fill in what is not said.
    /// - Throws: `usage`.
    package init(_ text: String, service: String? = nil) throws(StoreError) {
        database = text
        if let scheme = Self.schemes.first(where: { text.hasPrefix($0) }) {
            database = ""
            try parse(Array(text.utf8.dropFirst(scheme.utf8.count)))
        }
        if let service { parameters.append(["service", service]) }
        guard !database.isEmpty, !database.utf8.contains(0) else {
            throw StoreError(.usage, "PostgreSQL: no database is named", remedy: "end the URI with /NAME")
        }
    }

    /// A database by its name, whatever characters that has.
    package init(name: String) { database = name }

    /// The string that programs get as their database.
    package func connection(to database: String? = nil) -> String {
        let pairs = parameters + [["dbname", database ?? self.database]]
        return pairs.map { pair in
            let value = pair[1].reduce(into: "") { text, character in
                if character == "'" || character == "\\" { text.append("\\") }
                text.append(character)
            }
            return "\(pair[0])='\(value)'"
        }.joined(separator: " ")
    }

    /// What programs get in their environment.
    package var variables: [String: String] { password.map { ["PGPASSWORD": $0] } ?? [:] }

    /// For messages: the database, and the host if one was named.
    package var text: String {
        let value = { (key: String) in parameters.last { $0[0] == key }?[1] }
        let port = value("port").map { ":\($0)" } ?? ""
        let host = value("host").map { " at \($0)\(port)" } ?? value("service").map { " of the service \($0)" } ?? ""
        return "database \(database)\(host)"
    }

    // MARK: URIs

    private static var mistake: StoreError {
        StoreError(
            .usage, "PostgreSQL: the URI cannot be understood",
            remedy: "write postgresql://USER@HOST:PORT/NAME, with special characters as %XX")
    }

    private mutating func parse(_ bytes: [UInt8]) throws(StoreError) {
        var rest = bytes[...]
        let slash = UInt8(ascii: "/"), at = UInt8(ascii: "@"), colon = UInt8(ascii: ":")
        if let end = rest.firstIndex(where: { $0 == at || $0 == slash }), rest[end] == at {
            let user = rest[..<end].split(separator: colon, maxSplits: 1, omittingEmptySubsequences: false)
            if let name = user.first, !name.isEmpty { parameters.append(["user", try Self.decoded(name)]) }
            if user.count > 1 { password = try Self.decoded(user[1]) }
            rest = rest[(end + 1)...]
        }
        let question = rest.firstIndex(of: UInt8(ascii: "?")) ?? rest.endIndex
        let path = rest[..<question]
        let hostsEnd = path.firstIndex(of: slash) ?? path.endIndex
        try parseHosts(path[..<hostsEnd])
        if hostsEnd < path.endIndex {
            let name = path[(hostsEnd + 1)...]
            // A password with a slash in it would end up here.
            guard !name.contains(at), !name.contains(slash) else { throw Self.mistake }
            database = try Self.decoded(name)
        }
        for pair in rest[question...].dropFirst().split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw Self.mistake }
            try set(try Self.decoded(parts[0]), try Self.decoded(parts[1]))
        }
    }

    private mutating func parseHosts(_ text: ArraySlice<UInt8>) throws(StoreError) {
        guard !text.isEmpty else { return }
        var hosts: [String] = [], ports: [String] = []
        for part in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            var host = part
            var port = part[part.endIndex...]
            if part.first == UInt8(ascii: "[") {
                guard let close = part.firstIndex(of: UInt8(ascii: "]")) else { throw Self.mistake }
                host = part[(part.startIndex + 1)..<close]
                port = part[(close + 1)...]
                guard port.isEmpty || port.first == UInt8(ascii: ":") else { throw Self.mistake }
                port = port.dropFirst()
            } else if let colon = part.firstIndex(of: UInt8(ascii: ":")) {
                host = part[..<colon]
                port = part[(colon + 1)...]
            }
            guard port.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { throw Self.mistake }
            hosts.append(try Self.decoded(host))
            ports.append(String(decoding: port, as: UTF8.self))
        }
        if hosts.contains(where: { !$0.isEmpty }) { parameters.append(["host", hosts.joined(separator: ",")]) }
        if ports.contains(where: { !$0.isEmpty }) { parameters.append(["port", ports.joined(separator: ",")]) }
    }

    private mutating func set(_ key: String, _ value: String) throws(StoreError) {
        switch key {
        case "dbname": database = value
        case "password": password = value
        case "ssl" where value == "true": parameters.append(["sslmode", "require"])
        case "sslpassword":
            throw StoreError(
                .usage, "PostgreSQL: a URI with sslpassword would show it to everybody",
                remedy: "write it into a service of pg_service.conf and name that")
        default:
            let letters = Set("abcdefghijklmnopqrstuvwxyz_".utf8)
            guard !key.isEmpty, key.utf8.allSatisfy(letters.contains) else { throw Self.mistake }
            parameters.append([key, value])
        }
    }

    /// What `%XX` stands for (RFC 3986 section 2.1).
    private static func decoded(_ text: ArraySlice<UInt8>) throws(StoreError) -> String {
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16),
                value != 0
            else { throw mistake }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
