import CSys
import Glibc
import Varve

/// Asks before something is overwritten or removed.
enum Confirmation {
    /// Shows what is going to happen and waits for `yes`.
    ///
    /// - Throws: `refused` for any other answer, and without a terminal.
    static func ask(_ question: String, _ context: Context) throws(StoreError) {
        if context.settings.answersYes { return }
        guard isatty(0) == 1, isatty(2) == 1 else {
            throw StoreError(
                .refused, "\(question) needs a confirmation and there is no terminal to ask on",
                remedy: "give --yes if you are sure, or --dry-run to see what it would do")
        }
        context.signals.asking(true)
        defer { context.signals.asking(false) }
        context.output.prompt("\(question)? Type yes to go on: ")
        var answer: [UInt8] = []
        var byte: UInt8 = 0
        while answer.count < 64, sys_read(0, &byte, 1) == 1, byte != UInt8(ascii: "\n") { answer.append(byte) }
        let word = String(decoding: answer, as: UTF8.self).lowercased()
        guard word == "yes" || word == "y" else {
            throw StoreError(.refused, "not confirmed", remedy: "nothing was changed")
        }
    }
}
