/// Sorts elements whose keys are spread evenly over 64 bits, as the first words of hashes are: by the leading bits of
/// the key into as many runs as make each a few elements long, in place (McIlroy, Bostic and McIlroy: Engineering Radix
/// Sort, 1993), and each run by comparisons. Keys that are not spread evenly only cost time.
package enum HashSort {
    /// Elements in a run, in the mean.
    private static let runLength = 8
    private static let mostBits = 16
    /// From this length on a run is sorted by the library, which needs less than quadratic time.
    private static let longRun = 48

    /// Sorts in place.
    ///
    /// - Parameters:
    ///   - key: the leading part of the order.
    ///   - precedes: the whole order, which must agree with that of the keys.
    package static func sort<Element>(
        _ elements: UnsafeMutableBufferPointer<Element>, key: (Element) -> UInt64,
        by precedes: (Element, Element) -> Bool
    ) {
        let count = elements.count
        guard count > longRun else { return sortRun(elements, by: precedes) }
        let bits = min(mostBits, Int.bitWidth - (count / runLength).leadingZeroBitCount)
        let shift = UInt64(64 - bits)
        var ends = [Int](repeating: 0, count: 1 << bits)
        for element in elements { ends[Int(key(element) >> shift)] += 1 }
        var next = ends
        var end = 0
        for run in ends.indices {
            next[run] = end
            end += ends[run]
            ends[run] = end
        }
        for run in ends.indices {
            let start = run == 0 ? 0 : ends[run - 1]
            // Each element is carried to its run, and what lay in its place is carried on, until one belongs here.
            while next[run] < ends[run] {
                var element = elements[next[run]]
                var target = Int(key(element) >> shift)
                while target != run {
                    swap(&element, &elements[next[target]])
                    next[target] += 1
                    target = Int(key(element) >> shift)
                }
                elements[next[run]] = element
                next[run] += 1
            }
            sortRun(UnsafeMutableBufferPointer(rebasing: elements[start..<ends[run]]), by: precedes)
        }
    }

    private static func sortRun<Element>(
        _ run: UnsafeMutableBufferPointer<Element>, by precedes: (Element, Element) -> Bool
    ) {
        guard run.count < longRun else {
            var run = run
            return run.sort(by: precedes)
        }
        guard run.count > 1 else { return }
        for index in 1..<run.count {
            let element = run[index]
            var place = index
            while place > 0, precedes(element, run[place - 1]) {
                run[place] = run[place - 1]
                place -= 1
            }
            run[place] = element
        }
    }
}
