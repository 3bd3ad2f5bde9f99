/// Every key of varve.toml.
package enum ConfigurationKeys {
    /// The tables in the order of the documentation, with what they are for.
    package static let tables: [(name: String, summary: String)] = [
        ("", "The top of the file, before any table"),
        ("backup", "What every backup does"),
        ("retention", "What `varve forget` keeps"),
        ("gc", "How `varve gc` frees space"),
        ("hooks", "Commands around backups and restores in place"),
        ("validation", "A check of the application before each backup"),
        ("component", "A part of the application; a table for each, as `[[component]]`"),
        ("job", "A kind of run with a name; a table for each, as `[[job]]`"),
        ("job.hooks", "As `[hooks]`, for one job and instead of them"),
        ("job.retention", "As `[retention]`, for the snapshots of one job and instead of it"),
    ]

    package static let all = top + backup + retention("retention") + gc + hooks("hooks") + validation + component + job
        + hooks("job.hooks") + retention("job.retention")

    /// The keys of a table.
    package static func keys(of table: String) -> [ConfigurationKey] { all.filter { $0.table == table } }

    /// The key of a path like `retention.keep_last`.
    package static func key(_ path: String) -> ConfigurationKey? { all.first { $0.path == path } }

    private static let anyNumber = 0...Int.max

    private static let top: [ConfigurationKey] = [
        .init("", "repository", .path, "Where the repository is"),
        .init("", "password_file", .path, "A file whose first line is the password"),
        .init("", "password_command", .shell, "A command whose first line of output is the password"),
        .init("", "key_file", .path, "A key file"),
        .init("", "cache_dir", .path, standard: "`~/.cache/varve`", "Where caches are kept"),
        .init("", "host", .text, standard: "the name of the machine", "The host that snapshots name"),
        .init("", "kind", .word(["quick", "full"]), standard: "`full`", "Whether a backup reads every byte"),
        .init("", "compression", .compression, standard: "1", "The zstd level"),
        .init("", "threads", .integer(1...256), standard: "one for each core", "Worker threads"),
        .init("", "progress_fps", .integer(0...60), standard: "10", "How often progress is shown, a second"),
        .init("", "wait", .duration, standard: "0", "How long to wait for a busy repository"),
    ]

    private static let backup: [ConfigurationKey] = [
        .init("backup", "type", .name, standard: "`full`", "Which components are saved where no option says it"),
        .init("backup", "types", .name, list: true, "Types of components besides `data`, `database` and `config`"),
        .init("backup", "tags", .tag, list: true, "Tags of every snapshot"),
        .init("backup", "app_version", .text, "The version of the application"),
        .init("backup", "app_version_file", .path, "A file whose first line is that version"),
        .init("backup", "app_version_command", .shell, "A command whose first line of output is that version"),
        .init("backup", "exclude", .pattern, list: true, "Patterns of what is left out everywhere"),
        .init("backup", "exclude_file", .path, list: true, "Files of such patterns, one a line"),
        .init("backup", "exclude_set", .excludeSet, list: true, "Named sets of such patterns"),
        .init("backup", "include", .pattern, list: true, "Patterns of what is saved whatever excludes it"),
        .init("backup", "exclude_caches", .flag, standard: "`false`", "Leave out directories with a CACHEDIR.TAG"),
        .init("backup", "exclude_if_present", .fileName, list: true, "Leave out directories that hold such a file"),
        .init("backup", "exclude_larger_than", .size, "Leave out larger files"),
        .init("backup", "one_file_system", .flag, standard: "`false`", "Stay on the file system of each path"),
        .init("backup", "checkpoint_interval", .duration, standard: "`5m`", "How often what is done so far is saved"),
        .init("backup", "limit_read", .size, "Read at most so much a second"),
        .init("backup", "skip_if_unchanged", .flag, standard: "`false`", "Make no snapshot if nothing changed"),
        .init("backup", "verify", .flag, standard: "`false`", "Read each new snapshot back"),
        .init("backup", "cleanup", .flag, standard: "`false`", "Then drop old snapshots of this host by `[retention]`"),
    ]

    private static func retention(_ table: String) -> [ConfigurationKey] {
        [
            .init(table, "keep_last", .span, "Keep the newest so many"),
            .init(table, "keep_hourly", .span, "Keep the newest of each hour, so many or as far back"),
            .init(table, "keep_daily", .span, "The same for days"),
            .init(table, "keep_weekly", .span, "The same for weeks from Monday to Sunday"),
            .init(table, "keep_monthly", .span, "The same for months"),
            .init(table, "keep_yearly", .span, "The same for years"),
            .init(table, "keep_within", .duration, "Keep all that are this much older than the newest, or less"),
            .init(table, "keep_tag", .tag, list: true, "Keep all with one of these tags"),
            .init(table, "max_age", .duration, "Drop what is older and no rule keeps"),
            .init(table, "max_count", .integer(anyNumber), "Drop what is beyond the newest so many"),
            .init(table, "max_size", .size, "Drop the oldest until the rest stored no more"),
            .init(table, "group_by", .grouping, standard: "`host,job,paths`", "What rules count apart by"),
            .init(table, "max_drop", .percent, standard: "`90%`", "Refuse to drop a greater share"),
        ]
    }

    private static let gc: [ConfigurationKey] = [
        .init("gc", "max_unused", .percent, standard: "`2%`", "How much of the packs may be waste"),
        .init("gc", "grace", .duration, standard: "0", "How long unneeded packs stay, so that undelete works"),
        .init("gc", "rewrite_grace", .duration, standard: "`24h`", "How long packs stay that were written anew"),
    ]

    private static func hooks(_ table: String) -> [ConfigurationKey] {
        [
            .init(table, "before_backup", .shell, "Before a backup; if it fails, there is none"),
            .init(table, "after_backup", .shell, "After a backup that made a snapshot"),
            .init(table, "before_restore", .shell, "Before a restore in place; if it fails, there is none"),
            .init(table, "after_restore", .shell, "After a restore in place, whatever came of it"),
            .init(table, "on_failure", .shell, "After a backup or restore that failed or was incomplete"),
            .init(table, "timeout", .duration, standard: "`10m`", "How long each of them may take"),
        ]
    }

    private static let validation: [ConfigurationKey] = [
        .init("validation", "command", .shell, "Prints JSON about the state of the application"),
        .init("validation", "timeout", .duration, standard: "`10m`", "How long it may take"),
        .init("validation", "policy", .word(["warn", "refuse"]), standard: "`warn`", "What a bad result does"),
    ]

    private static let walked: [ComponentKind] = [.files, .directoryDatabase]

    private static let component: [ConfigurationKey] = [
        .init("component", "name", .name, "What `--only` calls it; required"),
        .init("component", "kind", .word(ComponentKind.allCases.map(\.rawValue)), "How it is captured; required"),
        .init(
            "component", "type", .name, standard: "`data`, of databases `database`", "What `--type` selects it by"),
        .init(
            "component", "paths", .path, list: true, kinds: [.files, .sqlite, .directoryDatabase],
            "Its files and directories; required"),
        .init("component", "exclude", .pattern, list: true, kinds: walked, "As in `[backup]`, and besides"),
        .init("component", "exclude_file", .path, list: true, kinds: walked, "As in `[backup]`, and besides"),
        .init("component", "exclude_set", .excludeSet, list: true, kinds: walked, "As in `[backup]`, and besides"),
        .init("component", "include", .pattern, list: true, kinds: walked, "As in `[backup]`, and besides"),
        .init("component", "exclude_caches", .flag, kinds: walked, "As in `[backup]`, and instead"),
        .init(
            "component", "exclude_if_present", .fileName, list: true, kinds: walked, "As in `[backup]`, and besides"),
        .init("component", "exclude_larger_than", .size, kinds: walked, "As in `[backup]`, and instead"),
        .init("component", "one_file_system", .flag, kinds: walked, "As in `[backup]`, and instead"),
        .init("component", "quiesce", .shell, kinds: [.directoryDatabase], "Before its files are read"),
        .init("component", "resume", .shell, kinds: [.directoryDatabase], "After they were read, whatever happens"),
        .init("component", "command", .command, kinds: [.command], "Writes what is saved to its output; required"),
        .init("component", "filename", .fileName, standard: "the name", kinds: [.command],
              "What the output is called in the snapshot"),
        .init("component", "database", .text, kinds: [.postgres], "Name or URI of the database; required"),
        .init("component", "service", .text, kinds: [.postgres], "A service of `pg_service.conf`"),
        .init("component", "format", .word(["plain", "custom"]), standard: "`plain`", kinds: [.postgres],
              "What pg_dump writes"),
        .init("component", "globals", .flag, standard: "`true`", kinds: [.postgres], "Save roles and tablespaces too"),
        .init("component", "busy_timeout", .duration, standard: "`30s`", kinds: [.sqlite, .postgres],
              "How long to wait for a locked database or table"),
        .init("component", "timeout", .duration, standard: "`10m`, of commands none",
              kinds: [.command, .directoryDatabase], "How long its command may take, or each hook"),
        .init("component", "validate", .shell, "As `validation.command`, for this component"),
        .init("component", "validate_policy", .word(["warn", "refuse"]), standard: "`warn`",
              "As `validation.policy`"),
    ]

    private static let job: [ConfigurationKey] = [
        .init("job", "name", .name, "What `--job` calls it; required"),
        .init("job", "type", .name, "Which components it saves"),
        .init("job", "only", .name, list: true, "Which components it saves, by name or type"),
        .init("job", "kind", .word(["quick", "full"]), "Whether it reads every byte"),
        .init("job", "tags", .tag, list: true, "Tags of its snapshots, besides those of `[backup]`"),
        .init("job", "description", .text, "Words about its snapshots"),
        .init("job", "hooks", .table, "See below"),
        .init("job", "retention", .table, "See below"),
    ]
}
