import Testing
import Varve
import VarveFormat

@Suite struct SessionExpiryTests {
    private let now = Timestamp(seconds: 1_750_000_000)

    /// A repository with a session of another host, and this machine's memory.
    private func scene() throws -> (
        backend: MemoryBackend, memory: ClientMemory, directory: TemporaryDirectory, id: String
    ) {
        let backend = MemoryBackend()
        try backend.createLayout(directories: ["condemned", "sessions"])
        let id = String(repeating: "7", count: 32)
        let info = SessionInfo(
            kind: .writer, host: "elsewhere", bootID: "boot", pidNamespace: "pid:[1]", pid: 1, startTime: 2,
            program: "test")
        try backend.makeDirectory("sessions/\(id)")
        try backend.putIfAbsent("sessions/\(id)/info", info.encode(), session: nil)
        try backend.replace("sessions/\(id)/beat", SessionBeat.encode(5))
        let directory = try TemporaryDirectory()
        let memory = try #require(
            ClientMemory(directory: directory.path, repository: RepositoryID(1, 2), location: "here"))
        return (backend, memory, directory, id)
    }

    private func end(_ backend: MemoryBackend, _ memory: ClientMemory?, after seconds: Int64) throws -> Int {
        let time = Timestamp(seconds: now.seconds + seconds, nanoseconds: 0)
        return try SessionExpiry.endSilent(on: backend, memory: memory, now: time).count
    }

    @Test("A session is ended when its beat is the same as a day ago")
    func silent() throws {
        let (backend, memory, directory, _) = try scene()
        defer { withExtendedLifetime(directory) {} }
        #expect(try end(backend, memory, after: 0) == 0)
        #expect(try end(backend, memory, after: 86_399) == 0)
        #expect(try end(backend, memory, after: 86_400) == 1)
        #expect(try backend.list("sessions").isEmpty)
    }

    @Test("One that beats is not, however seldom anybody looks")
    func beating() throws {
        let (backend, memory, directory, id) = try scene()
        defer { withExtendedLifetime(directory) {} }
        for day in 0..<5 {
            try backend.replace("sessions/\(id)/beat", SessionBeat.encode(UInt64(10 + day)))
            #expect(try end(backend, memory, after: Int64(day) * 200_000) == 0)
        }
    }

    @Test("A clock that goes back begins to count anew, and without a memory nobody is judged")
    func clock() throws {
        let (backend, memory, directory, _) = try scene()
        defer { withExtendedLifetime(directory) {} }
        #expect(try end(backend, memory, after: 1_000_000) == 0)
        #expect(try end(backend, memory, after: 0) == 0)
        #expect(try end(backend, memory, after: 80_000) == 0)
        #expect(try end(backend, nil, after: 10_000_000) == 0)
        #expect(try end(backend, memory, after: 90_000) == 1)
    }
}
