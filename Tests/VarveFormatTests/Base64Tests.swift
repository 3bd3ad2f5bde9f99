import Testing
import VarveFormat

@Suite struct Base64Tests {
    @Test("The vectors of RFC 4648 section 10 go both ways", arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func rfc(text: String, encoded: String) {
        #expect(Base64.encode(Array(text.utf8)) == encoded)
        #expect(Base64.decode(encoded) == Array(text.utf8))
    }

    @Test("Every byte survives in every place")
    func everyByte() {
        for length in 1...3 {
            for byte in UInt8.min...UInt8.max {
                let bytes = [UInt8](repeating: byte, count: length)
                #expect(Base64.decode(Base64.encode(bytes)) == bytes)
            }
        }
    }

    @Test("Text that encode does not write is refused", arguments: [
        "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm8", "=", "====", "Z===", "Zg==Zg==", "Zm 9v", "Zm9v\n", "Zm9-", "Z=g=",
    ])
    func refused(text: String) { #expect(Base64.decode(text) == nil) }
}
