"""The tools that are measured: what each does for a case. A method yields (label, command, environment, directory)."""

import os
import pathlib
import re
import shutil
import subprocess

from harness.measure import Failed, quietly, wipe

PASSWORD = "a password for measuring"


class Tool:
    """A tool without methods for a case takes no part in it. `role`: own, peer (a snapshot store) or floor."""

    name = ""
    role = "floor"
    remark = ""

    def __init__(self, work):
        self.work = work

    def begin(self):
        """Takes away what the last round left, and makes an empty repository."""

    def version(self):
        return "unknown"

    def stored(self):
        """Where the repository lies, or None for what keeps none."""
        return None


class Varve(Tool):
    name = "varve"
    role = "own"

    def __init__(self, work, binary):
        super().__init__(work)
        self.binary = binary
        self.repository = work / "varve"
        self.key = work / "key"
        # What the machine remembers of repositories stays with the work.
        self.environment = {"XDG_STATE_HOME": str(work / "varve-state")}
        self.can_reclaim = all(self.knows(verb) for verb in ("forget", "gc"))

    def knows(self, verb):
        said = subprocess.run([self.binary, verb, "--help"], capture_output=True, text=True)
        return said.returncode == 0 and f"USAGE: varve {verb}" in said.stdout

    def version(self):
        return quietly(self.binary, "--version").split()[-1]

    def command(self, *words, repository=None):
        common = ["-r", repository or self.repository, "--key-file", self.key, "--cache-dir", self.work / "varve-cache"]
        return [self.binary, words[0], *common, *words[1:]]

    def begin(self):
        wipe(self.repository, self.work / "varve-cache")
        quietly(*self.command("init"), env={**os.environ, **self.environment})

    def step(self, label, *words, repository=None):
        return label, self.command(*words, repository=repository), self.environment, None

    def first_backup(self, tree):
        yield self.step("varve", "backup", tree)

    def nothing_changed(self, tree):
        yield self.step("varve --quick", "backup", "--quick", tree)
        yield self.step("varve --full", "backup", "--full", tree)

    def second_version(self, tree):
        yield self.step("varve --quick", "backup", "--quick", tree)

    def verify_structure(self, tree):
        yield self.step("varve", "verify")

    def verify_data(self, tree):
        yield self.step("varve", "verify", "--read-data")

    def restore(self, tree, target):
        yield self.step("varve", "restore", f"latest:{tree}", "-t", target)

    def restored(self, tree, target):
        return target

    def list(self, tree):
        yield self.step("varve", "list")

    def show(self, tree):
        yield self.step("varve", "show", "latest")

    def one_file(self, tree, file):
        yield self.step("varve", "cat", f"latest:{file}")

    def reclaim(self, tree):
        if self.can_reclaim:
            keep = self.command("forget", "--keep-last", "1", "--group-by", "host")
            collect = self.command("gc", "--rewrite-grace", "0", "--json")
            yield "varve", f"{shell(keep)} >&2 && {shell(collect)}", self.environment, None

    def stored(self):
        return self.repository


class Restic(Tool):
    name = "restic"
    role = "peer"

    def __init__(self, work, binary):
        super().__init__(work)
        self.binary = binary
        self.repository = work / "restic"
        (work / "password").write_text(PASSWORD + "\n")
        self.environment = {
            "RESTIC_PASSWORD_FILE": str(work / "password"),
            "RESTIC_CACHE_DIR": str(work / "restic-cache"),
            "RESTIC_REPOSITORY": str(self.repository),
        }

    def version(self):
        return quietly(self.binary, "version").split()[1]

    def begin(self):
        wipe(self.repository, self.work / "restic-cache")
        quietly(self.binary, "init", env={**os.environ, **self.environment})

    def step(self, *words):
        return "restic", [self.binary, "-q", *words], self.environment, None

    def first_backup(self, tree):
        yield self.step("backup", tree)

    nothing_changed = second_version = first_backup

    def verify_structure(self, tree):
        yield self.step("check")

    def verify_data(self, tree):
        yield self.step("check", "--read-data")

    def restore(self, tree, target):
        yield self.step("restore", f"latest:{tree}", "--target", target)

    def restored(self, tree, target):
        return target

    def list(self, tree):
        yield self.step("snapshots")

    def show(self, tree):
        yield self.step("snapshots", "--json", "latest")

    def one_file(self, tree, file):
        yield self.step("dump", "latest", file)

    def reclaim(self, tree):
        yield self.step("forget", "--keep-last", "1", "--group-by", "host", "--prune")

    def stored(self):
        return self.repository


class Borg(Tool):
    name = "borg"
    role = "peer"

    def __init__(self, work, binary):
        super().__init__(work)
        self.binary = binary
        self.repository = work / "borg"
        self.serial = 0
        self.environment = {
            "BORG_PASSPHRASE": PASSWORD,
            "BORG_BASE_DIR": str(work / "borg-base"),
            "BORG_REPO": str(self.repository),
        }

    def version(self):
        return quietly(self.binary, "--version").split()[-1]

    def begin(self):
        wipe(self.repository, self.work / "borg-base")
        quietly(self.binary, "init", "-e", "repokey-blake2", env={**os.environ, **self.environment})
        self.serial = 0

    def step(self, *words, cwd=None):
        return "borg", [self.binary, *words], self.environment, cwd

    def first_backup(self, tree):
        self.serial += 1
        yield self.step("create", "-C", "zstd,3", f"::{self.serial}", tree)

    nothing_changed = second_version = first_backup

    def verify_structure(self, tree):
        yield self.step("check")

    def verify_data(self, tree):
        yield self.step("check", "--verify-data")

    def restore(self, tree, target):
        target.mkdir()
        yield self.step("extract", f"::{self.serial}", cwd=target)

    def restored(self, tree, target):
        return target / str(tree).lstrip("/")

    def list(self, tree):
        yield self.step("list")

    def show(self, tree):
        yield self.step("info", f"::{self.serial}")

    def one_file(self, tree, file):
        yield self.step("extract", "--stdout", f"::{self.serial}", str(file).lstrip("/"))

    def reclaim(self, tree):
        words = "::" + " ".join(str(number) for number in range(1, self.serial))
        yield "borg", f"{self.binary} delete {words} && {self.binary} compact", self.environment, None

    def stored(self):
        return self.repository


class Tar(Tool):
    name = "tar | zstd -3 -T0"

    def version(self):
        tar = quietly("tar", "--version").split("\n")[0].split()[-1]
        return f"{tar}, zstd " + re.search(r"v([\d.]+)", quietly("zstd", "--version"))[1]

    def begin(self):
        wipe(self.stored())

    def first_backup(self, tree):
        yield self.name, f"tar -C {tree} -cf - . | zstd -3 -T0 -q -o {self.stored()}", {}, None

    def restore(self, tree, target):
        target.mkdir()
        yield "zstd -d | tar -x", f"zstd -dcq {self.stored()} | tar -C {target} -xf -", {}, None

    def restored(self, tree, target):
        return target

    def stored(self):
        return self.work / "archive.tar.zst"


class Rsync(Tool):
    """Keeps a plain copy, on a file system of its own that lives as long as the round (`copy`)."""

    name = "rsync -a"
    copy = pathlib.Path()

    def version(self):
        return quietly("rsync", "--version").split()[2]

    def first_backup(self, tree):
        yield self.name, ["rsync", "-a", "--delete", f"{tree}/", f"{self.copy}/"], {}, None

    nothing_changed = second_version = first_backup

    def verify_data(self, tree):
        yield "rsync -c", ["rsync", "-anc", "--delete", f"{tree}/", f"{self.copy}/"], {}, None


class Copy(Tool):
    name = "cp -a"

    def version(self):
        return quietly("cp", "--version").split("\n")[0].split()[-1]

    def restore(self, tree, target):
        yield self.name, ["cp", "-a", tree, target], {}, None

    def restored(self, tree, target):
        return target


class Find(Tool):
    name = "find -printf"

    def version(self):
        return quietly("find", "--version").split("\n")[0].split()[-1]

    def nothing_changed(self, tree):
        yield self.name, ["find", tree, "-printf", "%p %s %T@ %C@ %i %m %u %g\\n"], {}, None


def shell(words):
    return " ".join(f"'{word}'" for word in words)


def present(work, peers, binary):
    """The tools that are here and run, with their versions, ours first; and the names of those that do not."""
    tools, absent = [Varve(work, binary)], []
    for name, kind, path in (("restic", Restic, peers / "restic"), ("borg", Borg, peers / "venv/bin/borg")):
        found = path if path.exists() else shutil.which(name)
        tools.append(kind(work, found)) if found else absent.append(name)
    for kind, needs in ((Tar, ["tar", "zstd"]), (Rsync, ["rsync"]), (Copy, ["cp"]), (Find, ["find"])):
        tools.append(kind(work)) if all(map(shutil.which, needs)) else absent.append(kind.name)
    versions = {}
    for tool in list(tools):
        try:
            versions[tool] = tool.version()
        except (Failed, OSError):
            tools.remove(tool)
            absent.append(tool.name)
    return tools, {tool.name: version for tool, version in versions.items()}, absent
