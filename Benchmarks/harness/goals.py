"""The goals against the peers: varve against the fastest peer in the same run, encrypted, default settings."""

import dataclasses
import statistics

PEERS = ("restic", "borg")
MEMORY_GOAL = 128  # MiB

# What is in the way of goals that are missed, by corpus, case and the beginning of the goal's text; docs/PERFORMANCE.md
# has the figures. Shown only where a run misses the goal.
REASONS = {
    ("linux", "first backup", "5x"):
        "58 % of the processor time is zstd at level 1 and decoding what it made once more; both cores are busy",
    ("linux", "nothing changed", "15x"):
        "a third of the processor time is the kernel's, for a stat and the name of each file; both cores are busy",
    ("linux", "second version", "8x"):
        "a third of the processor time is that of a backup with nothing changed, most else compresses what is new",
    ("linux", "restore", "4x"):
        "cp -a, which only copies, is less than twice as fast as the fastest peer: making the files takes the time",
    ("linux", "drop the first", "5x"):
        "two thirds of the processor time is zstd: a frame with too many dead bytes has to be decoded and made anew",
    ("small", "first backup", "6x"):
        "six tenths of the processor time is the kernel's, to find, open and read 200,000 files",
    ("small", "nothing changed", "15x"):
        "a third of the processor time is the kernel's, for a stat of each file; the rest looks up what each had",
    ("small", "restore", "4x"):
        "more than half of the processor time is the kernel's, to make 200,000 files; cp -a takes longer",
    ("media", "first backup", "4x"):
        "nothing can be left out: names of packs (SHA-256) and of blobs take 45 % of the processor time, cuts 11",
    ("media", "first backup", "at most 1x"):
        "tar | zstd finds that nothing compresses, and neither cuts, names nor encrypts anything",
    ("media", "restore", "4x"):
        "half of the processor time is the kernel's, to read packs, write files and read them back",
    ("media", "restore", "at most 1x"):
        "cp copies within the kernel; a restore hashes and decrypts, and reads back what it wrote",
    ("media", "verify all data", "3.5x"):
        "45 % of the processor time is SHA-256 of the packs for their names, a quarter the ids of blobs",
    ("db", "first backup", "4x"):
        "compressing at level 1 and decoding that keeps both cores busy: tar | zstd is no faster",
    ("db", "first backup", "at most 1x"):
        "both compress the same bytes on both cores; varve also names every page and decodes what it encoded",
    ("db", "restore", "4x"):
        "cp -a, which only copies, is two to three times as fast as the fastest peer",
    ("db", "restore", "at most 1x"):
        "two cores decode and hash what cp only copies: half of the processor time, before anything is written",
    ("db", "verify all data", "3.5x"):
        "decoding is six tenths of the processor time and hashing a quarter; both cores are busy",
    ("db", "verify structure", "10x"):
        "288 thousand ids, one a page, stand in packs, lists and index, and are compared with each other",
}


@dataclasses.dataclass
class Goal:
    case: str
    text: str
    ratio: float | None  # None: not measured
    bound: float
    at_least: bool = False
    # What is in the way, as far as that is known.
    reason: str | None = None

    @property
    def reached(self):
        if self.ratio is None:
            return None
        return self.ratio >= self.bound if self.at_least else self.ratio <= self.bound

    @property
    def verdict(self):
        if self.reached is None:
            return "not measured"
        return "reached" if self.reached else "**not reached**"


def wall(results, case, label):
    costs = results["cases"].get(case, {}).get(label)
    return statistics.median(cost["wall"] for cost in costs) if costs else None


def own_wall(results, case):
    """Where two kinds of backup were measured, the goals speak of the quick one."""
    return wall(results, case, "varve") or wall(results, case, "varve --quick")


def fastest_peer(results, case):
    times = [time for time in (wall(results, case, peer) for peer in PEERS) if time]
    return min(times, default=None)


def quotient(above, below):
    return above / below if above and below else None


def goals(corpus, results):
    """Every goal that applies to a corpus; `quick` is held to the times of `linux`, of which it is a sketch."""
    kind = "linux" if corpus == "quick" else corpus
    found = []

    def times_faster(case, factor):
        ratio = quotient(fastest_peer(results, case), own_wall(results, case))
        found.append(Goal(case, f"{factor:g}x the fastest peer", ratio, factor, at_least=True))

    def at_most(case, label, factor):
        ratio = quotient(own_wall(results, case), wall(results, case, label))
        found.append(Goal(case, f"at most {factor:g}x of {label}", ratio, factor))

    def size(case, text, bound):
        sizes = results["sizes"].get(case, {})
        peers = [sizes[peer] for peer in PEERS if peer in sizes]
        found.append(Goal(case, text, quotient(sizes.get("varve"), min(peers, default=None)), bound))

    times_faster("first backup", {"linux": 5, "small": 6}.get(kind, 4))
    at_most("first backup", "tar | zstd -3 -T0", 1)
    if kind in ("linux", "small"):
        times_faster("nothing changed", 15)
        at_most("nothing changed", "find -printf", 1.2)
    if kind == "linux":
        times_faster("second version", 8)
    times_faster("restore", 4)
    at_most("restore", "cp -a", 1)
    times_faster("verify all data", 3.5)
    times_faster("verify structure", 10)
    for case in ("list", "show", "one small file"):
        if case in results["cases"]:
            times_faster(case, 10)
    if corpus == "linux":
        size("repository", "0.87 of the smallest peer", 0.87)
    if kind == "linux":
        times_faster("drop the first, reclaim", 5)
        found.append(Goal("drop the first, reclaim", "at most 2 % unused", results.get("unused"), 0.02))
    if kind == "db":
        size("added by the second version", "1/6 of the smallest peer", 1 / 6)
    peak = results["peaks"].get("varve")
    found.append(Goal("peak memory", f"at most {MEMORY_GOAL} MiB", peak / 1024 if peak else None, MEMORY_GOAL))
    for goal in found:
        goal.reason = reason(kind, goal)
    return found


def reason(kind, goal):
    for (corpus, case, text), words in REASONS.items():
        if corpus == kind and goal.case.startswith(case) and goal.text.startswith(text):
            return words
    return None
