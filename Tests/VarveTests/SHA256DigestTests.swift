import Testing
import Varve
import VarveFormat

@Suite("SHA256Digest")
struct SHA256DigestTests {
    @Test("Digests are the known answers of FIPS 180-4")
    func known() {
        #expect(
            SHA256Digest.of([UInt8]()).hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(
            SHA256Digest.of(Array("abc".utf8)).hex
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test("Bytes that come in parts have the digest of the whole, at every cut")
    func parts() {
        var random = SeededBytes(seed: 1)
        let bytes = random.bytes(200)
        for cut in 0...200 {
            #expect(SHA256Digest.of([Array(bytes[..<cut]), Array(bytes[cut...])]) == SHA256Digest.of(bytes))
        }
    }

    @Test("A digest can go on after it was asked for")
    func continued() {
        var digest = SHA256Digest.Incremental()
        digest.update([1])
        #expect(digest.finish() == SHA256Digest.of([1]))
        digest.update([2])
        #expect(digest.finish() == SHA256Digest.of([1, 2]))
    }
}
