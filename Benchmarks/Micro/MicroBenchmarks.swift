import Glibc
import Varve
import VarveFormat

/// Measures the parts of the engine one by one. Nothing of it is in a product: `Benchmarks/micro-benchmarks` builds and
/// runs it.
@main
enum MicroBenchmarks {
    static let usage = """
        usage: MicroBenchmarks [--quick] [--json FILE]
               MicroBenchmarks make-index REPOSITORY KEY-FILE BLOBS
               MicroBenchmarks open-index REPOSITORY KEY-FILE CACHE BLOBS [--json FILE]

        make-index makes a repository that holds index files of so many made-up blobs, and no packs.
        """

    static func main() {
        var words = Array(CommandLine.arguments.dropFirst())
        let json = option("--json", in: &words)
        let isQuick = words.contains("--quick")
        words.removeAll { $0 == "--quick" }
        do {
            switch (words.first, words.count) {
            case (nil, _): try all(isQuick: isQuick, json: json)
            case ("make-index", 4): try makeIndex(words[1], words[2], try number(words[3]))
            case ("open-index", 5): try openIndex(words[1], words[2], words[3], try number(words[4]), json: json)
            default: throw StoreError(.usage, usage)
            }
        } catch {
            let text = Array("MicroBenchmarks: \(error)\n".utf8)
            _ = Glibc.write(STDERR_FILENO, text, text.count)
            exit(1)
        }
    }

    private static func all(isQuick: Bool, json: String?) throws {
        Allocator.tune()
        let place = try temporaryFolder()
        defer { try? LocalBackend(path: place.parent).removeTree(place.name) }
        let folder = place.parent + "/" + place.name
        var bench = started(duration: isQuick ? .milliseconds(100) : .milliseconds(500))
        let key = Material.noise(32, seed: 4).withUnsafeBytes { SecretBytes(copying: $0) }
        let repository = try create(folder + "/repository", key: key, cache: folder + "/cache")
        try BlobBenchmarks(repository).run(&bench)
        try TreeBenchmarks.coding(&bench)
        mkdir(folder + "/tree", 0o755)
        try TreeBenchmarks.walk(in: folder + "/tree", &bench)
        for count in isQuick ? [1_000_000] : [1_000_000, 10_000_000] {
            let index = IndexBenchmarks(count: count)
            try index.merge(repository.id, &bench)
            let large = try create("\(folder)/\(count)", key: key, cache: folder + "/cache")
            try index.publish(in: large)
            try index.open(large, &bench)
        }
        try write(bench.measurements, to: json)
    }

    private static func makeIndex(_ path: String, _ keyFile: String, _ count: Int) throws {
        let repository = try create(path, key: try key(keyFile), cache: nil)
        print(try IndexBenchmarks(count: count).publish(in: repository))
    }

    private static func openIndex(
        _ path: String, _ keyFile: String, _ cache: String, _ count: Int, json: String?
    ) throws {
        var options = Repository.OpenOptions()
        options.secrets = [.keyFile(try key(keyFile))]
        options.cacheDirectory = cache
        let repository = try Repository.open(at: path, options: options)
        var bench = started(duration: .milliseconds(500))
        let index = IndexBenchmarks(count: count)
        try index.open(repository, &bench)
        try index.merge(repository.id, &bench)
        try write(bench.measurements, to: json)
    }

    private static func started(duration: Duration) -> Bench {
        print(Report.heading)
        return Bench(duration: duration, leastSamples: 5) {
            print(Report.line($0))
            fflush(nil)
        }
    }

    private static func create(_ path: String, key: SecretBytes, cache: String?) throws(StoreError) -> Repository {
        var options = Repository.CreateOptions()
        options.secret = .keyFile(key)
        var opening = Repository.OpenOptions()
        opening.cacheDirectory = cache
        return try Repository.create(at: path, options: options, openOptions: opening)
    }
}

extension MicroBenchmarks {
    private static func option(_ name: String, in words: inout [String]) -> String? {
        guard let at = words.firstIndex(of: name), at + 1 < words.count else { return nil }
        defer { words.removeSubrange(at...at + 1) }
        return words[at + 1]
    }

    private static func number(_ word: String) throws(StoreError) -> Int {
        guard let number = Int(word), number >= Material.blobsInPack else { throw StoreError(.usage, usage) }
        return number
    }

    private static func key(_ path: String) throws(StoreError) -> SecretBytes {
        guard let file = fopen(path, "r") else { throw StoreError(.failed, "cannot read the key file \(path)") }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 32)
        guard fread(&bytes, 1, 32, file) == 32 else { throw StoreError(.failed, "\(path) has fewer than 32 bytes") }
        return SecretBytes(taking: &bytes)
    }

    /// A new folder below TMPDIR: its parent and its name.
    private static func temporaryFolder() throws(StoreError) -> (parent: String, name: String) {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        let name = "varve-micro-\(getpid())"
        guard mkdir("\(parent)/\(name)", 0o700) == 0 else {
            throw StoreError(.failed, "cannot make the folder \(parent)/\(name)")
        }
        return (parent, name)
    }

    private static func write(_ measurements: [Measurement], to path: String?) throws(StoreError) {
        guard let path else { return }
        guard let file = fopen(path, "w") else { throw StoreError(.failed, "cannot write \(path)") }
        defer { fclose(file) }
        let bytes = Report.json(measurements)
        fwrite(bytes, 1, bytes.count, file)
    }
}
