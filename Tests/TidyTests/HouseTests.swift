import Testing

@Suite("The house keeps its walls")
struct HouseTests {
    @Test("There are files to look at")
    func finds() {
        #expect(House.texts.contains { $0.path == "Package.swift" })
        #expect(House.texts.contains { $0.target == "Varve" })
    }

    @Test("Arrows between the floors point downwards")
    func imports() { holds(Walls.imports) }

    @Test("No file is longer than 400 lines")
    func fileLength() { holds(Walls.fileLength) }

    @Test("No function is longer than 70 lines")
    func functionLength() { holds(Walls.functionLength) }

    @Test("No line is wider than 120 columns")
    func lineLength() { holds(Walls.lineLength) }

    @Test("Only Output.swift prints")
    func printing() { holds(Walls.printing) }

    @Test("No reminder is left over")
    func reminders() { holds(Walls.reminders) }

    @Test("Every public symbol has a documentation comment")
    func publicComments() { holds(Walls.publicComments) }

    @Test("Nothing in the sources is forced or traps")
    func traps() { holds(Walls.traps) }

    @Test("No test reaches around access control")
    func testable() { holds(Walls.testable) }

    @Test("No path of a machine stands anywhere")
    func machinePaths() { holds(Walls.machinePaths) }

    @Test("Nothing is tracked that a build makes")
    func tracked() { #expect(Walls.tracked(House.files).isEmpty, "\(Walls.tracked(House.files))") }

    private func holds(_ wall: (SourceFile) -> [Breach]) {
        let breaches = House.texts.flatMap(wall)
        #expect(breaches.isEmpty, "\(breaches.map(\.description).joined(separator: "\n"))")
    }
}
