import Glibc
import Varve
import VarveFormat

/// Directories: their coding, and the walk over those of the source.
enum TreeBenchmarks {
    static func coding(_ bench: inout Bench) throws {
        let entries = (0..<1000).map { number in
            TreeEntry(
                name: Array("some-file-\(10_000 + number).swift".utf8), type: .file,
                attributes: Attributes(
                    mode: 0o644, uid: 1000, gid: 1000, owner: Array("someone".utf8), group: Array("someone".utf8),
                    mtimeSeconds: 1_700_000_000 + Int64(number), mtimeNanoseconds: 123_456_789),
                content: .file(size: 5000, blobs: .blobs([Material.blobID(number)])))
        }
        let encoded = TreeCoding.encode(entries: entries)
        guard try TreeCoding.parse(encoded) == entries else { throw StoreError(.failed, "a tree is coded wrongly") }
        bench.latency("tree encode, for each entry", count: entries.count * 20) {
            for _ in 0..<20 { _ = TreeCoding.encode(entries: entries) }
        }
        try bench.latency("tree decode, for each entry", count: entries.count * 20) {
            for _ in 0..<20 { _ = try TreeCoding.parse(encoded) }
        }
    }

    /// Lists 100 directories of 100 files each and takes the status of each file, on one thread.
    static func walk(in folder: String, _ bench: inout Bench) throws {
        for directory in 0..<100 {
            mkdir("\(folder)/\(directory)", 0o755)
            for file in 0..<100 { close(creat("\(folder)/\(directory)/file-\(file).txt", 0o644)) }
        }
        var found = 0
        try bench.latency("walk, for each file", count: 10_000) {
            found = 0
            for directory in 0..<100 {
                let descriptor = Glibc.open("\(folder)/\(directory)", O_RDONLY | O_DIRECTORY)
                defer { close(descriptor) }
                let names = try listDirectory(descriptor)
                for index in 0..<names.count {
                    let status = try names.withName(index) { name, _ throws(StoreError) in
                        try FileStat.at(descriptor, name)
                    }
                    if status.isRegular { found += 1 }
                }
            }
        }
        guard found == 10_000 else { throw StoreError(.failed, "the walk found \(found) of 10,000 files") }
    }
}
