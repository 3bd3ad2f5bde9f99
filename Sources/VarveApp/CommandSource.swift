package import Varve

/// A command whose output is captured as one file. If it fails there is no snapshot: half a dump looks whole.
package enum CommandSource {
    /// Starts a command and hands out its output as a stream.
    ///
    /// - Parameters:
    ///   - path: absolute path that the output gets in the snapshot.
    ///   - arguments: the command and its arguments; no shell is involved.
    /// - Throws: the error of starting it.
    package static func start(
        path: [UInt8], arguments: [[UInt8]]
    ) throws(StoreError) -> (stream: Archiver.Stream, process: ChildProcess) {
        let process = try ChildProcess(arguments)
        let stream = Archiver.Stream(path: path, descriptor: process.descriptor) { () throws(StoreError) in
            try process.finish()
        }
        return (stream, process)
    }
}
