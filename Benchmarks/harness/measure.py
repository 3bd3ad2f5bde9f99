"""Runs commands and says what they cost; makes fresh file systems to write to; knows the machine."""

import contextlib
import dataclasses
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time

GNU_TIME = shutil.which("time")


@dataclasses.dataclass
class Cost:
    """Wall and processor time in seconds; peak memory of the largest process in KiB (0: not known)."""

    wall: float
    cpu: float
    memory: int


class Failed(Exception):
    pass


def run(command, env=None, cwd=None, output=None, sync=True):
    """Runs a command (a list, or a string for bash) after a sync, and returns its cost.

    GNU time does the counting: a process started by Python itself would count Python's own pages as its peak.
    """
    words = ["bash", "-o", "pipefail", "-c", command] if isinstance(command, str) else [str(word) for word in command]
    with scratch_file() as report, scratch_file() as errors:
        timed = [GNU_TIME, "-q", "-o", report, "-f", "%U %S %M", *words] if GNU_TIME else words
        with open(errors, "wb") as err, open(output or os.devnull, "wb") as out:
            if sync:
                os.sync()
            begin = time.monotonic()
            child = subprocess.Popen(
                timed, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, **(env or {})}, cwd=cwd
            )
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            said = pathlib.Path(errors).read_text(errors="replace")
            raise Failed(f"status {child.returncode} from: {' '.join(words)}\n{said}")
        if not GNU_TIME:
            return Cost(wall, usage.ru_utime + usage.ru_stime, 0)
        user, system, memory = pathlib.Path(report).read_text().split("\n")[-2].split()
        return Cost(wall, float(user) + float(system), int(memory))


@contextlib.contextmanager
def scratch_file():
    path = f"/dev/shm/varve-measure-{os.getpid()}-{time.monotonic_ns()}"
    if not os.path.isdir("/dev/shm"):
        path = path.replace("/dev/shm", "/tmp")
    pathlib.Path(path).touch()
    try:
        yield path
    finally:
        os.unlink(path)


def quietly(*command, **options):
    """Runs what is not measured; its output is shown only if it fails."""
    done = subprocess.run(
        [str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, **options
    )
    if done.returncode != 0:
        raise Failed(f"status {done.returncode} from: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def wipe(*paths):
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def tree_size(path):
    """Bytes and number of the regular files below a path, or of the file itself."""
    if path.is_file():
        return path.stat().st_size, 1
    total = count = 0
    folders = [path]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    total += entry.stat(follow_symlinks=False).st_size
                    count += 1
    return total, count


class FreshFileSystems:
    """A freshly made ext4 in a loop-mounted file for everything that creates many files.

    ext4 is several times slower within minutes of a mass removal on the same file system, for everyone; removing the
    one image file is not such a removal. Needs root; without it a new directory has to do, and the report says so.
    """

    def __init__(self, work):
        self.folder = work / "file-systems"
        wipe(self.folder)
        self.folder.mkdir(parents=True)
        self.missing = self.why_not()
        self.serial = 0

    def why_not(self):
        if os.geteuid() != 0:
            return "not root"
        if not shutil.which("mkfs.ext4"):
            return "no mkfs.ext4"
        try:
            with self.mounted(64 << 20, 1000, attempt=True):
                return None
        except Failed as failure:
            return "no loop mounts: " + str(failure).strip().split("\n")[-1]

    @contextlib.contextmanager
    def mounted(self, size, files, attempt=False):
        """Yields a directory that is not there yet, on a new file system with room for so many bytes and files."""
        self.serial = getattr(self, "serial", 0) + 1
        point = self.folder / f"{self.serial}"
        image = self.folder / f"{self.serial}.image"
        point.mkdir()
        if not attempt and self.missing:
            yield point / "restored"
            wipe(point)
            return
        inodes = int(files * 1.2) + 1000
        length = int(size * 1.1) + inodes * (256 + 6144) + (256 << 20)
        with open(image, "wb") as file:
            file.truncate(length)
        quietly(
            "mkfs.ext4", "-q", "-F", "-m", "0", "-N", inodes, "-E", "lazy_itable_init=0,lazy_journal_init=0", image
        )
        quietly("mount", "-o", "loop,noatime", image, point)
        try:
            os.sync()
            yield point / "restored"
        finally:
            quietly("umount", point)
            wipe(image, point)


def in_own_mount_namespace():
    """Starts this program again where its mounts vanish with it, whatever ends it. Only root can and needs to."""
    if os.geteuid() != 0 or os.environ.get("VARVE_BENCH_NAMESPACE") or not shutil.which("unshare"):
        return
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0:
        os.environ["VARVE_BENCH_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "-m", "--propagation", "private", sys.executable, *sys.argv])


def machine(work):
    """What absolute times depend on."""
    model, features = "unknown processor", set()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            model = value.strip()
        elif key.strip() in ("flags", "Features"):
            features |= set(value.split())
    known = [("avx512vl", "AVX-512"), ("avx2", "AVX2"), ("vaes", "VAES"), ("sha_ni", "SHA-NI"), ("asimd", "NEON")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kind = subprocess.run(["stat", "-f", "-c", "%T", work], capture_output=True, text=True).stdout.strip()
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "features": [name for flag, name in known if flag in features],
        "memory": f"{memory / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "file_system": "ext4" if kind == "ext2/ext3" else kind,
        "load": round(os.getloadavg()[0], 2),
    }
