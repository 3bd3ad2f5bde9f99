import Testing
import Varve

@Suite("SecretBytes")
struct SecretBytesTests {
    @Test("Taking bytes empties the array they were in")
    func taking() {
        var password = Array("secret".utf8)
        let held = SecretBytes(taking: &password)
        #expect(password.isEmpty)
        #expect(held.count == 6 && held.withUnsafeBytes { Array($0) } == Array("secret".utf8))
    }

    @Test("Wiping an array leaves copies that others hold alone")
    func wiping() {
        var bytes = [UInt8](repeating: 0xaa, count: 64)
        let other = bytes
        SecretBytes.wipe(&bytes)
        #expect(bytes.isEmpty && other == [UInt8](repeating: 0xaa, count: 64))
    }

    @Test("No bytes are a secret too")
    func none() {
        var nothing: [UInt8] = []
        #expect(SecretBytes(taking: &nothing).count == 0)
    }
}
