import CSys
import VarveFormat

/// Hashes many messages in the lanes of the vector unit, eight or four. A lane whose message ends takes the next one at
/// once; when no more than four messages are left, they go on in four lanes, which take less time for a block.
struct BlobLanes {
    private static let block = 128
    private static let narrow = 4
    private static let widest = 8

    private let level: Int32
    private let midstate: [UInt64]

    /// - Parameters:
    ///   - level: what `varve_b2_level` answered, not 0.
    ///   - midstate: the eight words of the state after the key block.
    init(level: Int32, midstate: [UInt64]) {
        self.level = level
        self.midstate = midstate
    }

    /// The states of four keyed BLAKE2b-256 hashes after their key blocks, eight words each. `keys` are 4 * 32 bytes.
    static func midstates(keys: [UInt8], level: Int32) -> [UInt64] {
        // RFC 7693, section 2.6, and the parameter word of section 2.5: 32 bytes of digest, a key of 32 bytes.
        let start: [UInt64] = [
            0x6a09_e667_f3bc_c908 ^ 0x0101_2020, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
            0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
        ]
        var blocks = [UInt8](repeating: 0, count: 4 * block)
        for lane in 0..<4 {
            for index in 0..<32 { blocks[lane * block + index] = keys[lane * 32 + index] }
        }
        var states: [UInt64] = []
        for word in start { for _ in 0..<4 { states.append(word) } }
        var counts = [UInt64](repeating: 0, count: 4)
        blocks.withUnsafeBufferPointer { blocks in
            let inputs = (0..<4).map { lane in blocks.baseAddress.map { $0 + lane * block } }
            let steps = [UInt64](repeating: UInt64(block), count: 4)
            varve_b2_compress(level, 4, &states, &counts, inputs, steps, [0, 0, 0, 0], 1)
        }
        return (0..<4).flatMap { lane in (0..<8).map { states[4 * $0 + lane] } }
    }

    /// Hashes the messages named by `order` and reports each id with its message's position.
    ///
    /// - Parameter order: positions in `messages`; no message is empty.
    mutating func run(
        _ messages: [UnsafeRawBufferPointer], order: [Int], report: (_ position: Int, _ id: BlobID) -> Void
    ) {
        withUnsafeTemporaryAllocation(byteCount: Work.byteCount, alignment: 64) { memory in
            memory.initializeMemory(as: UInt8.self, repeating: 0)
            guard let base = memory.baseAddress else { return }
            let width = order.count > Self.narrow ? Int(varve_b2_widest(level)) : Self.narrow
            var work = Work(base: base, width: width)
            var left = [Int](repeating: 0, count: Self.widest)
            var current = [Int](repeating: -1, count: Self.widest)
            var next = 0
            while true {
                var active = 0
                for lane in 0..<work.width {
                    if current[lane] < 0, next < order.count {
                        current[lane] = order[next]
                        left[lane] = messages[order[next]].count
                        work.start(lane, messages[order[next]], midstate)
                        next += 1
                    }
                    if current[lane] >= 0 { active += 1 }
                }
                if active == 0 { return }
                if active <= Self.narrow, work.width > Self.narrow { narrow(&work, &left, &current) }
                step(work, &left, current)
                for lane in 0..<work.width where current[lane] >= 0 && left[lane] == 0 {
                    report(current[lane], work.id(lane))
                    current[lane] = -1
                }
            }
        }
    }

    /// Moves the busy lanes, at most four, to the front and goes on with four.
    private func narrow(_ work: inout Work, _ left: inout [Int], _ current: inout [Int]) {
        var front = 0
        var kept: [Int] = []
        for lane in 0..<work.width where current[lane] >= 0 {
            kept.append(lane)
            current[front] = current[lane]
            left[front] = left[lane]
            front += 1
        }
        for lane in front..<current.count { current[lane] = -1 }
        work.keep(kept, width: Self.narrow)
    }

    /// As many blocks as no lane ends in; or one block that is the last of at least one lane.
    private func step(_ work: Work, _ left: inout [Int], _ current: [Int]) {
        let lanes = 0..<work.width
        var blocks = Int.max
        for lane in lanes where current[lane] >= 0 { blocks = min(blocks, (left[lane] - 1) / Self.block) }
        let isEnd = blocks == 0
        if isEnd { blocks = 1 }
        for lane in lanes {
            let ends = isEnd && current[lane] >= 0 && left[lane] <= Self.block
            work.steps[lane] = UInt64(ends ? left[lane] : Self.block)
            work.marks[lane] = ends ? ~0 : 0
            if ends { work.pad(lane, count: left[lane]) }
        }
        // An idle lane reads along with a busy one; what it computes is not looked at.
        let busy = current.firstIndex { $0 >= 0 } ?? 0
        for lane in lanes where current[lane] < 0 { work.follow(lane, busy) }
        work.compress(level, blocks)
        for lane in lanes where current[lane] >= 0 {
            left[lane] -= Int(work.steps[lane]) * blocks
            work.advance(lane, blocks * Self.block)
        }
    }
}

extension BlobLanes {
    /// The memory of the lanes, as the compression function wants it.
    private struct Work {
        /// For eight lanes each 8 words of state, a count, a step, a mark, an address and a block of bytes.
        static let byteCount = BlobLanes.widest * (12 * 8 + BlobLanes.block)

        /// The lanes in use.
        private(set) var width: Int
        let states: UnsafeMutablePointer<UInt64>
        let counts: UnsafeMutablePointer<UInt64>
        let steps: UnsafeMutablePointer<UInt64>
        let marks: UnsafeMutablePointer<UInt64>
        private let inputs: UnsafeMutablePointer<UnsafePointer<UInt8>?>
        private let blocks: UnsafeMutablePointer<UInt8>

        init(base: UnsafeMutableRawPointer, width: Int) {
            let lanes = BlobLanes.widest
            self.width = width
            states = base.assumingMemoryBound(to: UInt64.self)
            counts = states + 8 * lanes
            steps = counts + lanes
            marks = steps + lanes
            inputs = UnsafeMutableRawPointer(marks + lanes).assumingMemoryBound(to: UnsafePointer<UInt8>?.self)
            blocks = UnsafeMutableRawPointer(inputs + lanes).assumingMemoryBound(to: UInt8.self)
        }

        /// Keeps some lanes, given in order, as the first of `width`, no more than before.
        mutating func keep(_ lanes: [Int], width: Int) {
            // No word is written before it was read: each moves towards the front.
            for word in 0..<8 {
                for (front, lane) in lanes.enumerated() {
                    states[width * word + front] = states[self.width * word + lane]
                }
            }
            for (front, lane) in lanes.enumerated() {
                counts[front] = counts[lane]
                inputs[front] = inputs[lane]
            }
            self.width = width
        }

        func start(_ lane: Int, _ message: UnsafeRawBufferPointer, _ midstate: [UInt64]) {
            for word in 0..<8 { states[width * word + lane] = midstate[word] }
            counts[lane] = UInt64(BlobLanes.block)
            inputs[lane] = message.baseAddress?.assumingMemoryBound(to: UInt8.self)
        }

        /// Copies the end of a message into a block of its own, filled up with zeros.
        func pad(_ lane: Int, count: Int) {
            let own = blocks + lane * BlobLanes.block
            if let input = inputs[lane] { own.update(from: input, count: count) }
            (own + count).update(repeating: 0, count: BlobLanes.block - count)
            inputs[lane] = UnsafePointer(own)
        }

        func advance(_ lane: Int, _ count: Int) { inputs[lane] = inputs[lane].map { $0 + count } }

        func follow(_ lane: Int, _ other: Int) { inputs[lane] = inputs[other] }

        func compress(_ level: Int32, _ blocks: Int) {
            varve_b2_compress(level, Int32(width), states, counts, inputs, steps, marks, blocks)
        }

        func id(_ lane: Int) -> BlobID {
            BlobID(
                states[lane].byteSwapped, states[width + lane].byteSwapped, states[2 * width + lane].byteSwapped,
                states[3 * width + lane].byteSwapped)
        }
    }
}
