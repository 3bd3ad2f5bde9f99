public import VarveFormat

/// Proves that a repository is whole, or names exactly what is not.
///
/// Structure: every file but data packs is read and checked, data packs by their ends, every tree and list that a
/// snapshot reaches, and that every blob they name has a place in a pack that is there. Data: all packs are read too,
/// compared with their names, decoded, and every blob is hashed again. Caches are never trusted.
public struct Verifier {
    /// How much is read.
    public enum Level: String, Sendable {
        /// Everything but the content of data packs.
        case structure
        /// Everything.
        case data
    }

    /// A part of the data packs.
    public enum Subset: Sendable, Hashable {
        /// Part `number` of `count` parts, from 1; all parts together are all packs.
        case part(number: Int, of: Int)
        /// So many of a hundred, chosen by the seed.
        case percent(Double, seed: UInt64)
    }

    /// What to verify and how.
    public struct Options: Sendable {
        /// How much is read.
        public var level = Level.structure
        /// At level `data`, the data packs to read; nil for all.
        public var subset: Subset?
        /// The snapshots to verify; nil for all. At level `data` only the packs that they need are read.
        public var snapshots: [SnapshotID]?
        /// Whether the result becomes a record of the repository, if that can be written.
        public var recordResult = true
        /// Ids of blobs up to which no temporary file is used.
        package var spillLimit = SpillPlace.defaultLimit

        /// Makes the defaults: the structure of everything.
        public init() {}
    }

    private let repository: Repository
    private let options: Options
    private let progress: Progress

    /// Makes a verification.
    public init(repository: Repository, options: Options, progress: Progress) {
        self.repository = repository
        self.options = options
        self.progress = progress
    }

    /// Verifies.
    ///
    /// - Parameter onFinding: gets every damaged or missing thing once, on the calling thread: files and packs first,
    ///   then blobs, then paths.
    /// - Throws: `notFound` for a snapshot that is not there, `usage` for a subset that is none, `interrupted`, and
    /// what
    ///   the storage throws. Damage is not thrown.
    public func run(onFinding: (Finding) -> Void) throws(StoreError) -> VerifyReport {
        if let subset = options.subset { try subset.check() }
        var run = VerifierRun(repository, options, progress)
        return try run.run(onFinding)
    }
}

extension Verifier.Subset {
    fileprivate func check() throws(StoreError) {
        switch self {
        case .part(let number, let count):
            guard count >= 1, (1...count).contains(number) else {
                throw StoreError(.usage, "there is no part \(number) of \(count)", remedy: "use 1/\(max(1, count))")
            }
        case .percent(let percent, _):
            guard percent > 0, percent <= 100 else {
                throw StoreError(
                    .usage, "\(percent) % is no part of a repository", remedy: "use more than 0, at most 100")
            }
        }
    }

    /// Whether all packs are chosen.
    var isEverything: Bool {
        switch self {
        case .part(_, let count): count == 1
        case .percent(let percent, _): percent == 100
        }
    }

    /// The chosen packs: those of a part by their names, those of a percentage by their names and the seed.
    func choose(_ packs: [PackID]) -> Set<PackID> {
        switch self {
        case .part(let number, let count):
            return Set(packs.filter { $0.word0 % UInt64(count) == UInt64(number - 1) })
        case .percent(let percent, let seed):
            let count = Int((percent / 100 * Double(packs.count)).rounded(.up))
            return Set(packs.sorted { Self.mix($0, seed) < Self.mix($1, seed) }.prefix(count))
        }
    }

    /// The finalizer of splitmix64 (Steele, Lea and Flood, 2014).
    private static func mix(_ pack: PackID, _ seed: UInt64) -> UInt64 {
        var value = pack.word1 ^ seed
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
