/// Looks at files once they are restored, whether they mean what they meant when they were captured: databases. A
/// restore in place asks while everything new still lies in stages.
package protocol ContentChecker: AnyObject, Sendable {
    /// Which files it looks at, by their paths in the snapshot.
    var paths: Set<[UInt8]> { get }

    /// Looks at one of them.
    ///
    /// - Throws: `interrupted`. Everything else is part of the result.
    func check(_ file: RestoredFile, _ progress: Progress) throws(StoreError) -> CheckedContent
}

/// A file that a checker is to look at.
package struct RestoredFile: Sendable {
    /// In the snapshot, absolute, as bytes.
    package let path: [UInt8]
    /// Where it can be opened, absolute.
    package let location: [UInt8]
    /// It has its name for good, and what lies beside it stays there.
    package let isInPlace: Bool

    /// Describes a file.
    package init(path: [UInt8], location: [UInt8], isInPlace: Bool) {
        self.path = path
        self.location = location
        self.isInPlace = isInPlace
    }
}

/// What a checker found.
package struct CheckedContent: Sendable {
    /// False for a file that nothing can be said about.
    package var wasChecked = false
    /// What is wrong with the file.
    package var problems: [String] = []
    /// What else is worth saying.
    package var notices: [String] = []

    /// The result of a check that did not come about.
    package init() {}
}

/// Restored files that are to be checked in the end: by their paths in the snapshot, where they are.
struct PendingChecks: Sendable {
    private var locations: [[UInt8]: [UInt8]] = [:]

    mutating func note(_ path: [UInt8], at location: [UInt8]) { locations[path] = location }

    var sorted: [(path: [UInt8], location: [UInt8])] {
        locations.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { ($0.key, $0.value) }
    }
}

extension RestoreRun {
    /// A file of the snapshot is there, or another name of one.
    func noteForCheck(_ path: [UInt8], _ directory: RestoreDirectory, _ name: [UInt8]) {
        guard options.checker?.paths.contains(path) == true else { return }
        let location = (options.target ?? []) + TreePath.joined(directory.components + [name])
        checks.withLock { $0.note(path, at: location) }
    }

    /// Lets the checker look at everything that it wants to see. To be called when no worker is left.
    ///
    /// - Throws: `interrupted`.
    func checkContents() throws(StoreError) {
        guard let checker = options.checker else { return }
        for (path, location) in checks.withLock({ $0 }).sorted {
            try progress.check()
            progress.update { values in
                values.phase = "checking"
                values.currentPath = path
            }
            let file = RestoredFile(path: path, location: location, isInPlace: options.target != nil)
            let found = try checker.check(file, progress)
            count { report in
                report.databasesChecked += found.wasChecked ? 1 : 0
                report.databasesFailed += found.problems.isEmpty ? 0 : 1
            }
            for text in found.notices { notice(text) }
            for problem in found.problems { report(path, RestoreFailure(checking: problem)) }
        }
    }
}
