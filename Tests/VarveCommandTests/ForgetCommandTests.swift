import Testing
import Varve
import VarveFormat

@Suite("varve forget")
struct ForgetCommandTests {
    /// A repository with a snapshot of each of the days, at noon in UTC.
    private func prepare(_ days: [String]) throws -> Program {
        let program = try Program()
        try program.prepare()
        for day in days {
            let result = try program.run(["backup", "--time", day + "T12:00:00Z", "--host", "web1", "source"])
            #expect(result.status == 0, "\(result.messages)")
        }
        return program
    }

    private func listed(_ program: Program) throws -> [String] {
        let result = try program.run(["list", "--json"])
        let snapshots = try #require(try result.json.first?["snapshots"]?.arrayValue)
        return snapshots.compactMap { $0["time"]?.stringValue }.map { String($0.prefix(10)) }
    }

    @Test("what no rule keeps goes, with a reason for each, and nothing goes in a dry run")
    func drops() throws {
        let program = try prepare(["2025-03-01", "2025-03-02", "2025-03-03"])
        let rules = ["--keep-last", "1", "--keep-weekly", "2"]
        let look = try program.run(["forget", "--dry-run"] + rules)
        #expect(look.status == 0, "\(look.messages)")
        #expect(look.output.contains("web1, \(program.directory)/source: 2 of 3 kept"))
        #expect(look.output.contains("2025-03 \u{D7} \u{25CF} \u{25CF} \u{B7}"))
        #expect(look.output.contains("keep  last 1 of 1, weekly 2025-W10"))
        #expect(look.output.contains("drop  no rule keeps it"))
        #expect(look.output.contains("1 snapshot would be dropped, 2 kept"))
        #expect(try listed(program).count == 3)
        let done = try program.run(["cleanup", "--json"] + rules)
        #expect(done.status == 0, "\(done.messages)")
        let plan = try #require(try done.json.first)
        #expect(plan["kept"]?.integerValue == 2 && plan["dropped"]?.integerValue == 1)
        let decisions = try #require(plan["snapshots"]?.arrayValue)
        #expect(decisions.map { $0["keep"]?.boolValue } == [true, true, false])
        #expect(decisions.last?["reasons"]?.arrayValue?.compactMap(\.stringValue) == ["no rule keeps it"])
        #expect(try listed(program) == ["2025-03-03", "2025-03-02"])
        let again = try program.run(["forget"] + rules)
        #expect(again.output == "0 snapshots dropped, 2 kept\n")
    }

    @Test("the calendar is ASCII where nothing else can be shown, and counts days of local time")
    func plain() throws {
        let program = try prepare(["2025-03-01"])
        let environment = ["LC_ALL": "C", "TZ": "Pacific/Kiritimati"]
        let look = try program.run(["forget", "-n", "--keep-daily", "90d"], environment: environment)
        #expect(look.output.contains("2025-03 . # . "))
        #expect(look.output.contains("daily 2025-03-02"))
        #expect(look.output.utf8.allSatisfy { $0 < 0x80 })
    }

    @Test("only what the filters name is looked at")
    func filters() throws {
        let program = try prepare(["2025-03-01", "2025-03-02"])
        let other = try program.run(["backup", "--host", "web2", "--tag", "mine", "source"])
        #expect(other.status == 0, "\(other.messages)")
        let result = try program.run(["forget", "--host", "web2", "--keep-last", "1"])
        #expect(result.output == "0 snapshots dropped, 1 kept\n")
        let nothing = try program.run(["forget", "--tag", "absent", "--keep-last", "1"])
        #expect(nothing.output == "0 snapshots dropped, 0 kept\n")
        #expect(try listed(program).count == 3)
    }

    @Test("no rule, and a rule that makes no sense, are usage errors that name the option")
    func usage() throws {
        let program = try prepare([])
        for arguments in [[], ["--keep-daily", "x"], ["--max-size", "x"], ["--group-by", "x"], ["--max-drop", "x"]] {
            let result = try program.run(["forget"] + arguments)
            #expect(result.status == 2, "\(arguments)")
            #expect(result.messages.contains(arguments.first ?? "--keep-daily"), "\(result.messages)")
        }
    }

    @Test("too large a share is refused, and the dry run says so before")
    func shrinks() throws {
        let program = try prepare(["2025-03-01", "2025-03-02", "2025-03-03"])
        let rules = ["--keep-last", "1", "--max-drop", "50%"]
        let look = try program.run(["forget", "-n"] + rules)
        #expect(look.status == 0)
        #expect(look.messages.contains("2 of 3 snapshots would go"))
        let refused = try program.run(["forget"] + rules)
        #expect(refused.status == 5)
        #expect(refused.messages.contains("--max-drop 100%"))
        #expect(try listed(program).count == 3)
        #expect(try program.run(["forget", "--keep-last", "1", "--max-drop", "100%"]).status == 0)
        #expect(try listed(program) == ["2025-03-03"])
    }
}
