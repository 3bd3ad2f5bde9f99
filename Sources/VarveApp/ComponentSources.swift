package import Varve
import VarveFormat

/// How components of one kind are captured. To add a kind: conform a type, and name it in `ComponentSources`.
package protocol ComponentSource: Sendable {
    /// Adds what a component consists of to a capture.
    ///
    /// - Throws: `usage` for what cannot be captured as it is configured.
    func add(_ component: Configuration.Component, to plan: inout CapturePlan) throws(StoreError)
}

/// Which kinds this program can capture.
package enum ComponentSources {
    /// What captures a kind; nil for a kind that is configured already but not captured yet.
    package static func source(_ kind: ComponentKind) -> (any ComponentSource)? {
        switch kind {
        case .files, .sqlite: FilesSource()
        case .directoryDatabase: DirectoryDatabaseSource()
        case .command: CommandOutputSource()
        case .postgres: nil
        }
    }

    package static func isSupported(_ kind: ComponentKind) -> Bool { source(kind) != nil }
}

/// Files and directories as they are, and SQLite databases, whose content `SQLiteSource` supplies.
struct FilesSource: ComponentSource {
    func add(_ component: Configuration.Component, to plan: inout CapturePlan) throws(StoreError) {
        try plan.addWalked(component)
    }
}

/// A database that is a directory of files: its program is asked to keep still while they are read.
struct DirectoryDatabaseSource: ComponentSource {
    func add(_ component: Configuration.Component, to plan: inout CapturePlan) throws(StoreError) {
        let stillness = Stillness(component, plan.runner, plan.progress, onHold: plan.onHold)
        plan.stillnesses.append(stillness)
        try plan.addWalked(component) { engine in
            engine.prepare = { () throws(StoreError) in try stillness.begin() }
            engine.release = { stillness.end() }
        }
    }
}

/// What a command writes, as one file. If the command fails, the snapshot is made without it and says so.
struct CommandOutputSource: ComponentSource {
    func add(_ component: Configuration.Component, to plan: inout CapturePlan) throws(StoreError) {
        let name = "the command of \(component.name)"
        let timeout = component.values["timeout"].flatMap { try? DurationText.parse($0) }
        let run = plan.runner.plan(component.command, ["VARVE_COMPONENT": component.name], timeout)
        plan.addStream(component, file: component.values["filename"] ?? component.name) { running, stream in
            stream.start = { () throws(StoreError) in
                var run = run
                run.handsOutOutput = true
                return try running.start(run, component.name).output
            }
            stream.finish = { () throws(StoreError) in
                guard let process = running.process(component.name) else { return }
                try HookRunner.check(process.wait(), name, process.messages, timeout)
            }
        }
    }
}
