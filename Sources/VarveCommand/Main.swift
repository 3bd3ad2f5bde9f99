import ArgumentParser
import Glibc
import Varve
import VarveFormat

@main
struct VarveTool: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "varve")
    @Argument var words: [String] = []
    @Flag var quick = false
    func run() throws {
        let key = SecretBytes(copying: [UInt8](repeating: 7, count: 32).withUnsafeBytes { UnsafeRawBufferPointer($0) })
        var open = Repository.OpenOptions()
        open.cacheDirectory = words[1] + ".cache"
        if words[0] == "init" {
            var options = Repository.CreateOptions()
            options.secret = .keyFile(key)
            _ = try Repository.create(at: words[1], options: options, openOptions: open)
            return
        }
        open.secrets = [.keyFile(key)]
        let repository = try Repository.open(at: words[1], options: open)
        if words[0] == "backup" {
            var options = Archiver.Options()
            options.paths = [Array(words[2].utf8)]
            options.host = "h"
            options.kind = quick ? .quick : .full
            let report = try Archiver(repository: repository, options: options, progress: Progress()).run()
            print(String(decoding: report.manifest.encode(), as: UTF8.self))
            for error in report.errors { print(error) }
        }
    }
}
