#!/usr/bin/env python3
"""Makes the tree that cost.sh measures: make-cost-tree.py DIR. The same bytes and times whenever and wherever."""

import os
import random
import sys

FOLDERS, FILES, WORDS, TIME = 20, 50, 3000, 1_700_000_000

LETTERS = "etaoinshrdlucmfwypvbgkjqxz_"

source = random.Random(20261121)
words = ["".join(source.choice(LETTERS) for _ in range(source.randint(2, 9))) for _ in range(WORDS)]


def text(count):
    """Words of which few are frequent: compresses as prose and programs do."""
    found, length = [], 0
    while length < count:
        word = words[int(WORDS * source.random() * source.random())]
        found.append(word)
        length += len(word) + 1
    return " ".join(found)[:count].encode()


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


root = sys.argv[1]
for folder in range(FOLDERS):
    os.makedirs(f"{root}/folder-{folder:02}")
    for number in range(FILES):
        # Most files are short, a few long.
        write(f"{root}/folder-{folder:02}/{number:03}.txt", text(min(int(700 * source.paretovariate(1.1)), 60_000)))
write(f"{root}/long.txt", text(3_000_000))
write(f"{root}/noise", source.randbytes(2_000_000))
for folder, _, names in os.walk(root, topdown=False):
    for name in [*names, "."]:
        os.chmod(f"{folder}/{name}", 0o755 if name == "." else 0o644)
        os.utime(f"{folder}/{name}", (TIME, TIME))
