import CSys
import Glibc
import Synchronization
import Varve
import VarveFormat

/// The only place that prints. Data goes to standard output, messages and progress to standard error.
final class Output: Sendable {
    /// What standard output carries.
    enum Form: Sendable {
        case text
        /// One JSON document.
        case jsonDocument
        /// JSON lines with `message_type`.
        case jsonLines
    }

    let form: Form
    let isQuiet: Bool
    /// 0 without `-v`.
    let verbosity: Int
    /// Whether text beyond ASCII can be shown.
    let isUnicode: Bool
    /// Columns of the terminal that standard output is; nil if it is none.
    let width: Int?
    /// What the last line of a step is called where several steps make one command; nil outside of one.
    private let step: String?
    /// Standard output is another program's: summaries are messages.
    private let isShared: Bool
    private let colorsData: Bool
    private let colorsMessages: Bool

    private struct State {
        var buffer: [UInt8] = []
        var isClosed = false
        /// A progress line stands on the terminal.
        var hasProgress = false
    }

    private let state = Mutex(State())

    init(_ options: GlobalOptions, _ environment: Environment, jsonForm: Form, isShared: Bool = false) {
        step = nil
        self.isShared = isShared
        form = options.json ? jsonForm : .text
        isQuiet = options.quiet
        verbosity = options.verbose
        isUnicode = environment.isUTF8
        let isTerminal = isatty(1) == 1
        let columns = Int(sys_terminal_columns(1))
        width = isTerminal ? (columns > 20 ? columns : 80) : nil
        let mayColor = !options.noColor && environment[.noColor] == nil && environment[.terminal] != "dumb"
        colorsData = mayColor && isTerminal
        colorsMessages = mayColor && isatty(2) == 1
    }

    /// The output of a step of a command: its summary is not the last line.
    init(_ step: String, of whole: Output) {
        self.step = step
        isShared = whole.isShared
        form = whole.form
        isQuiet = whole.isQuiet
        verbosity = whole.verbosity
        isUnicode = whole.isUnicode
        width = whole.width
        colorsData = whole.colorsData
        colorsMessages = whole.colorsMessages
    }

    var isJSON: Bool { form != .text }
    var ellipsis: String { isUnicode ? "\u{2026}" : "..." }
    /// The reader of standard output is gone.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    // MARK: data

    /// A line of text for standard output.
    func line(_ text: String) { write(Array(text.utf8) + [UInt8(ascii: "\n")]) }

    /// A line of text that `--quiet` leaves out.
    func summary(_ text: String) {
        guard !isQuiet else { return }
        if isShared { say(text) } else { line(text) }
    }

    /// Any bytes for standard output.
    func write(_ bytes: [UInt8]) {
        state.withLock { state in
            state.buffer += bytes
            if state.buffer.count >= 64 << 10 { Self.flush(&state) }
        }
    }

    /// Any bytes for standard output, not kept.
    ///
    /// - Throws: `interrupted` once the reader is gone.
    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        let isClosed = state.withLock { state in
            Self.flush(&state)
            if !state.isClosed { state.isClosed = !Self.send(bytes, to: 1) }
            return state.isClosed
        }
        if isClosed { throw Self.closedError }
    }

    /// Throws `interrupted` once the reader of standard output is gone.
    func checkReader() throws(StoreError) { if isClosed { throw Self.closedError } }

    func table(_ table: Table) {
        table.forEachLine(width: width, ellipsis: ellipsis) { index, text in
            line(index == 0 ? styled(text, .bold) : text)
        }
    }

    /// A JSON document, or one of several JSON lines. `format_version` is added to objects.
    func json(_ members: [String: JSONValue]) {
        var members = members
        members["format_version"] = .integer(1)
        write(JSONValue.object(members).canonicalFile())
    }

    /// A JSON document with one long array, which is made and written element by element.
    func json<Element>(
        _ members: [String: JSONValue], streaming key: String, _ elements: some Sequence<Element>,
        _ make: (Element) -> JSONValue
    ) {
        var text = Array("{\"\(key)\":[".utf8)
        for (index, element) in elements.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            write(text + make(element).canonicalBytes())
            text.removeAll()
        }
        var rest = members
        rest["format_version"] = .integer(1)
        write(text + Array("],".utf8) + JSONValue.object(rest).canonicalFile().dropFirst())
    }

    /// A JSON line with a `message_type`, shown at once.
    func message(_ type: String, _ members: [String: JSONValue]) {
        var members = members
        members["message_type"] = .string(type == "summary" ? step ?? type : type)
        json(members)
        flush()
    }

    func flush() { state.withLock { Self.flush(&$0) } }

    private static let closedError = StoreError(.interrupted, "the reader of the output is gone")

    private static func flush(_ state: inout State) {
        guard !state.buffer.isEmpty else { return }
        if !state.isClosed { state.isClosed = !state.buffer.withUnsafeBytes { send($0, to: 1) } }
        state.buffer.removeAll(keepingCapacity: true)
    }

    /// False if nobody reads any more.
    private static func send(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let slice = UnsafeRawBufferPointer(rebasing: rest)
            let count = sys_write(descriptor, slice.baseAddress, slice.count)
            if count == -Int(EAGAIN) { _ = usleep(1_000) } else if count < 0 { return false }
            rest = rest.dropFirst(max(0, count))
        }
        return true
    }

    // MARK: messages

    enum Style: String {
        case bold = "1"
        case red = "31"
        case yellow = "33"
        case green = "32"
        case dim = "2"
    }

    /// Text for standard output in a style, where it has colours.
    func styled(_ text: String, _ style: Style) -> String {
        colorsData && !isJSON ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// Something to know; `--quiet` leaves it out.
    func note(_ text: String) { if !isQuiet { say(text) } }

    /// Something that only `-v` shows.
    func detail(_ text: String) { if verbosity > 0 { say(text) } }

    /// Something that may need doing, but did not fail: a JSON line where those are written.
    func warning(_ text: String, path: [UInt8]? = nil) {
        if form == .jsonLines {
            message("warning", ["message": .string(text)].merging(Self.pathMembers(path)) { first, _ in first })
        } else {
            say(mark("warning: ", .yellow) + text + (path.map { ": " + show($0) } ?? ""))
        }
    }

    /// Something that failed while the rest went on: a JSON line where those are written.
    func error(_ text: String, path: [UInt8]?, members: [String: JSONValue] = [:]) {
        if form == .jsonLines {
            var all = members.merging(Self.pathMembers(path)) { first, _ in first }
            all["message"] = .string(text)
            message("error", all)
        } else {
            say(mark("error: ", .red) + text + (path.map { ": " + show($0) } ?? ""))
        }
    }

    /// What the command ends with.
    func failure(_ error: StoreError, status: ExitStatus) {
        if isJSON {
            var members = Self.pathMembers(error.path)
            members["code"] = .integer(Int64(status.code))
            members["error"] = .string(error.code.description)
            members["message"] = .string(error.message)
            members["remedy"] = error.remedy.map { .string($0) } ?? .null
            message("exit_error", members)
        }
        say(mark("varve: ", .red) + safe(error.message) + (error.path.map { ": " + show($0) } ?? ""))
        if let remedy = error.remedy { say("       " + safe(remedy)) }
    }

    /// A path for people.
    func show(_ path: [UInt8]) -> String { HumanText.path(path, unicode: isUnicode) }

    /// Text of the argument parser, before there is an output to speak of.
    static func plain(_ text: String, toMessages: Bool) {
        _ = Array((text + "\n").utf8).withUnsafeBytes { send($0, to: toMessages ? 2 : 1) }
    }

    /// Text of others for people: on one line and without control characters.
    func safe(_ text: String) -> String { HumanText.text(text, unicode: isUnicode) }

    private func mark(_ text: String, _ style: Style) -> String {
        colorsMessages ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// `path`, and `path_base64` where it is not UTF-8.
    static func pathMembers(_ path: [UInt8]?) -> [String: JSONValue] {
        guard let path else { return [:] }
        if let text = String(validating: path, as: UTF8.self) { return ["path": .string(text)] }
        return [
            "path": .string(String(decoding: path, as: UTF8.self)),
            "path_base64": FileNameJSON.encode(path)["base64"] ?? .null,
        ]
    }

    private func say(_ text: String) {
        state.withLock { state in
            Self.flush(&state)
            let erase = state.hasProgress ? "\r\u{1B}[K" : ""
            state.hasProgress = false
            let bytes = Array((erase + text + "\n").utf8)
            _ = bytes.withUnsafeBytes { Self.send($0, to: 2) }
        }
    }

    /// A question for the terminal, without a line feed.
    func prompt(_ text: String) {
        state.withLock { state in
            Self.flush(&state)
            _ = Array(text.utf8).withUnsafeBytes { Self.send($0, to: 2) }
        }
    }

    // MARK: progress

    /// A line of progress that the next one replaces; nil erases it.
    func progress(_ text: String?) {
        state.withLock { state in
            guard text != nil || state.hasProgress else { return }
            state.hasProgress = text != nil
            let bytes = Array(("\r\u{1B}[K" + (text ?? "")).utf8)
            _ = bytes.withUnsafeBytes { Self.send($0, to: 2) }
        }
    }

    /// A line of progress of its own.
    func progressLine(_ text: String) { say(text) }
}
