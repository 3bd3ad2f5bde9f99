import CSys
import Glibc
import Synchronization
import Varve
import VarveFormat

/// Shows what a running verb does: one line that is rewritten on a terminal, plain lines elsewhere, `status` messages
/// in JSON.
final class ProgressLine: Sendable {
    private enum Mode {
        case none, rewritten, lines, json
    }

    /// How often lines that stay are written, where `VARVE_PROGRESS_FPS` says nothing else.
    private static let calmInterval = 5.0
    private static let lineWidth = 120

    private let output: Output
    private let progress: Progress
    private let started = ContinuousClock.now
    private let mode: Mode
    /// Milliseconds between looks.
    private let interval: Int32
    /// Closing the second end stops the thread.
    private let ends: [Int32]
    private let thread: BackgroundThread?

    /// - Throws: `usage` if VARVE_PROGRESS_FPS makes no sense.
    init(_ progress: Progress, _ output: Output, _ options: GlobalOptions, _ environment: Environment)
        throws(StoreError)
    {
        self.output = output
        self.progress = progress
        let rate = try environment.value(.progressRate, "a number from 0 to 60") { text in
            Double(text).flatMap { (0...60).contains($0) ? $0 : nil }
        }
        let isTerminal = isatty(2) == 1
        if options.noProgress || rate == 0 || (options.quiet && !options.progress) {
            mode = .none
        } else if output.form == .jsonLines {
            mode = options.progress ? .json : .none
        } else if isTerminal, environment[.terminal] != "dumb" {
            mode = .rewritten
        } else {
            mode = options.progress ? .lines : .none
        }
        let seconds = rate.map { 1 / $0 } ?? (mode == .rewritten ? 0.1 : mode == .json ? 1 : Self.calmInterval)
        interval = Int32(max(16, min(seconds, 3600) * 1000))
        var ends: [Int32] = [-1, -1]
        guard mode != .none, sys_pipe(&ends) == 0 else {
            self.ends = []
            thread = nil
            return
        }
        self.ends = ends
        let show = { @Sendable [mode, started, output, progress] in
            Self.show(mode, progress.read(), since: started, output)
        }
        let (reader, interval) = (ends[0], interval)
        thread = try BackgroundThread { while sys_wait_readable(reader, interval) == 0 { show() } }
    }

    /// Stops showing and erases the line.
    func stop() {
        guard let thread else { return }
        _ = sys_close(ends[1])
        thread.join()
        _ = sys_close(ends[0])
        output.progress(nil)
    }

    /// One line of status now, whatever the mode (SIGUSR1).
    func showStatus() { output.progressLine(Self.text(progress.read(), since: started, output)) }

    private static func show(
        _ mode: Mode, _ values: Progress.Values, since start: ContinuousClock.Instant, _ output: Output
    ) {
        switch mode {
        case .none: break
        case .rewritten:
            let columns = Int(sys_terminal_columns(2))
            let text = text(values, since: start, output)
            output.progress(DisplayWidth.cut(text, to: (columns > 20 ? columns : 80) - 1, ellipsis: output.ellipsis))
        case .lines:
            output.progressLine(DisplayWidth.cut(text(values, since: start, output), to: lineWidth, ellipsis: "..."))
        case .json:
            var members = Output.pathMembers(values.currentPath.isEmpty ? nil : values.currentPath)
            members["phase"] = .string(values.phase)
            members["files_done"] = .integer(Int64(values.filesDone))
            members["files_total"] = values.filesTotal.map { .integer(Int64($0)) } ?? .null
            members["bytes_done"] = .integer(Int64(clamping: values.bytesDone))
            members["bytes_total"] = values.bytesTotal.map { .integer(Int64(clamping: $0)) } ?? .null
            members["errors"] = .integer(Int64(values.errors))
            members["seconds_elapsed"] = .number(elapsed(since: start))
            members["seconds_left"] = timeLeft(values, elapsed(since: start)).map { .number($0.rounded()) } ?? .null
            output.message("status", members)
        }
    }

    private static func elapsed(since start: ContinuousClock.Instant) -> Double {
        let parts = (ContinuousClock.now - start).components
        return Double(parts.seconds) + (Double(parts.attoseconds) / 1e15).rounded() / 1000
    }

    private static func timeLeft(_ values: Progress.Values, _ elapsed: Double) -> Double? {
        guard let total = values.bytesTotal, values.bytesDone > 0, total > values.bytesDone, elapsed > 1 else {
            return nil
        }
        return elapsed * Double(total - values.bytesDone) / Double(values.bytesDone)
    }

    private static func text(
        _ values: Progress.Values, since start: ContinuousClock.Instant, _ output: Output
    ) -> String {
        let seconds = elapsed(since: start)
        var parts = ["[\(HumanText.duration(seconds))]"]
        if !values.phase.isEmpty { parts.append(values.phase) }
        if let total = values.bytesTotal, total > 0 {
            parts.append(HumanText.percent(Double(min(values.bytesDone, total)), of: Double(total)))
        }
        parts.append(HumanText.count(values.filesDone, "file"))
        parts.append(HumanText.size(values.bytesDone))
        if seconds > 0.5 { parts.append(HumanText.size(UInt64(Double(values.bytesDone) / seconds)) + "/s") }
        if let left = timeLeft(values, seconds) { parts.append(HumanText.duration(left) + " left") }
        if values.errors > 0 { parts.append(HumanText.count(values.errors, "error")) }
        if !values.currentPath.isEmpty { parts.append(output.show(values.currentPath)) }
        return parts.joined(separator: "  ")
    }
}
