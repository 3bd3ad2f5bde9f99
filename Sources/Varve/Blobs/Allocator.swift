import CSys

/// The dials of malloc.
package enum Allocator {
    /// Keeps malloc from mapping and unmapping memory for each sealed frame, which would cost more than the sealing.
    /// Takes effect once in a process.
    package static func tune() { tuned }

    private static let tuned: Void = sys_tune_malloc()

    /// Gives free memory back to the system.
    package static func trim() { sys_trim_malloc() }
}
