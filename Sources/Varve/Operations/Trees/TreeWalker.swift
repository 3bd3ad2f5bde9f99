package import VarveFormat

/// Walks the tree of a snapshot depth first, in path order: names by their bytes, and what is in a directory directly
/// behind it.
///
/// Without recursion, and piece by piece: a directory of 10^6 names and one that is 4,096 levels deep take little
/// memory. Damage is an event, and the walk goes on with what is left.
package struct TreeWalker {
    /// What the walk met, at `path`.
    package enum Event {
        /// An entry. What a directory holds follows unless `skipContents` is called.
        case entry(TreeEntry)
        /// The end of a directory whose contents were not skipped.
        case leave
        /// A part of the directory cannot be read, or all of it; the entries of that part are not known.
        case failure(StoreError)
    }

    /// One directory on the way from the start to here.
    private struct Level {
        let pathLength: Int
        /// The tree of a directory that was not cut, until it is loaded.
        var only: BlobID?
        /// The pieces of one that was.
        var pieces: BlobListCursor?
        /// What `entries` come from.
        var piece: BlobID?
        var entries: [TreeEntry] = []
        var next = 0
        /// The entries were dropped to save memory and have to be loaded again.
        var isDropped = false
        var lastName: [UInt8] = []
    }

    /// Entries in memory above which those of upper levels are dropped.
    private static let entryLimit = 65_536
    private static let slash = UInt8(ascii: "/")

    /// The path that the last event is about. Never shared with anybody, so that it is changed where it lies.
    private var buffer: [UInt8]
    private let loader: BlobLoader
    /// The entry to begin with, until it was handed out.
    private var first: TreeEntry?
    /// The entry where the walk starts, until then.
    package var start: TreeEntry? { first }
    private var levels: [Level] = []
    private var entryCount = 0
    /// The directory that the last event was about, to be entered now.
    private var entered: DirectoryContent?
    private let startDepth: Int

    /// Starts at the directory `/` of a snapshot, or at a path below it.
    ///
    /// - Throws: `notFound` if the snapshot does not have the path; `damaged` or `missing` if the way to it is.
    package init(_ loader: BlobLoader, root: BlobID, start: [UInt8] = []) throws(StoreError) {
        self.loader = loader
        var entry = try TreePath.rootEntry(loader, root)
        let components = TreePath.components(start)
        for (index, component) in components.enumerated() {
            guard let found = try TreePath.find(component, in: entry, loader) else {
                throw StoreError(
                    .notFound, "the snapshot does not have this path",
                    path: TreePath.joined(components.prefix(index + 1)))
            }
            entry = found
        }
        first = entry
        buffer = TreePath.joined(components)
        startDepth = components.count
    }

    /// The path that the last event is about, absolute.
    package var path: [UInt8] { buffer.withUnsafeBufferPointer { Array($0) } }

    /// Keeps the walk out of the directory that the last event was about.
    package mutating func skipContents() { entered = nil }

    /// The next event; nil at the end.
    package mutating func next() -> Event? {
        if let first {
            self.first = nil
            return hand(out: first)
        }
        if let content = entered {
            entered = nil
            if let failure = enter(content) { return .failure(failure) }
        }
        guard let top = levels.indices.last else { return nil }
        buffer.removeLast(buffer.count - levels[top].pathLength)
        do throws(StoreError) {
            guard try prepare(top) else {
                entryCount -= levels[top].entries.count
                levels.removeLast()
                return .leave
            }
        } catch {
            return .failure(error)
        }
        let entry = levels[top].entries[levels[top].next]
        levels[top].next += 1
        if buffer.count > 1 { buffer.append(Self.slash) }
        buffer.append(contentsOf: entry.name)
        return hand(out: entry)
    }

    private mutating func hand(out entry: TreeEntry) -> Event {
        if case .directory(let content) = entry.content { entered = content }
        return .entry(entry)
    }

    private mutating func enter(_ content: DirectoryContent) -> StoreError? {
        var level = Level(pathLength: buffer.count)
        switch content {
        case .empty: break
        case .tree(let id): level.only = id
        case .treeList(let id): level.pieces = BlobListCursor(.treeList, root: id)
        }
        let isTooDeep = startDepth + levels.count >= FormatLimits.directoryDepth
        // Entered all the same, as an empty directory, so that the events stay in pairs.
        levels.append(isTooDeep ? Level(pathLength: buffer.count) : level)
        guard isTooDeep else { return nil }
        return StoreError(.damaged, "directories are nested more than \(FormatLimits.directoryDepth) deep")
    }

    /// Makes sure that a level has an entry to hand out; false at its end. An error costs one piece.
    private mutating func prepare(_ top: Int) throws(StoreError) -> Bool {
        if levels[top].isDropped, let piece = levels[top].piece {
            levels[top].isDropped = false
            try load(piece, top)
        }
        while levels[top].next >= levels[top].entries.count {
            guard let piece = try nextPiece(top) else { return false }
            entryCount -= levels[top].entries.count
            levels[top].entries = []
            levels[top].next = 0
            levels[top].piece = piece
            try load(piece, top)
            try checkOrder(top)
        }
        return true
    }

    private mutating func nextPiece(_ top: Int) throws(StoreError) -> BlobID? {
        if let only = levels[top].only {
            levels[top].only = nil
            return only
        }
        return try levels[top].pieces?.next(loader)
    }

    private mutating func load(_ piece: BlobID, _ top: Int) throws(StoreError) {
        let entries = try TreePath.entries(loader, piece)
        levels[top].entries = entries
        entryCount += entries.count
        var upper = 0
        while entryCount > Self.entryLimit, upper < top {
            entryCount -= levels[upper].entries.count
            if levels[upper].next < levels[upper].entries.count { levels[upper].isDropped = true }
            levels[upper].entries = []
            upper += 1
        }
    }

    /// Within a piece the parser has seen to the order of names.
    private mutating func checkOrder(_ top: Int) throws(StoreError) {
        guard let first = levels[top].entries.first?.name, let last = levels[top].entries.last?.name else { return }
        guard levels[top].lastName.isEmpty || levels[top].lastName.lexicographicallyPrecedes(first) else {
            // A list may repeat one piece without end.
            levels[top].next = levels[top].entries.count
            levels[top].pieces = nil
            throw StoreError(.damaged, "names out of order or repeated")
        }
        levels[top].lastName = last
    }
}
