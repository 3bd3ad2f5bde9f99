import VarveFormat

/// Checks config and the key slots against each other: each is the other's second copy.
struct KeyFileCheck {
    private let backend: any Backend
    private let configBytes: [UInt8]

    /// - Parameter configBytes: the bytes of config that the repository was opened with.
    init(_ backend: any Backend, configBytes: [UInt8]) {
        self.backend = backend
        self.configBytes = configBytes
    }

    func findings() throws(StoreError) -> [Finding] {
        var findings: [Finding] = []
        if let message = try configDamage() { findings.append(Finding(.damagedFile, message, file: "config")) }
        for slot in try KeySlots.read(from: backend) {
            let path = "keys/\(slot.name.hex)"
            for damage in slot.damage { findings.append(Finding(.damagedFile, damage, file: path)) }
            if slot.damage.isEmpty, slot.configBytes != configBytes {
                findings.append(Finding(.damagedFile, "its copy of config is another than config", file: path))
            }
        }
        return findings
    }

    private func configDamage() throws(StoreError) -> String? {
        do throws(StoreError) {
            let bytes = try backend.read("config", limit: FormatLimits.config)
            return bytes == configBytes ? nil : "its bytes are not those that were written; a key slot has them"
        } catch {
            guard error.code == .missing || error.isDamage else { throw error }
            return error.message
        }
    }
}
