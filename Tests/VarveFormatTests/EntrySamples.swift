import VarveFormat

extension TreeEntry {
    /// A file with plain attributes and no bytes.
    static func sample(_ name: String) -> TreeEntry {
        sample(Array(name.utf8))
    }

    /// A file with plain attributes and no bytes.
    static func sample(_ name: [UInt8]) -> TreeEntry {
        TreeEntry(
            name: name, type: .file, attributes: sampleAttributes, content: .file(size: 0, blobs: .empty))
    }

    /// The entry with another content.
    func with(_ type: EntryType, _ content: EntryContent) -> TreeEntry {
        TreeEntry(name: name, type: type, attributes: attributes, content: content)
    }

    /// The entry's bytes.
    var encoded: [UInt8] {
        var writer = ByteWriter()
        encode(into: &writer)
        return writer.bytes
    }
}

let sampleAttributes = Attributes(
    mode: 0o644, uid: 1000, gid: 100, owner: Array("me".utf8), group: Array("users".utf8),
    mtimeSeconds: 1_750_682_096, mtimeNanoseconds: 123_456_789)

/// One entry of every type, with every flag and form of content.
let sampleEntries: [TreeEntry] = {
    var rich = TreeEntry.sample("rich").with(.file, .file(size: 9, blobs: .blobs([sampleID(1), sampleID(2)])))
    rich.isSparse = true
    rich.hardLinkKey = 0x0123_4567_89ab_cdef
    rich.attributes.xattrs = [
        ExtendedAttribute(name: Array("user.a".utf8), value: []),
        ExtendedAttribute(name: Array("user.b".utf8), value: [0, 255]),
    ]
    rich.attributes.inodeFlags = .all
    let implied = TreeEntry(
        name: Array("implied".utf8), type: .directory, isImplied: true,
        attributes: Attributes(mode: 0o755, owner: Array("root".utf8)), content: .directory(.tree(sampleID(3))))
    return [
        .sample("block").with(.blockDevice, .device(major: 8, minor: .max)),
        .sample("char").with(.characterDevice, .device(major: 1, minor: 3)),
        .sample("dir").with(.directory, .directory(.treeList(sampleID(4)))),
        .sample("empty"),
        .sample("fifo").with(.fifo, .none),
        implied,
        .sample("link").with(.symlink, .symlink(target: Array("../x".utf8))),
        .sample("listed").with(.file, .file(size: .max, blobs: .list(sampleID(5)))),
        .sample("new").with(.directory, .directory(.empty)),
        rich,
        .sample("socket").with(.socket, .none),
    ]
}()
