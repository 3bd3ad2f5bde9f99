import VarveFormat

/// The given paths as a tree: which names lead to them, and which are the sources themselves.
struct SourceForest: Sendable {
    enum Target: Sendable {
        /// A directory above a source.
        case implied
        case source
        case stream(Archiver.Stream)
    }

    /// What a path inside a source is to the other sources.
    enum Role: Sendable {
        case ordinary
        /// A directory above a source that lies in this one.
        case leads
        /// A source itself, that lies in another one.
        case source
    }

    /// For each implied directory its names in byte order; the path of the root is empty.
    private var targets: [[UInt8]: [[UInt8]: Target]] = [:]
    /// `/` itself was given.
    private(set) var rootIsSource = false
    /// Sources inside other sources: no rule or file system border of those keeps them out.
    private(set) var nested: Set<[UInt8]> = []
    private var leading: Set<[UInt8]> = []
    private var streamPaths: [[UInt8]] = []

    init(paths: [[UInt8]], streams: [Archiver.Stream]) {
        for path in paths { insert(path, .source) }
        for stream in streams {
            insert(stream.path, .stream(stream))
            streamPaths.append(stream.path)
        }
        findNested(Set(paths.map(Self.normal)))
    }

    /// Refuses streams whose name leads into a source, is one, or comes twice.
    static func check(paths: [[UInt8]], streams: [Archiver.Stream]) throws(StoreError) {
        let slash = [UInt8(ascii: "/")]
        let taken = paths.map(normal)
        for (index, stream) in streams.enumerated() {
            let others = taken + streams[..<index].map(\.path)
            let isTaken = others.contains { other in
                other == stream.path || stream.path.starts(with: other + slash)
                    || other.starts(with: stream.path + slash)
            }
            guard !isTaken else {
                throw StoreError(
                    .usage, "the name of a stream is that of another source, or lies in one", path: stream.path,
                    remedy: "choose another name")
            }
        }
    }

    /// Whether a directory exists in the snapshot for streams alone.
    func holdsOnlyStreams(_ directory: [UInt8]) -> Bool {
        var pending = [directory]
        while let path = pending.popLast() {
            for (name, target) in targets[path] ?? [:] {
                switch target {
                case .stream: break
                case .source: return false
                case .implied: pending.append(path + [UInt8(ascii: "/")] + name)
                }
            }
        }
        return true
    }

    /// What an absolute path is to the sources that lie in other sources.
    func role(_ path: [UInt8]) -> Role {
        if nested.isEmpty { return .ordinary }
        if nested.contains(path) { return .source }
        return leading.contains(path) ? .leads : .ordinary
    }

    /// The names in a directory of a source that lead to sources inside it.
    func nestedNames(in directory: [UInt8]) -> [[UInt8]] {
        let prefix = directory + [UInt8(ascii: "/")]
        return nested.union(leading).filter { path in
            path.starts(with: prefix) && !path[prefix.count...].contains(UInt8(ascii: "/"))
        }.map { Array($0[prefix.count...]) }
    }

    /// The root is empty, as everywhere in a walk.
    private static func normal(_ path: [UInt8]) -> [UInt8] { path == [UInt8(ascii: "/")] ? [] : path }

    private mutating func findNested(_ sources: Set<[UInt8]>) {
        for source in sources where !source.isEmpty {
            var above: [[UInt8]] = []
            var path = source
            while let slash = path.lastIndex(of: UInt8(ascii: "/")) {
                path.removeSubrange(slash...)
                if sources.contains(path) {
                    nested.insert(source)
                    leading.formUnion(above)
                }
                above.append(path)
            }
        }
    }

    private mutating func insert(_ path: [UInt8], _ target: Target) {
        let components = path.split(separator: UInt8(ascii: "/")).map { Array($0) }
        guard let last = components.last else {
            rootIsSource = true
            return
        }
        var directory: [UInt8] = []
        for component in components.dropLast() {
            switch targets[directory]?[component] {
            case .source, .stream: return  // Below another source: captured with it.
            case .implied: break
            case nil: targets[directory, default: [:]][component] = .implied
            }
            directory += [UInt8(ascii: "/")] + component
        }
        if case .stream? = targets[directory]?[last] { return }
        targets[directory, default: [:]][last] = target
    }

    /// The names of an implied directory in byte order.
    func names(in directory: [UInt8]) -> [(name: [UInt8], target: Target)] {
        (targets[directory] ?? [:]).sorted { $0.key.lexicographicallyPrecedes($1.key) }
            .map { (name: $0.key, target: $0.value) }
    }
}
