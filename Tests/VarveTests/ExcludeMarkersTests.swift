import Testing
import Varve

@Suite("ExcludeMarkers")
struct ExcludeMarkersTests {
    private static let signature = "Signature: 8a477f597d28d172789f06886806bc55"

    private func marker(_ markers: ExcludeMarkers, _ prepare: (ScratchDirectory) throws -> Void) throws -> String? {
        let scratch = try ScratchDirectory()
        try prepare(scratch)
        let directory = scratch.root.directory
        return markers.marker(in: try directory.list(), directory: directory.descriptor)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    @Test("a cache directory tag counts only with the signature at its start")
    func tags() throws {
        let markers = ExcludeMarkers(cacheDirectories: true)
        let tag = "CACHEDIR.TAG"
        #expect(try marker(markers) { try $0.file(tag, Self.signature + "\n# made by a test") } == tag)
        #expect(try marker(markers) { try $0.file(tag, Self.signature) } == tag)
        #expect(try marker(markers) { try $0.file(tag, " " + Self.signature) } == nil)
        #expect(try marker(markers) { try $0.file(tag, String(Self.signature.dropLast())) } == nil)
        #expect(try marker(markers) { try $0.makeDirectory(tag) } == nil)
        #expect(try marker(markers) { try $0.root.directory.makeFIFO(Array(tag.utf8)) } == nil, "and never blocks")
        #expect(try marker(ExcludeMarkers()) { try $0.file(tag, Self.signature) } == nil)
    }

    @Test("a name that is present leaves its directory out")
    func names() throws {
        let markers = ExcludeMarkers(names: [Array(".nobackup".utf8)])
        #expect(try marker(markers) { try $0.file(".nobackup") } == ".nobackup")
        #expect(try marker(markers) { try $0.makeDirectory(".nobackup") } == ".nobackup")
        #expect(try marker(markers) { try $0.file(".nobackup2") } == nil)
    }
}
