import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct DoctorCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Check the machine and the repository for what keeps backups from working.",
        discussion: """
            It changes nothing. With a repository it is opened, so a password or key is
            needed. What a repository holds is proven by varve verify.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        var doctor = Doctor(cacheDirectory: context.settings.cacheDirectory)
        doctor.examineMachine()
        if context.settings.repository != nil {
            do throws(StoreError) {
                doctor.examine(try context.openRepository())
            } catch {
                if error.code == .usage { throw error }
                doctor.fail(error)
            }
        }
        show(doctor.checks, context.output)
        if context.settings.repository == nil {
            context.output.note("no repository was named: only the machine was checked")
        }
        let statuses = doctor.checks.filter { $0.result == .failed }.map { check in
            check.error.map { ExitStatus($0.code) } ?? .failed
        }
        return ExitStatus.worst(statuses)
    }

    private func show(_ checks: [Doctor.Check], _ output: Output) {
        if output.isJSON {
            let list = checks.map { check in
                JSONValue.object([
                    "check": .string(check.name), "result": .string(check.result.rawValue),
                    "message": .string(check.message), "remedy": SnapshotJSON.text(check.remedy),
                ])
            }
            output.json(["checks": .array(list)])
            return
        }
        for check in checks {
            let mark =
                switch check.result {
                case .ok: output.styled("ok     ", .green)
                case .warning: output.styled("warning", .yellow)
                case .failed: output.styled("FAILED ", .red)
                }
            output.line("\(mark)  \(check.name): \(output.safe(check.message))")
            if let remedy = check.remedy { output.line("         \(output.safe(remedy))") }
        }
    }
}
