import CSys
import VarveFormat

/// Walks a directory of this machine depth first, in the order of `TreeWalker`, without recursion and with a few open
/// directories whatever the depth.
struct DirectoryWalker {
    enum Event {
        case entry(FileStat)
        /// The file or directory at `path` cannot be looked at.
        case failure(StoreError)
    }

    private struct Level {
        let name: [UInt8]
        let pathLength: Int
        let names: NameList
        var next = 0
    }

    /// Directories kept open.
    private static let openLimit = 8
    private static let slash = UInt8(ascii: "/")

    /// The path that the last event is about. Never shared with anybody, so that it is changed where it lies.
    private var buffer: [UInt8] = []
    private let root: SafeRoot
    private var levels: [Level] = []
    /// The directories of the levels that lie deepest.
    private var opened: [(depth: Int, directory: OpenDirectory)] = []
    private var isStarted = false
    /// The directory that the last event was about.
    private var entered: [UInt8]?

    init(_ root: SafeRoot) { self.root = root }

    /// The path that the last event is about, below the start: empty for the start itself, else it begins with `/`.
    var path: [UInt8] { buffer.withUnsafeBufferPointer { Array($0) } }

    /// Keeps the walk out of the directory that the last event was about.
    mutating func skipContents() { entered = nil }

    /// The directory that holds what the last event was about, and its name there; nil for the start.
    mutating func place() throws(StoreError) -> (directory: OpenDirectory, name: [UInt8])? {
        guard let last = levels.last else { return nil }
        return (try directory(levels.count), Array(buffer[(last.pathLength + 1)...]))
    }

    /// The next event; nil at the end.
    mutating func next() -> Event? {
        do throws(StoreError) {
            guard isStarted else {
                isStarted = true
                entered = []
                return .entry(try FileStat.of(root.directory.descriptor))
            }
            if let name = entered {
                entered = nil
                try enter(name)
            }
            while let top = levels.indices.last {
                buffer.removeLast(buffer.count - levels[top].pathLength)
                guard levels[top].next < levels[top].names.count else {
                    levels.removeLast()
                    opened.removeAll { $0.depth > levels.count }
                    continue
                }
                let name = Array(levels[top].names.name(levels[top].next))
                levels[top].next += 1
                buffer.append(Self.slash)
                buffer.append(contentsOf: name)
                // One that vanished since it was listed is none.
                guard let stat = try directory(levels.count).status(name) else { continue }
                if stat.isDirectory { entered = name }
                return .entry(stat)
            }
            return nil
        } catch {
            return .failure(error)
        }
    }

    private mutating func enter(_ name: [UInt8]) throws(StoreError) {
        let directory = levels.isEmpty ? root.directory : try directory(levels.count).openDirectory(name)
        levels.append(Level(name: name, pathLength: buffer.count, names: try directory.list()))
        keep(directory)
    }

    /// The directory of the level counted from 1.
    private mutating func directory(_ depth: Int) throws(StoreError) -> OpenDirectory {
        if depth == 1 { return root.directory }
        if let known = opened.last(where: { $0.depth == depth }) { return known.directory }
        let directory = try root.openDirectory(levels[1..<depth].map(\.name))
        keep(directory)
        return directory
    }

    private mutating func keep(_ directory: OpenDirectory) {
        if opened.count >= Self.openLimit { opened.removeFirst() }
        opened.append((levels.count, directory))
    }
}
