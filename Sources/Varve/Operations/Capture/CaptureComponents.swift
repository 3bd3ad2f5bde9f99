import Synchronization
public import VarveFormat

extension Archiver {
    /// A named part of an application: some of the paths and streams of a capture, with exclusions of their own.
    public struct Component: Sendable {
        /// What the manifest says of it; the capture adds what it counted.
        public var record: [String: JSONValue]
        /// Which of the paths and streams of the capture belong to it.
        public var paths: [[UInt8]] = []
        /// What is left out of it, instead of what the capture leaves out.
        public var exclusions = Exclusions()
        /// Stay on the file system of each path.
        public var staysOnFileSystem = false
        /// Called before the first of its directories is opened; if it throws, they stay empty, which is an error of
        /// the report. Not called for a dry run.
        public var prepare: (@Sendable () throws(StoreError) -> Void)?
        /// Called once all its directories were read, if `prepare` succeeded. A capture that ends early does not call
        /// it.
        public var release: (@Sendable () -> Void)?

        /// Makes a component of nothing.
        public init(record: [String: JSONValue]) { self.record = record }
    }
}

/// What was counted of one component.
struct ComponentCounts: Sendable {
    var files = 0
    var directories = 0
    var symlinks = 0
    var specials = 0
    var excluded = 0
    var skipped = 0
    var errors = 0
    var bytesTotal: UInt64 = 0
    var bytesRead: UInt64 = 0

    mutating func add(_ other: ComponentCounts) {
        files += other.files
        directories += other.directories
        symlinks += other.symlinks
        specials += other.specials
        excluded += other.excluded
        skipped += other.skipped
        errors += other.errors
        bytesTotal += other.bytesTotal
        bytesRead += other.bytesRead
    }

    /// - Parameter size: bytes in the snapshot, where they are not those of the file.
    mutating func count(_ stat: FileStat, _ size: UInt64?) {
        if stat.isRegular {
            files += 1
            bytesTotal += size ?? stat.size
        } else if stat.isSymbolicLink {
            symlinks += 1
        } else if !stat.isDirectory {
            specials += 1
        }
    }

    /// The keys that a component's record gets (FORMAT.md section 10).
    var json: [String: JSONValue] {
        let numbers = [
            "files": files, "dirs": directories, "symlinks": symlinks, "specials": specials, "excluded": excluded,
            "skipped": skipped, "errors": errors, "bytes_total": Int(clamping: bytesTotal),
            "bytes_read": Int(clamping: bytesRead),
        ]
        return numbers.mapValues { .integer(Int64($0)) }
    }
}

/// The components of one capture: which path is whose, what was counted, and who waits for what was read.
final class CaptureComponents: Sendable {
    private struct State {
        var counts: [ComponentCounts]
        /// Whether `prepare` was called, and what came of it.
        var prepared: [Int: StoreError?] = [:]
        /// Directories still to be read.
        var unread: [Set<[UInt8]>]
    }

    private let components: [Archiver.Component]
    private let owners: [[UInt8]: Int]
    private let state: Mutex<State>
    /// One directory of a component waits while another calls `prepare`.
    private let preparing = Mutex(())

    init(_ components: [Archiver.Component], directories: [[UInt8]]) {
        self.components = components
        var owners: [[UInt8]: Int] = [:]
        for (index, component) in components.enumerated() {
            for path in component.paths { owners[Self.normal(path)] = index }
        }
        self.owners = owners
        let sources = Set(directories.map(Self.normal))
        let unread = components.map { sources.intersection($0.paths.map(Self.normal)) }
        state = Mutex(
            State(counts: Array(repeating: ComponentCounts(), count: components.count), unread: unread))
    }

    var isEmpty: Bool { components.isEmpty }
    var count: Int { components.count }

    /// The root is empty, as everywhere in a walk.
    private static func normal(_ path: [UInt8]) -> [UInt8] { path == [UInt8(ascii: "/")] ? [] : path }

    subscript(index: Int) -> Archiver.Component { components[index] }

    /// The component that a source or stream belongs to.
    func owner(of source: [UInt8]) -> Int? { owners.isEmpty ? nil : owners[source] }

    /// The component that a path lies in: of the innermost source above it.
    func innermost(_ path: [UInt8]) -> Int? {
        guard !owners.isEmpty else { return nil }
        var path = path
        while true {
            if let owner = owners[path] { return owner }
            guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { return nil }
            path.removeSubrange(slash...)
        }
    }

    /// Adds what a worker counted.
    func add(_ local: [ComponentCounts]) {
        state.withLock { state in for index in local.indices { state.counts[index].add(local[index]) } }
    }

    /// Counts an error for the component that a path lies in.
    func countError(_ path: [UInt8]) {
        guard let owner = innermost(Self.normal(path)) else { return }
        state.withLock { $0.counts[owner].errors += 1 }
    }

    /// Calls `prepare` before the first directory of a component.
    ///
    /// - Throws: what `prepare` threw, for every directory of the component.
    func prepare(_ index: Int?) throws(StoreError) {
        guard let index, let prepare = components[index].prepare else { return }
        let error = preparing.withLock { _ in
            if let known = state.withLock({ $0.prepared[index] }) { return known }
            var failure: StoreError?
            do throws(StoreError) { try prepare() } catch { failure = error }
            let result = failure
            state.withLock { _ = $0.prepared.updateValue(result, forKey: index) }
            return result
        }
        if let error { throw error }
    }

    /// Notes that a source directory was read; the last one of a component releases it.
    func finishedReading(_ index: Int?, _ path: [UInt8]) {
        guard let index, let release = components[index].release else { return }
        let isLast = state.withLock { state in
            guard state.unread[index].remove(path) != nil, case .some(.none) = state.prepared[index] else {
                return false
            }
            return state.unread[index].isEmpty
        }
        if isLast { release() }
    }

    /// The records for the manifest.
    var records: [JSONValue] {
        let counts = state.withLock { $0.counts }
        return zip(components, counts).map { component, counts in
            .object(component.record.merging(counts.json) { $1 })
        }
    }
}
