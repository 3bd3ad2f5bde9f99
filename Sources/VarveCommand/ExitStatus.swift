import Varve

/// What the process ends with: the one table from failures to numbers (docs: the exit codes of the README).
struct ExitStatus: Hashable, Sendable {
    let code: Int32

    static let ok = ExitStatus(code: 0)
    static let failed = ExitStatus(code: 1)
    static let usage = ExitStatus(code: 2)
    /// Finished, but something could not be read or written completely.
    static let partial = ExitStatus(code: 3)
    static let damage = ExitStatus(code: 4)
    static let refused = ExitStatus(code: 5)
    static let noRepository = ExitStatus(code: 10)
    static let busy = ExitStatus(code: 11)
    static let wrongKey = ExitStatus(code: 12)
    static let notFound = ExitStatus(code: 13)
    static let noSpace = ExitStatus(code: 14)
    static let interrupted = ExitStatus(code: 130)
    static let terminated = ExitStatus(code: 143)
    /// The reader of standard output is gone; what a shell reports of a process that SIGPIPE ended.
    static let brokenPipe = ExitStatus(code: 141)

    /// What `status --nagios` ends with.
    static let monitoringWarning = ExitStatus(code: 1)
    static let monitoringCritical = ExitStatus(code: 2)
    static let monitoringUnknown = ExitStatus(code: 3)

    /// The status of an error.
    init(_ code: StoreError.Code) {
        self =
            switch code {
            case .usage: .usage
            case .damaged, .missing: .damage
            case .refused: .refused
            case .noRepository: .noRepository
            case .busy, .sessionLost: .busy
            case .wrongKey: .wrongKey
            case .notFound, .ambiguous: .notFound
            case .noSpace: .noSpace
            case .interrupted: .interrupted
            default: .failed
            }
    }

    private init(code: Int32) { self.code = code }

    /// The status that another command ended with.
    init(ofCommand code: Int32) { self.code = code }

    /// Where several apply, the first of these wins.
    private static let precedence: [ExitStatus] = [
        .interrupted, .terminated, .noSpace, .damage, .wrongKey, .partial, .refused, .failed,
    ]

    /// The one status for everything that went wrong; `ok` if nothing did.
    static func worst(_ statuses: [ExitStatus]) -> ExitStatus {
        precedence.first { statuses.contains($0) } ?? statuses.first { $0 != .ok } ?? .ok
    }
}
