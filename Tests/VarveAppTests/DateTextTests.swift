import Testing
import Varve
import VarveApp
import VarveFormat

@Suite("Dates as people write them")
struct DateTextTests {
    @Test("a time with a zone is that moment")
    func zones() throws {
        let moment = try DateText("2025-06-16T15:06:40.5Z")
        #expect(moment.start == Timestamp(seconds: 1_750_086_400, nanoseconds: 500_000_000))
        #expect(moment.start == moment.end)
        #expect(try DateText("2025-06-16T15:06:40+00:00").start.seconds == 1_750_086_400)
        #expect(try DateText("2025-06-16T08:06:40-0700").start.seconds == 1_750_086_400)
    }

    @Test("a date alone is its whole day in local time")
    func days() throws {
        let day = try DateText("2025-06-16")
        let next = try DateText("2025-06-17")
        #expect(next.start.seconds - day.end.seconds == 1)
        #expect(LocalTime.text(day.start) == "2025-06-16 00:00:00")
        #expect(LocalTime.text(day.end) == "2025-06-16 23:59:59")
    }

    @Test("a local time reads back as itself")
    func local() throws {
        #expect(LocalTime.text(try DateText("1999-12-31T23:59:58").start) == "1999-12-31 23:59:58")
        #expect(LocalTime.text(try DateText("2024-02-29 12:00").start) == "2024-02-29 12:00:00")
    }

    @Test(
        "what is no date is refused",
        arguments: [
            "", "today", "2025-13-01", "2025-02-29", "2025-1-1", "2025-06-16T", "2025-06-16T24:00", "2025-06-16T12",
            "2025-06-16T12:60", "2025-06-16T12:00+25:00", "2025-06-16 ",
        ])
    func refused(_ text: String) {
        #expect(throws: StoreError.self) { try DateText(text) }
    }
}
