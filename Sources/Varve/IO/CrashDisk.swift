/// What a power cut does to everything that no sync covered.
package struct CrashPolicy: Sendable, Hashable {
    /// The fate of bytes written since the last sync of their file.
    package enum Data: Sendable, Hashable {
        /// The file is as long as at its last sync.
        case lost
        case kept
        /// Some blocks of this size arrived, in any order or up to a point; gaps are zeros.
        case torn(blockSize: Int)
        /// The length arrived and the bytes did not.
        case zeroFilled
    }

    /// The fate of names made, changed and removed since the last sync of their directory.
    package enum Names: Sendable, Hashable {
        case lost, kept
        /// Any of them arrived, whatever their order was.
        case reordered
    }

    package let data: Data
    package let names: Names
    /// Chooses blocks and names; the same seed chooses the same.
    package let seed: UInt64

    package init(data: Data, names: Names, seed: UInt64 = 0) {
        self.data = data
        self.names = names
        self.seed = seed
    }
}

/// A disk that is fed the recorded operations one by one and can tell at any point what a power cut leaves. It promises
/// no more than POSIX: bytes are safe after fdatasync of their file, names after fsync of their directory. A rename is
/// one step: if the old name is gone, the new one is there; but both may be there if only the new directory was synced.
package struct CrashDisk: Sendable {
    private struct NameChange {
        let directory: Int
        let name: String
        /// nil removes the name.
        let node: Int?
    }

    private struct Contents {
        var durable: [UInt8] = []
        var current: [UInt8] = []
        /// The ranges of `current` that were written since the last sync.
        var unsynced: [Range<Int>] = []
    }

    /// The names as the running program sees them; files have no bytes here.
    private var visible = MemoryDisk()
    private var durable: [Int: [String: Int]] = [0: [:]]
    /// Changes of names that no sync covered yet, in their order; what is in one element happens together.
    private var pending: [[NameChange]] = []
    private var contents: [Int: Contents] = [:]
    private var nodes: [Int: Int] = [:]

    package init() {}

    /// Takes one operation. False if it cannot have happened after the others: the recording was cut about.
    @discardableResult
    package mutating func apply(_ operation: FileOperation) -> Bool {
        switch operation {
        case .create(let path, let file):
            guard let node = addNode(path) else { return false }
            contents[node] = Contents()
            nodes[file] = node
        case .write(let file, let offset, let bytes):
            guard let node = nodes[file] else { return false }
            contents[node]?.current.overwrite(with: bytes, at: Int(offset))
            contents[node]?.unsynced.append(Int(offset)..<Int(offset) + bytes.count)
        case .syncData(let file):
            guard let node = nodes[file], let current = contents[node]?.current else { return false }
            contents[node] = Contents(durable: current, current: current)
        case .makeDirectory(let path):
            guard let node = addNode(path) else { return false }
            visible.directories[node] = [:]
        case .rename(let path, let newPath):
            guard let node = visible.node(path), let old = visible.place(path), let new = visible.place(newPath) else {
                return false
            }
            change([
                NameChange(directory: new.directory, name: new.name, node: node),
                NameChange(directory: old.directory, name: old.name, node: nil),
            ])
        case .unlink(let path), .removeDirectory(let path):
            guard let (directory, name) = visible.place(path) else { return false }
            change([NameChange(directory: directory, name: name, node: nil)])
        case .syncDirectory(let path):
            guard let directory = visible.node(path) else { return false }
            sync(directory)
        }
        return true
    }

    /// What is found after a power cut now.
    package func afterCrash(_ policy: CrashPolicy) -> MemoryDisk {
        var generator = SplitMix64(seed: policy.seed)
        var names = durable
        for changes in pending {
            let arrives =
                switch policy.names {
                case .lost: false
                case .kept: true
                case .reordered: generator.next() & 1 == 0
                }
            if arrives { Self.perform(changes, on: &names) }
        }
        var disk = MemoryDisk()
        var copies = [(from: 0, to: 0)]
        while let (from, to) = copies.popLast() {
            var entries: [String: Int] = [:]
            // Dictionaries have no order of their own, and the seed must choose the same every time.
            for (name, child) in (names[from] ?? [:]).sorted(by: { $0.key < $1.key }) {
                let node = disk.newNode()
                entries[name] = node
                if let file = contents[child] {
                    disk.files[node] = Self.survivor(of: file, policy.data, &generator)
                } else {
                    copies.append((child, node))
                }
            }
            disk.directories[to] = entries
        }
        return disk
    }

    // MARK: names

    private mutating func addNode(_ path: String) -> Int? {
        guard let (directory, name) = visible.place(path) else { return nil }
        let node = visible.newNode()
        change([NameChange(directory: directory, name: name, node: node)])
        return node
    }

    private mutating func change(_ changes: [NameChange]) {
        Self.perform(changes, on: &visible.directories)
        pending.append(changes)
    }

    private mutating func sync(_ directory: Int) {
        var rest: [[NameChange]] = []
        for changes in pending {
            guard changes.contains(where: { $0.directory == directory }) else {
                rest.append(changes)
                continue
            }
            // A file moved here from another directory may keep its old name for now; a directory has one name.
            let isMoveToHere = changes.count == 2 && changes[0].directory == directory
            let staysBehind =
                isMoveToHere && changes[1].directory != directory && changes[0].node.map { contents[$0] != nil } == true
            Self.perform(staysBehind ? [changes[0]] : changes, on: &durable)
            if staysBehind { rest.append([changes[1]]) }
        }
        pending = rest
    }

    private static func perform(_ changes: [NameChange], on names: inout [Int: [String: Int]]) {
        for change in changes { names[change.directory, default: [:]][change.name] = change.node }
    }

    // MARK: bytes

    private static func survivor(
        of file: Contents, _ policy: CrashPolicy.Data, _ generator: inout SplitMix64
    ) -> [UInt8] {
        if file.unsynced.isEmpty { return file.current }
        switch policy {
        case .lost: return file.durable
        case .kept: return file.current
        case .zeroFilled:
            var bytes = file.current
            for range in file.unsynced {
                bytes.replaceSubrange(range, with: repeatElement(0, count: range.count))
            }
            return bytes
        case .torn(let blockSize):
            return torn(file, max(1, blockSize), &generator)
        }
    }

    private static func torn(_ file: Contents, _ blockSize: Int, _ generator: inout SplitMix64) -> [UInt8] {
        var bytes = file.durable
        let inOrder = generator.next() & 1 == 0
        let blocks = file.unsynced.flatMap { range in
            (range.lowerBound / blockSize..<(range.upperBound + blockSize - 1) / blockSize).map { block in
                range.clamped(to: block * blockSize..<(block + 1) * blockSize)
            }
        }
        let arrived = Int(generator.next() % UInt64(blocks.count + 1))
        for (index, range) in blocks.enumerated() {
            if inOrder ? index < arrived : generator.next() & 1 == 0 {
                bytes.overwrite(with: file.current[range], at: range.lowerBound)
            }
        }
        return bytes
    }
}

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014).
package struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
