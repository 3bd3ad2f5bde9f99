import Varve
import VarveApp
import VarveFormat

/// Shows a retention plan: for each group its calendar and what happens to each snapshot.
struct RetentionView {
    let output: Output
    let calendar: RetentionCalendar

    func show(_ plan: RetentionPlan) {
        let marks = output.isUnicode ? KeepCalendar.Marks.unicode : .ascii
        for group in plan.groups {
            let kept = group.decisions.count { $0.keeps }
            output.line(output.styled("\(name(group.key)): \(kept) of \(group.decisions.count) kept", .bold))
            output.line("")
            for line in KeepCalendar(group.decisions, calendar).lines(marks) { output.line(line) }
            output.line("")
            output.table(table(group.decisions))
            output.line("")
        }
        if !plan.groups.isEmpty { output.line(KeepCalendar.legend(marks)) }
    }

    private func name(_ key: RetentionGroupKey) -> String {
        var parts: [String] = []
        if let host = key.host { parts.append(output.safe(host)) }
        if let job = key.job, !job.isEmpty { parts.append("job " + output.safe(job)) }
        if let tags = key.tags, !tags.isEmpty { parts.append("tags " + output.safe(tags.joined(separator: " "))) }
        if let paths = key.paths, !paths.isEmpty { parts.append(SourcePaths.summary(paths, output.show)) }
        return parts.isEmpty ? "all snapshots" : parts.joined(separator: ", ")
    }

    private func table(_ decisions: [RetentionDecision]) -> Table {
        var table = Table([.init(title: "ID"), .init(title: "TIME"), .init(title: ""), .init(title: "REASONS")])
        // What is left of the line beside id, time and verdict.
        let room = output.width.map { max(20, $0 - 34) }
        for decision in decisions {
            let lines = Self.wrapped(decision.reasons.map(output.safe), room)
            table.add([
                String(decision.id.hex.prefix(8)), String(LocalTime.text(decision.time).prefix(16)),
                decision.keeps ? "keep" : "drop", lines[0],
            ])
            for line in lines.dropFirst() { table.add(["", "", "", line]) }
        }
        return table
    }

    /// Reasons one after the other, in lines of at most `room` columns where they fit at all.
    private static func wrapped(_ reasons: [String], _ room: Int?) -> [String] {
        var lines = [""]
        for (index, reason) in reasons.enumerated() {
            let text = reason + (index < reasons.count - 1 ? "," : "")
            let last = lines[lines.count - 1]
            if last.isEmpty {
                lines[lines.count - 1] = text
            } else if let room, DisplayWidth.of(last) + 1 + DisplayWidth.of(text) > room {
                lines.append(text)
            } else {
                lines[lines.count - 1] = last + " " + text
            }
        }
        return lines
    }
}
