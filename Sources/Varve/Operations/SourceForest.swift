import VarveFormat

/// The given paths as a tree: which names lead to them, and which are the sources themselves.
struct SourceForest: Sendable {
    enum Target: Sendable {
        /// A directory above a source.
        case implied
        case source
        case stream(Archiver.Stream)
    }

    /// For each implied directory its names in byte order; the path of the root is empty.
    private var targets: [[UInt8]: [[UInt8]: Target]] = [:]
    /// `/` itself was given.
    private(set) var rootIsSource = false

    init(paths: [[UInt8]], streams: [Archiver.Stream]) {
        for path in paths { insert(path, .source) }
        for stream in streams { insert(stream.path, .stream(stream)) }
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
