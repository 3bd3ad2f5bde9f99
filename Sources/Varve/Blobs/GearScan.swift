/// The search for the first position where the gear hash of the last 64 bytes has certain bits zero.
///
/// Each step of the hash needs the one before it, so that one chain of them leaves most of the processor idle. Since
/// the hash forgets all but 64 bytes, four stretches side by side can be searched at once, each started 64 bytes ahead.
package struct GearScan {
    private let bytes: UnsafePointer<UInt8>
    private let gear: UnsafePointer<UInt64>

    /// The bytes that each of the four lanes searches in a turn. Longer ones search more in vain behind a cut, shorter
    /// ones spend more on the 64 bytes ahead.
    private static let laneLength = 1024

    /// Makes a search over memory that starts at `bytes`, with a table of 256 words.
    package init(bytes: UnsafePointer<UInt8>, gear: UnsafePointer<UInt64>) {
        self.bytes = bytes
        self.gear = gear
    }

    /// The first position in `start ..< end` where the hash of the 64 bytes up to and with it is zero under `mask`.
    /// At least 63 bytes lie before `start`.
    package func firstCut(from start: Int, to end: Int, mask: UInt64) -> Int? {
        var position = start
        let length = Self.laneLength
        while end &- position >= 4 &* length {
            if let found = firstCutInLanes(from: position, laneLength: length, mask: mask) { return found }
            position &+= 4 &* length
        }
        return position < end ? firstCutInOrder(from: position, to: end, mask: mask) : nil
    }

    /// The same as `firstCut`, byte after byte: the definition that the lanes are held to.
    package func firstCutInOrder(from start: Int, to end: Int, mask: UInt64) -> Int? {
        guard start < end else { return nil }
        return firstCut(from: start, to: end, mask: mask, hash: hash(before: start))
    }

    private func firstCut(from start: Int, to end: Int, mask: UInt64, hash: UInt64) -> Int? {
        var hash = hash
        var position = start
        while position < end {
            hash = (hash &<< 1) &+ gear[Int(bytes[position])]
            if hash & mask == 0 { return position }
            position &+= 1
        }
        return nil
    }

    /// The hash of the 63 bytes before a position: the oldest of 64 is shifted out by the next step.
    private func hash(before position: Int) -> UInt64 {
        var hash: UInt64 = 0
        for index in (position &- 63)..<position { hash = (hash &<< 1) &+ gear[Int(bytes[index])] }
        return hash
    }

    private func firstCutInLanes(from start: Int, laneLength: Int, mask: UInt64) -> Int? {
        let lane0 = bytes + start
        let lane1 = lane0 + laneLength
        let lane2 = lane1 + laneLength
        let lane3 = lane2 + laneLength
        var hash0: UInt64 = 0
        var hash1: UInt64 = 0
        var hash2: UInt64 = 0
        var hash3: UInt64 = 0
        var step = -63
        while step < 0 {
            hash0 = (hash0 &<< 1) &+ gear[Int(lane0[step])]
            hash1 = (hash1 &<< 1) &+ gear[Int(lane1[step])]
            hash2 = (hash2 &<< 1) &+ gear[Int(lane2[step])]
            hash3 = (hash3 &<< 1) &+ gear[Int(lane3[step])]
            step &+= 1
        }
        while step < laneLength {
            hash0 = (hash0 &<< 1) &+ gear[Int(lane0[step])]
            hash1 = (hash1 &<< 1) &+ gear[Int(lane1[step])]
            hash2 = (hash2 &<< 1) &+ gear[Int(lane2[step])]
            hash3 = (hash3 &<< 1) &+ gear[Int(lane3[step])]
            if hash0 & mask == 0 { return start &+ step }
            if hash1 & mask == 0 || hash2 & mask == 0 || hash3 & mask == 0 { break }
            step &+= 1
        }
        if step == laneLength { return nil }
        // A later lane has a cut at this step. An earlier lane may yet have one further on, and that comes first.
        let next = step &+ 1
        let end0 = start &+ laneLength
        if let found = firstCut(from: start &+ next, to: end0, mask: mask, hash: hash0) { return found }
        if hash1 & mask == 0 { return end0 &+ step }
        let end1 = end0 &+ laneLength
        if let found = firstCut(from: end0 &+ next, to: end1, mask: mask, hash: hash1) { return found }
        if hash2 & mask == 0 { return end1 &+ step }
        let end2 = end1 &+ laneLength
        if let found = firstCut(from: end1 &+ next, to: end2, mask: mask, hash: hash2) { return found }
        return end2 &+ step
    }
}
