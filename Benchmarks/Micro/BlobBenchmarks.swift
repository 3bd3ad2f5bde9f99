import Varve
import VarveFormat

/// The path of a blob through a backup and back: cut, hash, compress, seal; open, decompress.
struct BlobBenchmarks {
    private let keys: KeyChain
    private let repository: RepositoryID
    private let noise = Material.noise(32 << 20)
    private let text = Material.text(32 << 20)

    init(_ repository: Repository) {
        keys = repository.keys
        self.repository = repository.id
    }

    func run(_ bench: inout Bench) throws {
        try chunker(&bench)
        hasher(&bench)
        for (name, content) in [("text", text), ("noise", noise)] { try frames(name, content, &bench) }
        try sealer(&bench)
    }

    private func chunker(_ bench: inout Bench) throws {
        let sizes = ChunkerConfig.standard
        for (name, size) in [("file", sizes.file), ("large", sizes.large), ("stream", sizes.stream)] {
            guard let parameters = ChunkParameters(
                minimum: size.minimum, average: size.average, maximum: size.maximum)
            else { throw StoreError(.failed, "the standard chunk sizes are refused") }
            noise.withUnsafeBytes { bytes in
                bench.throughput("chunker, \(name) class (\(size.average >> 10) KiB)", bytes: bytes.count) {
                    var start = 0
                    while let length = keys.chunker.nextCut(
                        in: UnsafeRawBufferPointer(rebasing: bytes[start...]), parameters: parameters, isFinal: true)
                    { start += length }
                }
            }
        }
    }

    private func hasher(_ bench: inout Bench) {
        noise.withUnsafeBytes { bytes in
            bench.throughput("blob hash, one at a time, 64 KiB (libb2)", bytes: 8 << 20) {
                for blob in Self.runs(of: bytes, length: 64 << 10, total: 8 << 20) {
                    _ = keys.blobHasher.id(.data, blob)
                }
            }
            for length in [1 << 10, 4 << 10, 64 << 10] {
                let blobs = Self.runs(of: bytes, length: length, total: 8 << 20)
                var ids: [BlobID] = []
                bench.throughput("blob hash, in lanes, \(length >> 10) KiB", bytes: 8 << 20) {
                    for start in stride(from: 0, to: blobs.count, by: 64) {
                        keys.blobHasher.ids(.data, Array(blobs[start..<min(start + 64, blobs.count)]), into: &ids)
                    }
                }
            }
        }
    }

    private func frames(_ name: String, _ content: [UInt8], _ bench: inout Bench) throws {
        let encoder = try FrameEncoder(suite: .aes256GCM, level: 1)
        let decoder = try FrameDecoder(suite: .aes256GCM)
        let length = 1 << 20
        let total = 8 << 20
        try content.withUnsafeBytes { bytes in
            let runs = Self.runs(of: bytes, length: length, total: total)
            var stored: [(codec: FrameCodec, bytes: [UInt8])] = []
            for run in runs {
                let frame = try encoder.encode(run)
                stored.append((frame.codec, Array(frame.bytes)))
            }
            try bench.throughput("frame encode, \(name), level 1", bytes: total) {
                for run in runs { _ = try encoder.encode(run) }
            }
            let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 64)
            defer { raw.deallocate() }
            try bench.throughput("frame decode, \(name)", bytes: total) {
                for frame in stored {
                    try frame.bytes.withUnsafeBytes { try decoder.decode($0, codec: frame.codec, into: raw) }
                }
            }
        }
    }

    private func sealer(_ bench: inout Bench) throws {
        let sealer = keys.sealer(.dataPack, salt: [UInt8](repeating: 7, count: 32), repository: repository)
        let total = 16 << 20
        for length in [64 << 10, 1 << 20] {
            try noise.withUnsafeBytes { bytes in
                let runs = Self.runs(of: bytes, length: length, total: total)
                var output: [UInt8] = []
                output.reserveCapacity(length + Sealer.tagLength)
                try bench.throughput("seal, \(length >> 10) KiB", bytes: total) {
                    for (number, run) in runs.enumerated() {
                        output.removeAll(keepingCapacity: true)
                        try sealer.seal(.frame(UInt64(number)), run, associated: [], appendingTo: &output)
                    }
                }
                let sealed = try runs.enumerated().map { number, run in
                    var bytes: [UInt8] = []
                    try sealer.seal(.frame(UInt64(number)), run, associated: [], appendingTo: &bytes)
                    return bytes
                }
                let plain = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 64)
                defer { plain.deallocate() }
                try bench.throughput("open, \(length >> 10) KiB", bytes: total) {
                    for (number, run) in sealed.enumerated() {
                        try run.withUnsafeBytes {
                            try sealer.open(.frame(UInt64(number)), $0, associated: [], into: plain)
                        }
                    }
                }
            }
        }
    }

    private static func runs(of bytes: UnsafeRawBufferPointer, length: Int, total: Int) -> [UnsafeRawBufferPointer] {
        stride(from: 0, to: total, by: length).map { UnsafeRawBufferPointer(rebasing: bytes[$0..<$0 + length]) }
    }
}
