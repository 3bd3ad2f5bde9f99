package import Varve
import VarveFormat

/// What a retention plan keeps and drops, as a calendar: a row a month, two columns a day, at most 80 columns.
package struct KeepCalendar {
    /// The marks of days.
    package struct Marks {
        /// Something of that day stays.
        package let kept: Character
        /// All of that day go.
        package let dropped: Character
        /// There is nothing of that day.
        package let none: Character

        package static let ascii = Marks(kept: "#", dropped: "x", none: ".")
        package static let unicode = Marks(kept: "\u{25CF}", dropped: "\u{00D7}", none: "\u{00B7}")
    }

    private struct Month {
        var days: [(kept: Int, dropped: Int)]
        var kept: Int { days.reduce(0) { $0 + $1.kept } }
        var dropped: Int { days.reduce(0) { $0 + $1.dropped } }
    }

    /// By the days since 1970 of their first day.
    private var months: [Int64: Month] = [:]

    /// - Parameter calendar: the local time that says which day a snapshot is of.
    package init(_ decisions: [RetentionDecision], _ calendar: RetentionCalendar) {
        for decision in decisions {
            let local = decision.time.seconds + calendar.offset(decision.time.seconds)
            let date = CivilDate(daysSince1970: local / 86_400 - (local % 86_400 < 0 ? 1 : 0))
            let first = CivilDate(year: date.year, month: date.month, day: 1).daysSince1970
            let day = Int(date.day) - 1
            let length = Int(CivilDate.dayCount(year: date.year, month: date.month))
            var month = months[first] ?? Month(days: Array(repeating: (0, 0), count: length))
            if decision.keeps { month.days[day].kept += 1 } else { month.days[day].dropped += 1 }
            months[first] = month
        }
    }

    /// The lines, the newest month first; months without snapshots are left out. The first line is the heading.
    package func lines(_ marks: Marks) -> [String] {
        [Self.heading] + months.sorted { $0.key > $1.key }.map { Self.row($0.key, $0.value, marks) }
    }

    /// What the marks mean.
    package static func legend(_ marks: Marks) -> String {
        "\(marks.kept) kept   \(marks.dropped) all dropped   \(marks.none) none"
    }

    private static let heading: String = {
        var line = String(repeating: " ", count: 7)
        for day in 1...31 { line += day == 1 || day % 5 == 0 ? padded(String(day), 2) : "  " }
        return line + padded("kept", 5) + padded("drop", 6)
    }()

    private static func row(_ first: Int64, _ month: Month, _ marks: Marks) -> String {
        let date = CivilDate(daysSince1970: first)
        var line = "\(date.year)-\(date.month < 10 ? "0" : "")\(date.month)"
        for day in 0..<31 {
            line += " "
            if day < month.days.count {
                let (kept, dropped) = month.days[day]
                line.append(kept > 0 ? marks.kept : dropped > 0 ? marks.dropped : marks.none)
            } else {
                line += " "
            }
        }
        return line + padded(String(month.kept), 5) + padded(String(month.dropped), 6)
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
