import VarveFormat

/// Names the paths of a snapshot that cannot be restored exactly. Only trees that lead to one are read again.
struct HitPaths {
    /// Why a path cannot be restored.
    private struct Cause {
        let message: String
        let blob: BlobID?
        /// A place of the blob that is no good.
        var place: (Int, FileKind)?
    }

    /// A directory whose trees are whole and lead to something that is not.
    private struct Directory {
        let path: [UInt8]
        /// First places of its trees: one, or the pieces of a large directory in order.
        let trees: [Int]
    }

    private let hits: TreeHits
    private let loader: PlaceLoader
    private var inventory: StoredInventory { hits.damage.inventory }

    init(_ hits: TreeHits, loader: PlaceLoader) {
        self.hits = hits
        self.loader = loader
    }

    /// Visits the paths of a snapshot.
    ///
    /// - Parameter root: the first place of its root tree; nil if no pack has it.
    func find(
        in snapshot: SnapshotID, rootID: BlobID, root: Int?, _ emit: (Finding) throws(StoreError) -> Void
    ) throws(StoreError) {
        let top = Array("/".utf8)
        guard let root else {
            return try emit(finding(snapshot, top, absent(rootID)))
        }
        guard hits.own(root).isEmpty, hits.graph.nodes[root].kind == .rootTree else {
            return try emit(finding(snapshot, top, cause(ofTree: root)))
        }
        var pending = [Directory(path: [], trees: [root])]
        while let directory = pending.popLast() {
            var below: [Directory] = []
            for tree in directory.trees where !hits.known(tree).isEmpty {
                for entry in try entries(tree) {
                    let path = entry.name.isEmpty ? [] : directory.path + top + entry.name
                    switch try judge(entry, path) {
                    case .whole: break
                    case .lost(let cause): try emit(finding(snapshot, path.isEmpty ? top : path, cause))
                    case .below(let directory): below.append(directory)
                    }
                }
            }
            pending += below.reversed()
        }
    }

    private enum Judgement {
        case whole
        case lost(Cause)
        case below(Directory)
    }

    private func judge(_ entry: TreeEntry, _ path: [UInt8]) throws(StoreError) -> Judgement {
        switch entry.content {
        case .file(let size, .blobs(let ids)): return try judge(size, ids)
        case .file(let size, .list(let id)): return try judge(size, list: id)
        case .directory(.tree(let id)):
            guard let place = try inventory.tree.place(of: id, .tree) else { return .lost(absent(id)) }
            guard hits.own(place).isEmpty, hits.graph.nodes[place].kind == .tree else {
                return .lost(cause(ofTree: place))
            }
            return hits.known(place).isEmpty ? .whole : .below(Directory(path: path, trees: [place]))
        case .directory(.treeList(let id)):
            guard let place = try inventory.tree.place(of: id, .treeList) else { return .lost(absent(id)) }
            return hits.known(place).isEmpty ? .whole : pieces(of: place, path)
        case .file(_, .empty), .directory(.empty), .symlink, .device, .none: return .whole
        }
    }

    private func judge(_ size: UInt64, _ ids: [BlobID]) throws(StoreError) -> Judgement {
        var length: UInt64 = 0
        for id in ids {
            guard let place = try inventory.data.place(of: id, .data) else { return .lost(absent(id)) }
            guard hits.damage.goodPlace(place, .dataPack) != nil else { return .lost(cause(ofBlob: place, .dataPack)) }
            length += UInt64(inventory.data.length(place))
        }
        return length == size ? .whole : .lost(Cause(message: "its blobs do not add up to its size", blob: nil))
    }

    private func judge(_ size: UInt64, list id: BlobID) throws(StoreError) -> Judgement {
        guard let list = try inventory.tree.place(of: id, .list) else { return .lost(absent(id)) }
        guard hits.known(list).isEmpty else { return .lost(cause(inList: list)) }
        return hits.length(ofList: list) == size
            ? .whole : .lost(Cause(message: "its blobs do not add up to its size", blob: nil))
    }

    /// The pieces of a large directory, if all of them are whole themselves.
    private func pieces(of list: Int, _ path: [UInt8]) -> Judgement {
        var trees: [Int] = []
        var pending = [list]
        while let place = pending.popLast() {
            guard hits.own(place).isEmpty else { return .lost(cause(ofTree: place)) }
            let node = hits.graph.nodes[place]
            if node.kind == .tree {
                trees.append(place)
                continue
            }
            for reference in hits.graph.references(of: node).reversed() {
                switch reference.target {
                case .tree(let child) where hits.known(child).isEmpty && hits.mayName(place, child): break
                case .tree(let child) where hits.mayName(place, child) || !hits.own(child).isEmpty:
                    pending.append(child)
                case .tree(let child): return .lost(misplaced(child))
                case .absent(let number): return .lost(absent(hits.graph.absent[number]))
                case .data: break
                }
            }
        }
        return .below(Directory(path: path, trees: trees))
    }

    // MARK: Causes

    private func absent(_ id: BlobID) -> Cause { Cause(message: "no pack has a blob that it needs", blob: id) }

    private func misplaced(_ place: Int) -> Cause {
        Cause(message: "a list or tree of it stands where it may not", blob: inventory.tree.id(place))
    }

    private func cause(ofTree place: Int) -> Cause {
        if hits.damage.goodPlace(place, .treePack) == nil { return cause(ofBlob: place, .treePack) }
        guard hits.graph.nodes[place].kind == .malformed else { return misplaced(place) }
        return Cause(
            message: "a list or tree of it is not of the documented form", blob: inventory.tree.id(place),
            place: (place, .treePack))
    }

    private func cause(ofBlob place: Int, _ kind: FileKind) -> Cause {
        let hit = hits.damage.hit(place, kind)
        let message = hit == .missing ? "a blob of it is in a missing pack" : "a blob of it is damaged"
        return Cause(message: message, blob: inventory.table(kind).id(place), place: (place, kind))
    }

    /// Goes down to the first blob of a list that is no good.
    private func cause(inList list: Int) -> Cause {
        var place = list
        descent: while hits.own(place).isEmpty {
            for reference in hits.graph.references(of: hits.graph.nodes[place]) {
                switch reference.target {
                case .data(let blob):
                    if hits.damage.goodPlace(blob, .dataPack) == nil { return cause(ofBlob: blob, .dataPack) }
                case .absent(let number): return absent(hits.graph.absent[number])
                case .tree(let child):
                    if hits.own(child).isEmpty, !hits.mayName(place, child) { return misplaced(child) }
                    if !hits.known(child).isEmpty {
                        place = child
                        continue descent
                    }
                }
            }
            return misplaced(place)
        }
        return cause(ofTree: place)
    }

    private func finding(_ snapshot: SnapshotID, _ path: [UInt8], _ cause: Cause) -> Finding {
        guard let (place, kind) = cause.place else {
            return Finding(.damagedPath, cause.message, blob: cause.blob, snapshot: snapshot, path: path)
        }
        let table = inventory.table(kind)
        let frame = table.location(ofFrame: table.frame(ofPlace: place))
        return Finding(
            .damagedPath, cause.message, file: RepositoryPath.pack(kind, frame.pack), pack: frame.pack,
            blob: cause.blob, snapshot: snapshot, path: path, offset: UInt64(frame.offset),
            length: UInt64(frame.storedLength))
    }

    private func entries(_ tree: Int) throws(StoreError) -> [TreeEntry] {
        guard let place = hits.damage.goodPlace(tree, .treePack) else { return [] }
        let bytes = try loader.load(place)
        do throws(FormatError) {
            return try TreeCoding.parse(bytes, isRoot: hits.graph.nodes[tree].kind == .rootTree)
        } catch { throw StoreError(error) }
    }
}

/// Loads trees from places that were found whole, on one thread.
final class PlaceLoader {
    private let reader: PackReader
    private let frames: FrameReader
    private let table: BlobTable
    private var cache = FrameCache(limit: 16 << 20)

    init(_ reader: PackReader, table: BlobTable) throws(StoreError) {
        self.reader = reader
        self.table = table
        frames = try FrameReader(reader, findBase: table.frameLocation)
    }

    func load(_ place: Int) throws(StoreError) -> [UInt8] {
        let location = table.location(ofFrame: table.frame(ofPlace: place))
        let key = FrameCache.Key(pack: location.pack, number: location.number)
        let frame: [UInt8]
        if let known = cache.frame(key) {
            frame = known
        } else {
            frame = try frames.read(try reader.handle(location.pack, kind: location.kind), location)
            cache.insert(frame, key)
        }
        let offset = table.offset(place)
        return Array(frame[offset..<offset + table.length(place)])
    }
}
