/// Names of files that usually hold secrets, for a warning before they enter an unencrypted repository.
package enum SecretsScan {
    private static let names: Set<String> = [
        ".env", ".netrc", ".pgpass", ".my.cnf", ".htpasswd", ".git-credentials", ".npmrc", ".pypirc", "id_rsa",
        "id_dsa", "id_ecdsa", "id_ed25519", "credentials.json", "service-account.json", "secrets.yml", "secrets.yaml",
        "secrets.toml", "secrets.json", "shadow", "gshadow", "kubeconfig", "wp-config.php",
    ]
    private static let suffixes = [".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk", ".asc.key"]
    private static let harmless = [".env.example", ".env.sample", ".env.template", ".env.dist"]

    /// Whether a file of this name usually holds secrets.
    package static func looksSecret(name: some Collection<UInt8>) -> Bool {
        let text = String(decoding: name, as: UTF8.self).lowercased()
        if names.contains(text) { return true }
        if harmless.contains(text) { return false }
        return text.hasPrefix(".env.") || suffixes.contains { text.hasSuffix($0) && text.utf8.count > $0.utf8.count }
    }
}
