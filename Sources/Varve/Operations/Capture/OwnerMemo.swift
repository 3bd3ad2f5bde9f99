package import VarveFormat

/// Names the owners of files as the system does now. One for each worker: nearly all files of a tree have the same
/// owner, so that the last answer is mostly the next one.
package struct OwnerMemo {
    private var known: Attributes?

    package init() {}

    /// Whether the names in `attributes` are those that its numbers have now.
    package mutating func areCurrent(_ attributes: Attributes, _ names: OwnerNames) -> Bool {
        if let known, known.uid == attributes.uid, known.gid == attributes.gid, known.owner == attributes.owner,
            known.group == attributes.group
        {
            return true
        }
        guard names.user(attributes.uid) == attributes.owner, names.group(attributes.gid) == attributes.group
        else { return false }
        known = Attributes(
            mode: 0, uid: attributes.uid, gid: attributes.gid, owner: attributes.owner, group: attributes.group)
        return true
    }

    /// The names that the numbers have now.
    package mutating func names(uid: UInt32, gid: UInt32, _ names: OwnerNames) -> (owner: [UInt8], group: [UInt8]) {
        if let known, known.uid == uid, known.gid == gid { return (known.owner, known.group) }
        let (owner, group) = (names.user(uid), names.group(gid))
        known = Attributes(mode: 0, uid: uid, gid: gid, owner: owner, group: group)
        return (owner, group)
    }
}
