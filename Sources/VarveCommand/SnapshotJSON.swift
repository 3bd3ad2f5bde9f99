import Varve
import VarveFormat

/// The JSON forms of snapshots. A key whose feature does not exist yet is null, never absent.
enum SnapshotJSON {
    /// An element of `list`.
    static func listed(_ snapshot: Snapshot) -> JSONValue {
        let manifest = snapshot.manifest
        var members: [String: JSONValue] = [
            "id": .string(snapshot.id.hex), "alias": text(manifest.alias), "time": .string(manifest.time.rfc3339),
            "kind": .string(manifest.kind.rawValue), "type": text(manifest.type),
            "state": .string(manifest.state.rawValue), "status": .string(snapshot.status),
            "name": text(manifest.name), "description": text(manifest.description),
            "tags": .array(snapshot.tags.map { .string($0) }), "host": .string(manifest.host),
            "job": text(manifest.job), "files_total": .integer(Int64(manifest.counts.files)),
            "bytes_total": .integer(Int64(manifest.bytes.total)),
            "bytes_stored": .integer(Int64(manifest.bytes.stored)), "origin": .string(manifest.origin.rawValue),
            "pinned": .bool(snapshot.isPinned),
            "validation": manifest.validation.isEmpty ? .null : .array(manifest.validation),
            "last_verified": text(snapshot.verification?.time.rfc3339),
            "last_drilled": text(snapshot.drill?.time.rfc3339),
        ]
        members.merge(paths(manifest.paths)) { first, _ in first }
        members.merge(protection(snapshot)) { first, _ in first }
        return .object(members)
    }

    /// What `show` prints: the manifest and what is known about it.
    static func shown(_ snapshot: Snapshot) -> [String: JSONValue] {
        let optional = [
            "alias", "app_version", "components", "databases", "description", "duration_seconds", "errors", "excludes",
            "job", "name", "parent", "read_features", "replaces", "tags", "trust_mtime", "type", "user", "validation",
        ]
        var members = snapshot.manifest.json().objectValue ?? [:]
        for key in optional where members[key] == nil { members[key] = .null }
        members["id"] = .string(snapshot.id.hex)
        members["status"] = .string(snapshot.status)
        members["last_verified"] = text(snapshot.verification?.time.rfc3339)
        members["last_drilled"] = text(snapshot.drill?.time.rfc3339)
        members["tags"] = .array(snapshot.tags.map { .string($0) })
        members["pinned"] = .bool(snapshot.isPinned)
        return members.merging(protection(snapshot)) { $1 }
    }

    /// Until when the snapshot is held, and when and why it was deleted.
    private static func protection(_ snapshot: Snapshot) -> [String: JSONValue] {
        let deletion = snapshot.deletion.map { deletion in
            JSONValue.object(["time": .string(deletion.time.rfc3339), "reason": .string(deletion.reason)])
        }
        let hold = snapshot.isHeld(at: .now()) ? snapshot.holdUntil : nil
        return ["hold_until": text(hold?.rfc3339), "deleted": deletion ?? .null]
    }

    /// `paths`, and `paths_base64` if one of them is not UTF-8.
    static func paths(_ paths: [[UInt8]]) -> [String: JSONValue] {
        let texts = JSONValue.array(paths.map { .string(String(decoding: $0, as: UTF8.self)) })
        if paths.allSatisfy({ String(validating: $0, as: UTF8.self) != nil }) { return ["paths": texts] }
        return ["paths": texts, "paths_base64": .array(paths.map { .string(Base64.encode($0)) })]
    }

    /// Seconds to the microsecond: what a clock's difference has beyond is noise.
    static func seconds(_ value: Double) -> JSONValue { .number((value * 1e6).rounded() / 1e6) }

    static func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
}
