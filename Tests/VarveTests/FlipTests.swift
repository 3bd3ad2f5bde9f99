import Testing
import Varve
import VarveFormat

/// TESTING.md T6 and T7: every flipped bit is found, and damage names exactly the paths that it costs.
struct FlipTests {
    private struct Flip {
        let path: String
        let bit: Int
        let kind: String
    }

    /// Counts by the kind of file and part.
    private struct Tally {
        var flips: [String: Int] = [:]
        var detected: [String: Int] = [:]
        var exact: [String: Int] = [:]
    }

    @Test("every flipped bit is found and names the paths it costs", arguments: [Suite.none, .aes256GCM])
    func flips(suite: Suite) throws {
        let seed: UInt64 = 20_250_623
        let fixture = try VerifyFixture(suite)
        let clean = try fixture.verify()
        #expect(clean.report.result == .passed)
        #expect(clean.findings.isEmpty)
        var tally = Tally()
        for flip in try Self.choose(fixture, seed: seed, perKind: 250) {
            tally.flips[flip.kind, default: 0] += 1
            try fixture.changing(flip.path, { $0[flip.bit / 8] ^= 1 << UInt8(flip.bit % 8) }) {
                try Self.check(fixture, flip, &tally)
            }
        }
        print("flips, suite \(suite), seed \(seed): kind, flipped, detected, exact paths")
        for (kind, count) in tally.flips.sorted(by: { $0.key < $1.key }) {
            print("  \(kind) \(count) \(tally.detected[kind] ?? 0) \(tally.exact[kind] ?? 0)")
        }
        #expect(tally.flips == tally.detected)
        #expect(tally.flips == tally.exact)
        #expect(try fixture.verify().report.result == .passed)
    }

    /// Half of the flips are spread evenly over the files, half over the bytes.
    private static func choose(_ fixture: VerifyFixture, seed: UInt64, perKind count: Int) throws -> [Flip] {
        var random = SeededBytes(seed: seed)
        let files = fixture.files.sorted { $0.key < $1.key }
        var flips: [Flip] = []
        for number in 0..<count {
            let (path, bytes) = files[number % files.count]
            let bit = Int(random.next() % UInt64(8 * bytes.count))
            flips.append(Flip(path: path, bit: bit, kind: kind(path, bit / 8, bytes)))
        }
        let total = files.reduce(0) { $0 + $1.value.count }
        for number in 0..<count {
            var offset = total * number / count + Int(random.next() % UInt64(total / count))
            for (path, bytes) in files {
                guard offset >= bytes.count else {
                    let bit = 8 * offset + Int(random.next() % 8)
                    flips.append(Flip(path: path, bit: bit, kind: kind(path, offset, bytes)))
                    break
                }
                offset -= bytes.count
            }
        }
        return flips
    }

    private static func kind(_ path: String, _ offset: Int, _ bytes: [UInt8]) -> String {
        let parts = path.split(separator: "/")
        guard parts[0] == "packs" else { return String(parts[0]) }
        let name = "\(parts[0])/\(parts[1])"
        let trailerStart = bytes.count - PackLayout.wrapperLength - PackTrailer.byteCount
        guard let trailer = try? PackTrailer(
            parsing: Array(bytes.suffix(PackTrailer.byteCount)), packLength: UInt64(bytes.count),
            sha256: SHA256Digest.of)
        else { return name }
        if offset < PackLayout.firstFrameOffset { return name + " header" }
        if offset >= trailerStart { return name + " trailer" }
        return offset < trailer.directoryOffset - PackLayout.wrapperLength ? name + " frame" : name + " directory"
    }

    private static func check(_ fixture: VerifyFixture, _ flip: Flip, _ tally: inout Tally) throws {
        let repository: Repository
        do {
            repository = try fixture.open()
        } catch let error as StoreError {
            // Nothing can be named in a repository that cannot be opened.
            #expect(error.code == .damaged, "\(flip)")
            tally.detected[flip.kind, default: 0] += 1
            tally.exact[flip.kind, default: 0] += 1
            return
        }
        let (report, findings) = try fixture.verify()
        if report.result == .failed { tally.detected[flip.kind, default: 0] += 1 }
        var model = try LossModel(repository)
        var isExact = true
        for (id, manifest) in try repository.snapshots().all {
            let named = findings.filter { $0.snapshot == id }.compactMap(\.path).map { String(decoding: $0, as: UTF8.self) }
            isExact = isExact && named.count == Set(named).count && Set(named) == model.lostPaths(manifest)
        }
        if flip.path.hasPrefix("manifests/") {
            isExact = isExact && findings.contains { $0.kind == .damagedSnapshot && $0.snapshot != nil }
        }
        if !flip.path.hasPrefix("packs/") { isExact = isExact && findings.allSatisfy { $0.path == nil } }
        if isExact { tally.exact[flip.kind, default: 0] += 1 } else { print("not exact: \(flip)") }
        if report.result != .failed { print("not detected: \(flip)") }
    }
}
