/// Names and paths of files inside JSON: a string if the bytes are UTF-8, else `{"base64": ...}` (FORMAT.md section 1).
public enum FileNameJSON {
    /// The JSON form of a name.
    public static func encode(_ name: [UInt8]) -> JSONValue {
        if let text = String(validating: name, as: UTF8.self) { return .string(text) }
        return .object(["base64": .string(Base64.encode(name))])
    }

    /// The bytes of a name.
    ///
    /// - Throws: `.malformed` for any other value and for wrong base64.
    public static func decode(_ value: JSONValue) throws(FormatError) -> [UInt8] {
        if let text = value.stringValue { return Array(text.utf8) }
        guard let text = value["base64"]?.stringValue, let bytes = Base64.decode(text) else {
            throw FormatError(.malformed, "a file name is neither a string nor base64")
        }
        return bytes
    }
}
