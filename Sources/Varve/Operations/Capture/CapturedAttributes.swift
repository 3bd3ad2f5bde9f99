import VarveFormat

extension ArchiveWorker {
    /// The attributes of an entry from its stat and what else was read.
    func attributes(
        _ stat: FileStat, xattrs: [ExtendedAttribute], inodeFlags: InodeFlags, isImplied: Bool
    ) -> Attributes {
        let (owner, group) = owners.names(uid: stat.uid, gid: stat.gid, run.owners)
        return Attributes(
            mode: stat.permissions, uid: stat.uid, gid: stat.gid, owner: owner, group: group,
            mtimeSeconds: isImplied ? 0 : stat.mtimeSeconds, mtimeNanoseconds: isImplied ? 0 : stat.mtimeNanoseconds,
            xattrs: xattrs, inodeFlags: inodeFlags)
    }
}

extension ArchiveRun {
    /// The extended attributes of a file; those that cannot be read are an error of the capture, not its end.
    func xattrs(
        _ target: ExtendedAttributeTarget, _ path: @autoclosure () -> [UInt8]
    ) -> [ExtendedAttribute] {
        do {
            return try ExtendedAttribute.read(target)
        } catch {
            report(path(), "xattrs", error)
            return []
        }
    }

    /// The inode flags of an open file, in the numbers of FORMAT.md section 9.1.
    func inodeFlags(_ descriptor: Int32, _ path: @autoclosure () -> [UInt8]) -> InodeFlags {
        do {
            return try InodeFlags.read(descriptor)
        } catch {
            report(path(), "inode flags", error)
            return []
        }
    }
}
