package import Varve
package import VarveFormat

/// A command that looks at the application and prints JSON: `{"validator", "status", "issues", "summary"}`, all of it
/// optional. What it says is stored in the manifest.
package struct ValidationCheck: Sendable {
    package let line: String
    /// The component that it is about; nil for the application.
    package let component: String?
    /// A bad result keeps the backup from being made.
    package let refuses: Bool
    package let timeout: Int64

    /// Every check that a backup of some components runs.
    package static func checks(
        _ values: Configuration.Values, _ components: [Configuration.Component], timeout: String?
    ) -> [ValidationCheck] {
        var result: [ValidationCheck] = []
        let seconds = timeout.flatMap { try? DurationText.parse($0) } ?? HookRunner.standardTimeout
        if let line = values["validation.command"] {
            result.append(
                ValidationCheck(
                    line: line, component: nil, refuses: values["validation.policy"] == "refuse",
                    timeout: seconds))
        }
        for component in components {
            guard let line = component.values["validate"] else { continue }
            result.append(
                ValidationCheck(
                    line: line, component: component.name, refuses: component.values["validate_policy"] == "refuse",
                    timeout: seconds))
        }
        return result
    }

    /// What a check found.
    package struct Result: Sendable {
        /// For the manifest.
        package let json: JSONValue
        /// What is wrong, in one sentence; nil if nothing is.
        package let problem: String?
    }

    /// Words that say that all is well.
    private static let good: Set<String> = ["ok", "pass", "passed", "valid", "success", "healthy"]

    /// Whether a status says that all is well.
    package static func isGood(_ status: String) -> Bool { good.contains(status.lowercased()) }

    /// Runs the check.
    ///
    /// - Throws: `interrupted`. Everything else is a bad result.
    package func run(_ runner: HookRunner, progress: Progress?) throws(StoreError) -> Result {
        let name = component.map { "the validation of \($0)" } ?? "the validation"
        let variables = ["VARVE_HOOK": "validation", "VARVE_COMPONENT": component ?? ""]
        do throws(StoreError) {
            let (bytes, outcome, messages) = try runner.output(
                of: line, named: name, variables, timeout: timeout, progress: progress)
            return result(bytes, outcome, messages, name)
        } catch {
            if error.code == .interrupted { throw error }
            return failure(error.message, [:], name)
        }
    }

    private func result(
        _ bytes: [UInt8], _ outcome: SupervisedProcess.Outcome, _ messages: String, _ name: String
    ) -> Result {
        var members: [String: JSONValue] = [:]
        var ending: String?
        do throws(StoreError) {
            try HookRunner.check(outcome, name, messages, timeout)
        } catch {
            ending = error.message
        }
        guard let printed = try? JSONValue(parsing: bytes), let object = printed.objectValue else {
            return failure(ending ?? "\(name) did not print a JSON object", members, name)
        }
        for key in ["validator", "status", "issues", "summary"] { members[key] = object[key] }
        if let ending { return failure(ending, members, name) }
        let status = object["status"]?.stringValue
        let issues = Self.issueCount(object["issues"])
        let isGood = status.map(Self.isGood) ?? (issues == 0)
        guard isGood else {
            let summary = object["summary"]?.stringValue.map { ": " + $0 } ?? ""
            let count = issues > 0 ? ", \(issues) issues" : ""
            return finished(members, "\(name) says \(status ?? "that there are issues")\(count)\(summary)")
        }
        members["status"] = .string(status ?? "ok")
        return finished(members, nil)
    }

    private static func issueCount(_ value: JSONValue?) -> Int {
        switch value {
        case .integer(let count)?: Int(clamping: count)
        case .array(let issues)?: issues.count
        default: 0
        }
    }

    /// A check that could not be made counts as a bad one.
    private func failure(_ message: String, _ members: [String: JSONValue], _ name: String) -> Result {
        var members = members
        if members["status"]?.stringValue.map(Self.isGood) != false {
            members["status"] = .string("failed")
        }
        if members["summary"] == nil { members["summary"] = .string(message) }
        return finished(members, message)
    }

    private func finished(_ members: [String: JSONValue], _ problem: String?) -> Result {
        var members = members
        members["time"] = .string(Timestamp.now().rfc3339)
        if members["validator"] == nil { members["validator"] = .string(component ?? "application") }
        if let component { members["component"] = .string(component) }
        if members["issues"] == nil { members["issues"] = .integer(0) }
        return Result(json: .object(members), problem: problem)
    }
}
