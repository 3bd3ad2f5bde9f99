/// A set of packs, blobs, snapshots or records of the model: one bit each.
typealias Bits = UInt16

/// One state of the model: the repository, and where each actor stands. Made of 16-bit fields alone, so that it has no
/// padding and is compared and hashed as bytes.
struct ModelState {
    // The repository.
    /// Packs that lie under packs/.
    var packs: Bits = 0
    /// The blobs of packs that were written during the run, two bits each, from slot `Scene.firstNewPack` on.
    var contents: Bits = 0
    /// Packs that an index file of their own names.
    var namedAlone: Bits = 0
    /// Index files that name several of the first packs; 0 is none.
    var sharedIndex: InlineArray<4, Bits> = .init(repeating: 0)
    var manifests: Bits = 0
    /// Snapshots that somebody was told are saved.
    var saved: Bits = 0
    var tombstones: Bits = 0
    var records: InlineArray<2, Record> = .init(repeating: Record())

    // The actors.
    /// The last one undeletes.
    var writers: InlineArray<3, Writer> = .init(repeating: Writer())
    var reader = Reader()
    var collectors: InlineArray<2, CollectorState> = .init(repeating: CollectorState())
    /// Snapshots that were forgotten once.
    var forgotten: Bits = 0
    /// A promise that was broken (`Breach`), 0 for none.
    var breach: Bits = 0

    /// A record of packs and manifests that are to go.
    struct Record {
        static let waiting: Bits = 1
        static let final: Bits = 2

        /// 0: there is none.
        var stage: Bits = 0
        /// Its name as one bit: 1 from its maker, the others from takeovers.
        var name: Bits = 0
        /// The folders for what is on its way out, by the same bits.
        var folders: Bits = 0
        var packs: Bits = 0
        var snapshots: Bits = 0
    }

    struct Writer {
        var step: Bits = 0
        var attempt: Bits = 0
        var isOpen: Bits = 0
        /// Records named in its `seen`.
        var seen: Bits = 0
        /// It is within a listing of condemned/, and records that were renamed meanwhile.
        var isListing: Bits = 0
        var raced: Bits = 0
        /// Packs that it must not use.
        var excluded: Bits = 0
        /// Packs that it found, then blobs that it must store.
        var found: Bits = 0
        var hasIndex: Bits = 0
        /// Records to be withdrawn.
        var pending: Bits = 0
    }

    struct Reader {
        var step: Bits = 0
        var isOpen: Bits = 0
        /// Its snapshot was there, and past no point of no return, when it opened.
        var isPromised: Bits = 0
        var found: Bits = 0
    }

    struct CollectorState {
        var step: Bits = 0
        var isOpen: Bits = 0
        var rounds: Bits = 0
        var hasPlanned: Bits = 0
        /// The record that it works on, as an index, and the name and folder that it knows.
        var record: Bits = 0
        var name: Bits = 0
        /// Manifests that will go.
        var snapshots: Bits = 0
        /// Blobs that what remains needs; in phase 1 the blobs of the replacement pack.
        var live: Bits = 0
        var found: Bits = 0
        /// Records that were renamed while it listed condemned/.
        var raced: Bits = 0
        /// Packs that will go.
        var packs: Bits = 0
        /// What phase 1 saw; kept only for rules that are broken.
        var oldPacks: Bits = 0
        var oldManifests: Bits = 0
        var oldTombstones: Bits = 0
    }
}

/// A promise that a state breaks.
enum Breach: Bits {
    case lostBlob = 1
    case lostManifest
    case unindexedBlob
    case falseDamage
    case readerLostSnapshot
    case undeleteFailed
    case stuck
    case leftover
}

extension ModelState {
    /// A number that stands for the state; two states share one with a probability of 2^-64.
    var fingerprint: UInt64 { Self.print(of: self) }

    /// The same for the repository alone.
    var repositoryPrint: UInt64 {
        var state = self
        state.writers = .init(repeating: Writer())
        state.reader = Reader()
        state.collectors = .init(repeating: CollectorState())
        state.forgotten = 0
        return Self.print(of: state)
    }

    private static func print(of state: ModelState) -> UInt64 {
        withUnsafeBytes(of: state) { bytes in
            var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
            var at = 0
            while at + 8 <= bytes.count {
                hash = (hash ^ bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)) &* 0xFF51_AFD7_ED55_8CCD
                hash ^= hash >> 32
                at += 8
            }
            while at < bytes.count {
                hash = (hash ^ UInt64(bytes[at])) &* 0xC4CE_B9FE_1A85_EC53
                hash ^= hash >> 29
                at += 1
            }
            hash = (hash ^ (hash >> 33)) &* 0xC4CE_B9FE_1A85_EC53
            return max(1, hash ^ (hash >> 32))
        }
    }

    /// Packs that some index file names.
    var indexed: Bits {
        namedAlone | sharedIndex[0] | sharedIndex[1] | sharedIndex[2] | sharedIndex[3]
    }

    /// Packs that any record names.
    var condemned: Bits {
        (records[0].stage == 0 ? 0 : records[0].packs) | (records[1].stage == 0 ? 0 : records[1].packs)
    }

    var standing: Bits { manifests & ~tombstones }

    /// A record gets another name, or goes: whoever lists condemned/ just now may miss it.
    mutating func race(_ record: Int) {
        for writer in 0..<3 where writers[writer].isListing != 0 { writers[writer].raced |= 1 << Bits(record) }
        for collector in 0..<2 where CollectorStep.isListing(collectors[collector].step) {
            collectors[collector].raced |= 1 << Bits(record)
        }
    }
}

/// The indexes of the bits of a set.
func members(_ bits: Bits) -> some Sequence<Int> {
    sequence(state: bits) { rest -> Int? in
        guard rest != 0 else { return nil }
        defer { rest &= rest - 1 }
        return rest.trailingZeroBitCount
    }
}
