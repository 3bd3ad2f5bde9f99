import CSys
package import VarveFormat

/// Supplies the content of files that cannot simply be read while other programs write them: databases. The engine asks
/// it about every regular file that begins like a SQLite database (`DatabaseFile.magic`). Called from several threads.
package protocol ContentProvider: Sendable {
    /// How to read a file.
    ///
    /// - Throws: what keeps a consistent content from being had. The file is then copied as it is, and the error goes
    ///   into the snapshot; one that is required is left out.
    func content(of file: ProvidedFile) throws(StoreError) -> ProvidedAnswer

    /// Files that were asked for as databases: they are read by every capture, and as such or not at all.
    var requiredPaths: Set<[UInt8]> { get }
}

/// A file that a provider is asked about.
package struct ProvidedFile: Sendable {
    /// Absolute path, as bytes.
    package let path: [UInt8]
    /// The file, open for reading.
    package let descriptor: Int32
    /// Its status after it was opened.
    package let stat: FileStat

    /// Describes an open file.
    package init(path: [UInt8], descriptor: Int32, stat: FileStat) {
        self.path = path
        self.descriptor = descriptor
        self.stat = stat
    }
}

/// What a provider says of a file.
package enum ProvidedAnswer {
    /// Nothing: its bytes are all there is.
    case plain
    /// Another file has the path by now.
    case replaced
    case content(any ProvidedContent)
}

/// One state of a file, as long as it is being read. Used by one thread; freed when it is not needed any more.
package protocol ProvidedContent: AnyObject {
    /// Bytes of the content.
    var size: UInt64 { get }

    /// Fills a buffer from an offset; fewer bytes than its size only at the end of the content.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int

    /// To be called once all of it was read.
    ///
    /// - Returns: what is to be known about the content; nil if it changed while it was read.
    func finish() throws(StoreError) -> ProvidedStatement?
}

/// What a provider found out about a content that was captured.
package struct ProvidedStatement: Sendable {
    /// For the manifest's `databases`.
    package var description: [String: JSONValue]
    /// What is wrong with the content; makes the snapshot partial.
    package var problems: [String] = []
    /// What else is worth saying.
    package var notices: [String] = []

    /// A statement without problems.
    package init(description: [String: JSONValue]) { self.description = description }
}

/// How files of a SQLite database are told from others.
package enum DatabaseFile {
    /// How every SQLite database begins: "SQLite format 3" and a NUL.
    package static let magic = Array("SQLite format 3".utf8) + [0]
    /// Sizes of databases are multiples of this: the smallest page.
    private static let unit: UInt64 = 512

    /// What SQLite appends to a database's name for the files that belong to it.
    package static let logSuffix = Array("-wal".utf8)
    private static let companionSuffixes = ["-wal", "-shm", "-journal"].map { Array($0.utf8) }

    /// The name of the database that a file belongs to, if it is one.
    static func base(ofCompanion name: some RandomAccessCollection<UInt8>) -> [UInt8]? {
        guard let last = name.last, last == UInt8(ascii: "l") || last == UInt8(ascii: "m") else { return nil }
        let suffix = companionSuffixes.first { name.count > $0.count && name.suffix($0.count).elementsEqual($0) }
        return suffix.map { Array(name.dropLast($0.count)) }
    }

    /// Whether an open file begins like a database.
    static func isDatabase(_ descriptor: Int32, size: UInt64) -> Bool {
        guard size >= unit, size % unit == 0 else { return false }
        return withUnsafeTemporaryAllocation(byteCount: magic.count, alignment: 1) { buffer in
            sys_pread(descriptor, buffer.baseAddress, buffer.count, 0) == buffer.count && buffer.elementsEqual(magic)
        }
    }
}
