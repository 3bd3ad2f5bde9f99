package import Varve

extension RetentionCandidate {
    /// What the keep rules look at in a snapshot.
    package init(_ snapshot: Snapshot) {
        let manifest = snapshot.manifest
        self.init(
            id: snapshot.id, sequence: manifest.sequence, time: manifest.time, host: manifest.host,
            job: manifest.job, paths: manifest.paths)
        tags = manifest.tags
        state = manifest.state
        origin = manifest.origin
        bytesStored = UInt64(max(0, manifest.bytes.stored))
    }
}
