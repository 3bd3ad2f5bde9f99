/// The named sets of `--exclude-set`: files that tools make again by themselves. Every name is exact, so `env/` does
/// not touch `environment/`; files that only people write (`Pipfile`, `poetry.lock`, `.env`) are in none.
package enum ExcludeSets {
    /// The names of the sets, sorted.
    package static let names = sets.keys.sorted()

    /// The rules of a set.
    ///
    /// - Throws: `usage` if there is no such set.
    package static func rules(_ name: String) throws(StoreError) -> [PathRule] {
        guard let patterns = sets[name] else {
            throw StoreError(
                .usage, "there is no exclude set \"\(name)\"", remedy: "take one of " + names.joined(separator: ", "))
        }
        var rules: [PathRule] = []
        for pattern in patterns { rules.append(try PathRule(Array(pattern.utf8), origin: .set(name))) }
        return rules
    }

    private static let sets: [String: [String]] = [
        "python": [
            ".venv/", "venv/", "env/", "ENV/", "pyvenv.cfg", "__pycache__/", "*.pyc", "*.pyo", ".pytest_cache/",
            ".mypy_cache/", ".ruff_cache/", ".pytype/", ".tox/", ".nox/", ".eggs/", "*.egg-info/", ".hypothesis/",
            ".ipynb_checkpoints/",
        ],
        "ide": [
            ".vscode/", ".idea/", ".vs/", ".fleet/", ".zed/", "*.swp", "*.swo", "*.sublime-workspace", "*~", ".#*",
        ],
        "vcs": [
            ".git", ".gitignore", ".gitattributes", ".gitmodules", ".hg/", ".hgignore", ".svn/", ".bzr/", ".bzrignore",
            "CVS/", ".cvsignore", "_darcs/", ".jj/",
        ],
        "os": [
            ".DS_Store", ".AppleDouble/", ".Spotlight-V100/", ".Trashes/", ".fseventsd/", ".TemporaryItems/",
            "Thumbs.db", "ehthumbs.db", "desktop.ini", "$RECYCLE.BIN/", "System Volume Information/", "lost+found/",
            ".Trash-[0-9]*/", ".nfs[0-9a-f]*",
        ],
        "logs": ["*.log", "*.log.[0-9]*", "*.log-[0-9]*", "*.pid", "*.tmp"],
        "caches": [
            ".cache/", "__pycache__/", "*.pyc", "*.pyo", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/", ".ccache/",
            ".sass-cache/", ".parcel-cache/", "**/.npm/_cacache/", "**/.gradle/caches/", ".thumbnails/", ".eslintcache",
        ],
    ]
}
