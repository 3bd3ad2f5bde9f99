import CSys
import Glibc
import Synchronization
import Varve
import VarveApp

/// Where passwords and key files come from: options first, then the environment, then the terminal.
struct Passwords {
    private let options: GlobalOptions
    private let environment: Environment
    private let signals: Signals

    private static let keyFileSize = 32
    private static let passwordLimit = 64 << 10

    init(_ options: GlobalOptions, _ environment: Environment, _ signals: Signals) {
        self.options = options
        self.environment = environment
        self.signals = signals
    }

    /// Where a secret is to be taken from.
    enum Source {
        case passwordFile(String)
        case passwordCommand(String)
        case password(String)
    }

    /// The source of the password and the key file, from the options or, if they name none, from the environment.
    ///
    /// - Throws: `usage` for two sources of a password on one level.
    func sources() throws(StoreError) -> (password: Source?, keyFile: String?) {
        if options.passwordFile != nil, options.passwordCommand != nil {
            throw StoreError(.usage, "--password-file and --password-command were both given", remedy: "give one")
        }
        if let file = options.passwordFile { return (.passwordFile(file), options.keyFile) }
        if let command = options.passwordCommand { return (.passwordCommand(command), options.keyFile) }
        if let file = options.keyFile { return (nil, file) }
        let keyFile = environment[.keyFile]
        if let password = environment[.password] { return (.password(password), keyFile) }
        if let file = environment[.passwordFile] { return (.passwordFile(file), keyFile) }
        if let command = environment[.passwordCommand] { return (.passwordCommand(command), keyFile) }
        return (nil, keyFile)
    }

    /// The secrets to open a repository with; empty if none is configured.
    func secrets() throws(StoreError) -> [RepositorySecret] {
        let (password, keyFile) = try sources()
        var secrets: [RepositorySecret] = []
        if let keyFile { secrets.append(.keyFile(try Self.readKeyFile(keyFile))) }
        if let password { secrets.append(.password(try read(password))) }
        return secrets
    }

    // MARK: passwords

    /// The password of a source: its first line, without the line feed.
    func read(_ source: Source) throws(StoreError) -> SecretBytes {
        switch source {
        case .password(let text):
            return try Self.password(from: ArgumentBytes.bytes(text), "VARVE_PASSWORD")
        case .passwordFile(let file):
            let path = ArgumentBytes.bytes(file)
            return try Self.password(from: try DescriptorReader.readFile(path, limit: Self.passwordLimit), file)
        case .passwordCommand(let command):
            let arguments = ["/bin/sh", "-c", command].map(ArgumentBytes.bytes)
            do throws(StoreError) {
                // It is in the group of this process, so that it can ask on the terminal: a signal has to end it too.
                let running = RunningCommand()
                signals.setRestore { running.end() }
                defer { signals.setRestore(nil) }
                let process = try running.start(arguments)
                return try Self.password(
                    from: try process.readAll(limit: Self.passwordLimit), "the password command")
            } catch {
                throw StoreError(error.code, "the password command failed: \(error.message)", remedy: error.remedy)
            }
        }
    }

    private static func password(from input: [UInt8], _ origin: String) throws(StoreError) -> SecretBytes {
        var input = input
        defer { SecretBytes.wipe(&input) }
        var line = Array(input.prefix { $0 != UInt8(ascii: "\n") })
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        guard !line.isEmpty else { throw StoreError(.usage, "the password is empty", path: origin) }
        return SecretBytes(taking: &line)
    }

    /// Asks on the terminal.
    ///
    /// - Parameter twice: ask again, and refuse if the answers differ.
    /// - Throws: `wrongKey` without a terminal.
    func ask(_ question: String, twice: Bool) throws(StoreError) -> SecretBytes {
        let terminal: PasswordTerminal
        do throws(StoreError) {
            terminal = try PasswordTerminal(signals)
        } catch {
            throw StoreError(
                .wrongKey, "a password or key is needed, none was given, and there is no terminal to ask on",
                remedy: "use --key-file, --password-file, --password-command or their variables")
        }
        defer { terminal.close() }
        let first = try terminal.ask(question)
        guard twice else { return first }
        let second = try terminal.ask("Again: ")
        let isSame = first.withUnsafeBytes { left in second.withUnsafeBytes { left.elementsEqual($0) } }
        guard isSame else { throw StoreError(.usage, "the passwords differ", remedy: "run it again") }
        return first
    }

    // MARK: key files

    /// Reads a key file.
    ///
    /// - Throws: `usage` if it does not hold 32 bytes.
    static func readKeyFile(_ file: String) throws(StoreError) -> SecretBytes {
        var bytes = try DescriptorReader.readFile(ArgumentBytes.bytes(file), limit: 1 << 20)
        guard bytes.count == keyFileSize else {
            let count = bytes.count
            SecretBytes.wipe(&bytes)
            throw StoreError(
                .usage, "a key file holds \(keyFileSize) bytes and this one \(count)",
                path: ArgumentBytes.bytes(file), remedy: "name the file that varve init --key-file made")
        }
        return SecretBytes(taking: &bytes)
    }

    /// Reads a key file, or makes one of random bytes, with mode 0600, if there is none.
    static func readOrMakeKeyFile(_ file: String) throws(StoreError) -> (key: SecretBytes, isNew: Bool) {
        let path = ArgumentBytes.bytes(file)
        let descriptor: Int32
        do throws(StoreError) {
            descriptor = try Syscalls.open(path, flags: SYS_O_WRONLY | SYS_O_CREAT | SYS_O_EXCL, mode: 0o600)
        } catch {
            if error.code == .exists { return (try readKeyFile(file), false) }
            throw error
        }
        defer { _ = sys_close(descriptor) }
        var bytes = try Syscalls.randomBytes(keyFileSize)
        let count = bytes.withUnsafeBytes { sys_write(descriptor, $0.baseAddress, $0.count) }
        try Syscalls.check(count, "write the key file", path)
        guard count == keyFileSize else { throw StoreError(.noSpace, "the key file was cut short", path: path) }
        try Syscalls.check(sys_fsync(descriptor), "write the key file", path)
        return (SecretBytes(taking: &bytes), true)
    }
}

/// A command that a signal ends, whenever it comes.
private final class RunningCommand: Sendable {
    private let process = Mutex<ChildProcess?>(nil)

    func start(_ arguments: [[UInt8]]) throws(StoreError) -> ChildProcess {
        try process.withLock { (process) throws(StoreError) in
            let started = try ChildProcess(arguments)
            process = started
            return started
        }
    }

    func end() { process.withLock { $0?.terminate() } }
}

/// The terminal of the process, asked for a password without echo. A signal restores it.
private struct PasswordTerminal {
    private let descriptor: Int32
    private let signals: Signals

    init(_ signals: Signals) throws(StoreError) {
        descriptor = try Syscalls.open(Array("/dev/tty".utf8), flags: SYS_O_RDWR | SYS_O_NOCTTY)
        self.signals = signals
    }

    func close() { _ = sys_close(descriptor) }

    func ask(_ question: String) throws(StoreError) -> SecretBytes {
        var former = termios()
        try Syscalls.check(sys_terminal_hide(descriptor, &former), "hide what is typed", nil)
        let restore = { @Sendable [descriptor, former] in
            var state = former
            _ = sys_terminal_restore(descriptor, &state)
        }
        signals.setRestore(restore)
        defer {
            restore()
            signals.setRestore(nil)
            show("\n")
        }
        show(question)
        var line = try readLine()
        guard !line.isEmpty else { throw StoreError(.usage, "the password is empty") }
        return SecretBytes(taking: &line)
    }

    private func show(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { sys_write(descriptor, $0.baseAddress, $0.count) }
    }

    private func readLine() throws(StoreError) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(1024)
        var byte: UInt8 = 0
        while line.count < 1024 {
            let count = sys_read(descriptor, &byte, 1)
            try Syscalls.check(count, "read from the terminal", nil)
            if count == 0 || byte == UInt8(ascii: "\n") { break }
            line.append(byte)
        }
        return line
    }
}
