"""Draws the curve that the default level is chosen by: size of the repository against time of the first backup."""

import math
import statistics

from harness.chart import Drawing, decades_between
from harness.goals import PEERS, wall
from harness.report import megabytes, seconds

LEFT, TOP, WIDTH, HEIGHT = 86, 118, 560, 340


def others(results):
    """(name, class, seconds, bytes) of whoever keeps a repository or an archive."""
    sizes = results["sizes"].get("repository", {})
    for name, size in sizes.items():
        time = wall(results, "first backup", name)
        if name != "varve" and time:
            yield name, name if name in PEERS else "plain", time, size


def levels(run, corpus, theme="auto"):
    """Nearer to the lower left corner is better. The default is the level whose point has a ring."""
    results = run["corpora"][corpus]
    curve = [(level, statistics.median(cost["wall"] for cost in found["costs"]), found["bytes"])
             for level, found in results["levels"].items()]
    peers = list(others(results))
    times = [time for _, time, _ in curve] + [time for _, _, time, _ in peers]
    sizes = [size for _, _, size in curve] + [size for *_, size in peers]
    low, high = min(times) / 1.25, max(times) * 1.35
    floor, ceiling = min(sizes) - 0.12 * (max(sizes) - min(sizes)), max(sizes) + 0.12 * (max(sizes) - min(sizes))

    def x_of(time):
        return LEFT + WIDTH * math.log(time / low) / math.log(high / low)

    def y_of(size):
        return TOP + HEIGHT * (ceiling - size) / (ceiling - floor)

    drawing = Drawing()
    drawing.text(24, 38, "What a level of compression costs and saves", "title", "ink")
    host = run["machine"]
    about = (f"first backup of {corpus}, {megabytes(results['bytes'])} MB, varve {run['versions']['varve']},"
             f" {run['date']}, {host['cores']} cores; down and left is better")
    drawing.text(24, 60, about, "faint")
    frame(drawing, (low, high), (floor, ceiling), x_of, y_of)
    bounds(drawing, [size for name, _, _, size in peers if name in PEERS], (floor, ceiling), y_of)
    drawing.path([(x_of(time), y_of(size)) for _, time, size in curve], "varve")
    for name, colour, time, size in peers:
        drawing.dot(x_of(time), y_of(size), colour)
        drawing.text(x_of(time) + 9, y_of(size) - 6, name, "small", "strong", "halo", "paper-line", "ink")
    default = default_level(results, curve)
    taken = []
    for level, time, size in curve:
        x, y = x_of(time), y_of(size)
        drawing.dot(x, y, "varve")
        if level == default:
            drawing.ring(x, y, "varve")
        x, y = x + 10, free_height(taken, x + 10, y)
        said = f"level {level}, the default" if level == default else f"level {level}"
        drawing.text(x, y - 8, said, "small", "strong", "halo", "paper-line", "varve")
        drawing.text(x, y + 6, f"{seconds(time)} s, {megabytes(size)} MB", "small", "halo", "paper-line", "faint")
    return drawing.document(LEFT + WIDTH + 150, TOP + HEIGHT + 64, "Size against time by compression level", theme)


def free_height(taken, x, y):
    """Where a label of two lines hides none of those that are there: beside its point, else below or above."""
    for shift in (0, 26, -26, 52, -52):
        if all(abs(x - left) > 120 or abs(y + shift - height) > 26 for left, height in taken):
            break
    taken.append((x, y + shift))
    return y + shift


def default_level(results, curve):
    """The level whose repository is of the size that a backup without the option made."""
    size = results["sizes"].get("repository", {}).get("varve")
    nearest = min(curve, key=lambda point: abs(point[2] - size)) if size else None
    return nearest[0] if nearest and abs(nearest[2] / size - 1) < 0.01 else None


def frame(drawing, times, sizes, x_of, y_of):
    for value in decades_between(*times):
        drawing.line(x_of(value), TOP, x_of(value), TOP + HEIGHT, "rule")
        drawing.text(x_of(value), TOP + HEIGHT + 18, f"{value:g} s", "small", "middle", "faint")
    step = 10 ** math.floor(math.log10(sizes[1] - sizes[0]))
    step /= 2 if (sizes[1] - sizes[0]) / step < 4 else 1
    for number in range(math.ceil(sizes[0] / step), math.floor(sizes[1] / step) + 1):
        y = y_of(number * step)
        drawing.line(LEFT, y, LEFT + WIDTH, y, "rule")
        drawing.text(LEFT - 8, y + 4, f"{number * step / 1e6:g} MB", "small", "end", "faint")
    said = "time of the first backup (logarithmic)"
    drawing.text(LEFT + WIDTH / 2, TOP + HEIGHT + 38, said, "small", "middle", "faint")
    drawing.text(LEFT - 62, TOP - 14, "size of the repository", "small", "faint")


def bounds(drawing, peers, sizes, y_of):
    """The goals of the default level and of level 3, where they lie on the chart."""
    for factor, said in ((0.87, "goal of the default: 0.87 of the smallest peer"), (0.8, "goal of level 3: 0.80")):
        value = factor * min(peers, default=0)
        if sizes[0] <= value <= sizes[1]:
            drawing.line(LEFT, y_of(value), LEFT + WIDTH, y_of(value), "bad", 1.5, "5 4")
            drawing.text(LEFT + WIDTH - 4, y_of(value) - 6, said, "small", "end", "halo", "paper-line", "bad")
