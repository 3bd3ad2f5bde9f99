# The corpus of `compare --quick`, two versions: 20,000 small files (make-small.py) and four of 24 MB, two of words and
# two incompressible, seeded; in the second version every hundredth file has a line more, 20 files are new, and one
# stretch in the middle of each large file differs.
import os
import pathlib
import random
import shutil
import subprocess
import sys

first, second = map(pathlib.Path, sys.argv[1:3])
here = pathlib.Path(__file__).resolve().parent
environment = {**os.environ, "N": "20000"}
subprocess.run([sys.executable, here / "make-small.py", first], env=environment, check=True)
R = random.Random(4711)
LARGE = 24_000_000
vocabulary = ["".join(R.choices("abcdefghijklmnopqrstuvwxyz", k=R.randint(2, 9))) for _ in range(4000)]
for number in range(4):
    if number < 2:
        text = " ".join(R.choices(vocabulary, k=LARGE // 6))
        content = text.encode()[:LARGE]
    else:
        content = R.randbytes(LARGE)
    path = first / f"large{number}"
    path.write_bytes(content)
    os.utime(path, (1_700_000_000, 1_700_000_000))
shutil.copytree(first, second, symlinks=True)
files = sorted(path for path in second.rglob("f*") if path.is_file())
for path in files[::100]:
    with open(path, "ab") as file:
        file.write(b"one line more\n")
for number in range(20):
    (second / "d00" / f"new{number}").write_bytes(R.randbytes(2000))
for number in range(4):
    with open(second / f"large{number}", "r+b") as file:
        file.seek(LARGE // 2)
        file.write(R.randbytes(100_000))
