import CSys
import Glibc
import Testing
import Varve
import VarveApp

@Suite("Programs that are watched")
struct SupervisedProcessTests {
    private func run(
        _ line: String, timeout: Int64? = nil
    ) throws -> (outcome: SupervisedProcess.Outcome, messages: String) {
        var plan = SupervisedProcess.Plan(shell: line)
        plan.timeout = timeout
        let process = try SupervisedProcess(plan)
        return (process.wait(), process.messages)
    }

    @Test("exit status, signals and what was said on both streams are told")
    func outcomes() throws {
        #expect(try run("exit 0").outcome == .exited(0))
        let failed = try run("echo out; echo err >&2; exit 7")
        #expect(failed.outcome == .exited(7))
        #expect(failed.messages == "out\nerr")
        #expect(try run("kill -KILL $$").outcome == .ended(signal: 9))
    }

    @Test("when its time is over, a program goes with everything that it started, even if it does not listen")
    func timeout() throws {
        var plan = SupervisedProcess.Plan(shell: "trap '' TERM; sleep 1000 & sleep 1000")
        plan.timeout = 0
        plan.patience = 0
        plan.handsOutOutput = true
        let process = try SupervisedProcess(plan)
        #expect(process.wait() == .timedOut)
        // The pipe ends only when nobody is left who could write to it.
        #expect(try DescriptorReader.readAll(process.output, limit: 100).isEmpty)
    }

    @Test("a cancelled progress ends a program")
    func cancelled() throws {
        let progress = Progress()
        let process = try SupervisedProcess(.init(shell: "sleep 1000"))
        progress.cancel()
        #expect(process.wait(progress) == .cancelled)
    }

    @Test("a program that leaves another behind has ended when it has ended")
    func background() throws {
        let left = try run("sleep 1000 & echo $!")
        #expect(left.outcome == .exited(0))
        let child = try #require(Int32(left.messages))
        #expect(kill(child, SIGKILL) == 0)
    }

    @Test("only the end of endless messages is kept")
    func messages() throws {
        let spoken = try run("yes | head -c 1000000; echo end")
        #expect(spoken.outcome == .exited(0))
        #expect(spoken.messages.hasPrefix("... ") && spoken.messages.hasSuffix("end"))
        #expect(spoken.messages.utf8.count <= SupervisedProcess.messageLimit + 4)
    }

    @Test("a hook gets its variables and directory, and nothing on standard input")
    func surroundings() throws {
        let runner = HookRunner(
            hooks: ["before_backup": "pwd; echo $VARVE_HOOK $VARVE_JOB; cat"],
            directory: Array("/usr/lib".utf8), variables: ["VARVE_JOB": "nightly"])
        let said = try runner.run(.beforeBackup, progress: nil)
        #expect(said == "/usr/lib\nbefore_backup nightly")
        #expect(try runner.run(.afterBackup, progress: nil) == nil)
    }

    @Test("a hook that fails or hangs is an error with its name, its end and what it said")
    func failures() {
        func error(_ line: String, _ timeout: String = "10m") -> StoreError? {
            let hooks = ["after_backup": line, "timeout": timeout]
            let runner = HookRunner(hooks: hooks, directory: [UInt8(ascii: "/")], variables: [:])
            return #expect(throws: StoreError.self) { try runner.run(.afterBackup, progress: nil) }
        }
        let failed = error("echo no room >&2; exit 9")
        #expect(failed?.message == "the after_backup hook exited with status 9: no room")
        #expect(failed?.code == .failed)
        #expect(error("sleep 1000", "0")?.message.contains("did not end within") == true)
        #expect(error("no-such-program-anywhere")?.message.contains("was not found") == true)
    }
}
