import Testing
import Varve
import VarveFormat

/// TESTING.md T6 and T7: every flipped bit is found, and damage names exactly the paths that it costs.
@Suite struct FlipTests {
    private struct Flip: CustomStringConvertible {
        let path: String
        let bit: Int
        let part: String

        var description: String { "bit \(bit) of \(path) (\(part))" }
    }

    /// Counts by the kind of file and the part of it.
    private struct Tally {
        var flips: [String: Int] = [:]
        var found: [String: Int] = [:]
        var exact: [String: Int] = [:]
    }

    private static let seed: UInt64 = 20_250_623

    @Test("Every flipped bit is found and names exactly the paths it costs", arguments: Suite.allCases)
    func flips(suite: Suite) throws {
        let fixture = try VerifyFixture(suite)
        let clean = try fixture.verify()
        #expect(clean.report.result == .passed)
        #expect(clean.findings.isEmpty)
        var tally = Tally()
        for flip in try Self.choose(fixture) {
            tally.flips[flip.part, default: 0] += 1
            try fixture.changing(flip.path, { $0[flip.bit / 8] ^= 1 << UInt8(flip.bit % 8) }, {
                try Self.check(fixture, flip, &tally)
            })
        }
        print("flipped bits, \(suite), seed \(Self.seed): part, flipped, found, with exactly the paths they cost")
        for (part, count) in tally.flips.sorted(by: { $0.key < $1.key }) {
            print("  \(part): \(count) \(tally.found[part] ?? 0) \(tally.exact[part] ?? 0)")
        }
        #expect(tally.flips == tally.found)
        #expect(tally.flips == tally.exact)
        #expect(try fixture.verify().report.result == .passed)
    }

    @Test("The paths named are those that a restore reports as damaged", arguments: Suite.allCases)
    func restores(suite: Suite) throws {
        let fixture = try VerifyFixture(suite)
        var random = SeededBytes(seed: Self.seed)
        let packs = fixture.paths("packs/")
        for number in 0..<3 * packs.count {
            let path = packs[number % packs.count]
            let count = try fixture.backend.read(path, limit: .max).count
            let offset = random.below(count)
            try fixture.changing(path, { $0[offset] ^= 4 }, {
                let findings = try fixture.verify().findings
                let repository = try fixture.open()
                for snapshot in try repository.snapshots().snapshots {
                    let named = findings.filter { $0.snapshot == snapshot.id }.compactMap(\.path)
                        .map { String(decoding: $0, as: UTF8.self) }
                    #expect(try Set(named) == Self.lost(repository, snapshot), "byte \(offset) of \(path)")
                }
            })
        }
    }

    private static func lost(_ repository: Repository, _ snapshot: Snapshot) throws -> Set<String> {
        let target = try TemporaryDirectory()
        var options = Restorer.Options()
        options.target = Array(target.path.utf8)
        options.restoresOwner = false
        let restorer = Restorer(repository: repository, snapshot: snapshot, options: options, progress: Progress())
        do {
            let report = try restorer.run()
            return Set(report.errors.filter(\.isDamage).map { String(decoding: $0.path, as: UTF8.self) })
        } catch {
            // There is no restore without the directory "/".
            guard error.code == .damaged else { throw error }
            return ["/"]
        }
    }

    // MARK: Choosing

    /// 250 flips spread evenly over the files, 250 over the bytes, and 60 over the ends of packs.
    private static func choose(_ fixture: VerifyFixture) throws -> [Flip] {
        var random = SeededBytes(seed: seed)
        let files = fixture.files.sorted { $0.key < $1.key }
        var flips: [Flip] = []
        func add(_ path: String, _ bytes: [UInt8], _ offset: Int) {
            let bit = 8 * offset + random.below(8)
            flips.append(Flip(path: path, bit: bit, part: part(path, offset, bytes)))
        }
        for number in 0..<250 {
            let (path, bytes) = files[number % files.count]
            add(path, bytes, random.below(bytes.count))
        }
        let total = files.reduce(0) { $0 + $1.value.count }
        for number in 0..<250 {
            var offset = total * number / 250 + random.below(total / 250)
            for (path, bytes) in files {
                if offset < bytes.count {
                    add(path, bytes, offset)
                    break
                }
                offset -= bytes.count
            }
        }
        let packs = files.filter { $0.key.hasPrefix("packs/") }
        for number in 0..<60 {
            let (path, bytes) = packs[number % packs.count]
            let offset = random.below(400)
            add(path, bytes, offset < 136 ? offset : bytes.count - 400 + offset)
        }
        return flips
    }

    private static func part(_ path: String, _ offset: Int, _ bytes: [UInt8]) -> String {
        let parts = path.split(separator: "/")
        guard parts[0] == "packs" else { return String(parts[0]) }
        let name = "\(parts[0])/\(parts[1])"
        let end = bytes.count - PackLayout.wrapperLength - PackTrailer.byteCount
        let trailer = try? PackTrailer(
            parsing: Array(bytes.suffix(PackTrailer.byteCount)), packLength: UInt64(bytes.count),
            sha256: SHA256Digest.of)
        guard let trailer else { return name }
        if offset < PackLayout.firstFrameOffset { return name + " header" }
        if offset >= end { return name + " trailer" }
        return offset < trailer.directoryOffset - PackLayout.wrapperLength ? name + " frame" : name + " directory"
    }

    // MARK: Checking

    private static func check(_ fixture: VerifyFixture, _ flip: Flip, _ tally: inout Tally) throws {
        let repository = try fixture.open()
        let (report, findings) = try fixture.verify()
        if report.result == .failed { tally.found[flip.part, default: 0] += 1 }
        var model = try LossModel(repository)
        var isExact = true
        for (id, manifest) in try repository.snapshots().every.map({ ($0.id, $0.manifest) }) {
            let named = findings.filter { $0.snapshot == id }.compactMap(\.path)
                .map { String(decoding: $0, as: UTF8.self) }
            if named.count != Set(named).count || Set(named) != model.lostPaths(manifest) { isExact = false }
        }
        if flip.path.hasPrefix("manifests/") {
            isExact = isExact && findings.contains { $0.kind == .damagedSnapshot && $0.file == flip.path }
        } else if flip.path.hasPrefix("packs/") {
            isExact = isExact && findings.contains { $0.pack != nil && $0.file == flip.path }
        } else {
            isExact = isExact && findings.map(\.file) == [flip.path] && findings[0].path == nil
        }
        if isExact { tally.exact[flip.part, default: 0] += 1 }
        #expect(report.result == .failed && isExact, "\(flip)")
    }
}
