import CSys
import Synchronization
import Varve

/// A pipe to a program, of which this process writes one end.
final class PipeToProgram: Sendable {
    private struct Ends {
        var reader: Int32
        var writer: Int32
    }

    private let ends: Mutex<Ends>

    init() throws(StoreError) {
        var made: [Int32] = [-1, -1]
        try Syscalls.check(sys_pipe(&made), "make a pipe", nil)
        ends = Mutex(Ends(reader: made[0], writer: made[1]))
    }

    deinit {
        closeReader()
        closeWriter()
    }

    /// The end for the program; closed here once the program has it.
    var reader: Int32 { ends.withLock { $0.reader } }
    /// The end that is written, for a program that writes it.
    var writer: Int32 { ends.withLock { $0.writer } }

    /// Writes all bytes.
    ///
    /// - Throws: an error with EPIPE if the program has ended.
    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        let writer = ends.withLock { $0.writer }
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            done += try Syscalls.check(sys_write(writer, rest.baseAddress, rest.count), "write to a program", nil)
        }
    }

    func closeReader() {
        close(
            ends.withLock { ends in
                defer { ends.reader = -1 }
                return ends.reader
            })
    }

    func closeWriter() {
        close(
            ends.withLock { ends in
                defer { ends.writer = -1 }
                return ends.writer
            })
    }

    private func close(_ descriptor: Int32) {
        if descriptor >= 0 { _ = sys_close(descriptor) }
    }
}
