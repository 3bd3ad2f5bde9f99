import Testing
import Varve

@Suite("GearScan")
struct GearScanTests {
    @Test("The lanes find what the plain loop finds", arguments: 0..<40 as Range<UInt64>)
    func lanes(seed: UInt64) {
        var random = SeededBytes(seed: seed)
        let data = random.bytes(40_000)
        let gear = (0..<256).map { _ in random.next() }
        data.withUnsafeBufferPointer { data in
            gear.withUnsafeBufferPointer { gear in
                guard let bytes = data.baseAddress, let gear = gear.baseAddress else { return }
                let scan = GearScan(bytes: bytes, gear: gear)
                for bits: UInt64 in [1, 6, 10, 11, 12, 13, 14, 20] {
                    let start = 63 + random.below(20_000)
                    let end = start + random.below(data.count - start)
                    let mask: UInt64 = ~0 << (64 - bits)
                    #expect(
                        scan.firstCut(from: start, to: end, mask: mask)
                            == scan.firstCutInOrder(from: start, to: end, mask: mask),
                        "seed \(seed), \(bits) bits, \(start) ..< \(end)")
                }
            }
        }
    }

    @Test("Every cut position in the four lanes is found, alone and before later ones")
    func positions() {
        // With this table the hash of ones has every bit set, and zeros behind them shift zeros in from below.
        let gear = (0..<256).map { $0 == 0 ? UInt64(0) : 1 }
        for place in stride(from: 63, to: 63 + 4096, by: 61) {
            var data = [UInt8](repeating: 1, count: 8192)
            data.replaceSubrange(place - 62...place, with: [UInt8](repeating: 0, count: 63))
            for other in [0, 500, 1100, 2100] where place + other < data.count {
                var both = data
                both.replaceSubrange(place + other - 62...place + other, with: [UInt8](repeating: 0, count: 63))
                both.withUnsafeBufferPointer { bytes in
                    gear.withUnsafeBufferPointer { gear in
                        guard let bytes = bytes.baseAddress, let gear = gear.baseAddress else { return }
                        let scan = GearScan(bytes: bytes, gear: gear)
                        // Only behind 63 zeros are bits 0 to 62 zero and bit 63 not yet gone.
                        #expect(scan.firstCut(from: 63, to: 8192, mask: ~0 >> 1) == place, "\(place) and \(other)")
                    }
                }
            }
        }
    }

    @Test("An empty stretch has no cut")
    func empty() {
        let gear = [UInt64](repeating: 0, count: 256)
        let data = [UInt8](repeating: 0, count: 128)
        data.withUnsafeBufferPointer { bytes in
            gear.withUnsafeBufferPointer { gear in
                guard let bytes = bytes.baseAddress, let gear = gear.baseAddress else { return }
                #expect(GearScan(bytes: bytes, gear: gear).firstCut(from: 100, to: 100, mask: ~0) == nil)
            }
        }
    }
}
