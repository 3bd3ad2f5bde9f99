package import VarveFormat

/// Whether everything that a tree reaches has a place.
package enum TreeCompleteness {
    /// Walks a tree and looks up every blob; data blobs that have a place are not read.
    ///
    /// - Throws: `missing` or `damaged`, naming what is.
    package static func check(_ root: BlobID, _ loader: BlobLoader, _ index: BlobIndex) throws(StoreError) {
        var walker = try TreeWalker(loader, root: root)
        while let event = walker.next() {
            switch event {
            case .leave: continue
            case .failure(let error): throw error
            case .entry(let entry):
                guard case .file(_, let content) = entry.content else { continue }
                var blobs = BlobSequence(content)
                while let run = try blobs.nextRun(loader) {
                    // Also looks into packs that no index file names.
                    if !index.contains(run.id) { _ = try loader.load(.data, run.id) }
                }
            }
        }
    }
}
