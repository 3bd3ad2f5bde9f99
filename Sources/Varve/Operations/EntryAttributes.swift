/// What a restore gives a file besides its content.
package struct EntryAttributes: Sendable, Hashable {
    /// Permissions with setuid, setgid and sticky: the low 12 bits.
    package var mode: UInt32
    package var uid: UInt32
    package var gid: UInt32
    /// The names of owner and group where the file was captured; empty where they had none.
    package var owner: [UInt8]
    package var group: [UInt8]
    package var mtimeSeconds: Int64
    package var mtimeNanoseconds: UInt32
    /// Sorted by name bytes.
    package var xattrs: [ExtendedAttribute]
    package var inodeFlags: InodeFlags

    package init(
        mode: UInt32, uid: UInt32, gid: UInt32, owner: [UInt8] = [], group: [UInt8] = [], mtimeSeconds: Int64 = 0,
        mtimeNanoseconds: UInt32 = 0, xattrs: [ExtendedAttribute] = [], inodeFlags: InodeFlags = []
    ) {
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.owner = owner
        self.group = group
        self.mtimeSeconds = mtimeSeconds
        self.mtimeNanoseconds = mtimeNanoseconds
        self.xattrs = xattrs
        self.inodeFlags = inodeFlags
    }
}
