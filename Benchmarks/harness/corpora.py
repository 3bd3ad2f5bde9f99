"""The corpora, and the tree that is backed up: one directory that goes from the first version to the second and back."""

import dataclasses
import time

from harness.measure import quietly, tree_size, wipe


@dataclasses.dataclass
class Corpus:
    name: str
    first: str
    second: str | None
    about: str

    @property
    def versions(self):
        return [name for name in (self.first, self.second) if name]


CORPORA = [
    Corpus("linux", "linux-v1", "linux-v2", "the sources of Linux 6.1.176, then 6.1.192"),
    Corpus("small", "small", None, "files of 0 to 4 KiB: text, random bytes, duplicates"),
    Corpus("media", "media", None, "files that do not compress"),
    Corpus("db", "db-v1", "db-v2", "one SQLite database, then 1 % of its rows updated at random"),
    Corpus("quick", "quick-v1", "quick-v2", "small files and four large ones, then one file in a hundred changed"),
]


def make(corpus, folder, here):
    """Makes what is not there, or was begun and not finished."""
    folder.mkdir(parents=True, exist_ok=True)
    begun = folder / f".{corpus.name}-is-being-made"
    if begun.exists() or not all((folder / name).is_dir() for name in corpus.versions):
        begun.touch()
        quietly(here / "make-corpora.sh", folder, corpus.name)
        begun.unlink()


class LiveTree:
    """Every tool sees one directory, whose unchanged files stay untouched when the version changes, as in life."""

    # Quick backups trust the times of what had rested for two seconds when it was read.
    REST = 2.2

    def __init__(self, folder, corpus, path):
        self.folder, self.corpus, self.path = folder, corpus, path
        wipe(path)
        quietly("cp", "-a", folder / corpus.first, path)
        self.bytes, self.files = tree_size(path)
        self.small_file = self.choose_small_file()

    def become(self, version):
        """Only what differs in content is written, and it gets new times."""
        quietly("rsync", "-rlpgoD", "--checksum", "--delete", f"{self.folder / version}/", f"{self.path}/")
        time.sleep(self.REST)

    def choose_small_file(self):
        """A file of a few KiB from the middle of the tree, the same in every run; None where there is none."""
        names = quietly("find", self.path, "-type", "f", "-size", "+1k", "-size", "-16k").split("\n")
        names = sorted(name for name in names if name)
        return names[len(names) // 2] if names else None
