"""Draws the charts: how many times longer each peer takes than varve, and cost against size. SVG, no dependency."""

import math
from xml.sax.saxutils import escape

from harness.goals import PEERS, fastest_peer, goals, own_wall, quotient, wall
from harness.report import megabytes, seconds, times

# name: (on a light background, on a dark one)
COLOURS = {
    "paper": ("#ffffff", "#0d1117"),
    "ink": ("#1f2328", "#e6edf3"),
    "faint": ("#656d76", "#8d96a0"),
    "rule": ("#dfe3e8", "#2a313a"),
    "base": ("#1f2328", "#e6edf3"),
    "restic": ("#2f6fb7", "#5aa2ee"),
    "borg": ("#c9622b", "#ee8b52"),
    "plain": ("#9aa3ad", "#6b7582"),
    "varve": ("#1a7f5a", "#3fb98a"),
    "violet": ("#8250df", "#b58bf5"),
    "good": ("#1a7f37", "#3fb950"),
    "bad": ("#cf222e", "#f85149"),
}
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif"

TITLES = {
    "nothing changed": "nothing changed (--quick)",
    "second version": "second version (--quick)",
    "drop the first, reclaim": "drop the first, reclaim",
}


def style(theme):
    def rules(index):
        return "".join(
            f".{name}{{fill:{shades[index]}}} .{name}-line{{stroke:{shades[index]}}}" for name, shades in COLOURS.items()
        )

    text = f"text{{font-family:{FONT};font-size:13px}} .title{{font-size:22px;font-weight:600}}"
    text += " .head{font-size:16px;font-weight:600} .small{font-size:11.5px} .end{text-anchor:end}"
    text += " .halo{paint-order:stroke;stroke-width:4px;stroke-linejoin:round}"
    text += " .middle{text-anchor:middle} .strong{font-weight:600}"
    if theme == "dark":
        return text + rules(1)
    if theme == "light":
        return text + rules(0)
    return text + rules(0) + "@media (prefers-color-scheme: dark){" + rules(1) + "}"


class Drawing:
    def __init__(self):
        self.parts = []

    def text(self, x, y, content, *classes):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{" ".join(classes)}">{escape(content)}</text>')

    def box(self, x, y, width, height, name, radius=2):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" rx="{radius}"'
            f' class="{name}"/>'
        )

    def line(self, x1, y1, x2, y2, name, width=1.0, dash=""):
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{name}-line"'
            f' stroke-width="{width}"{dashes}/>'
        )

    def path(self, points, name):
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{steps}" fill="none" class="{name}-line" stroke-width="2"/>')

    def dot(self, x, y, name):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="{name}"/>')

    def ring(self, x, y, name):
        self.parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" fill="none" class="{name}-line" stroke-width="2"/>'
        )

    def mark(self, x, y, name, size=5):
        self.parts.append(
            f'<path d="M{x:.1f} {y - size:.1f} l{size} {size} l-{size} {size} l-{size} -{size} z" class="{name}"/>'
        )

    def document(self, width, height, label, theme="auto"):
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" width="{width}"'
            f' height="{height:.0f}" role="img" aria-label="{escape(label)}"><style>{style(theme)}</style>'
        )
        body = f'<rect width="{width}" height="{height:.0f}" class="paper"/>' + "\n".join(self.parts)
        return head + "\n" + body + "\n</svg>\n"


# --- peers ---------------------------------------------------------------------------------------------------------

PANEL_WIDTH = 590
LABELS = 190  # room for the names of cases
ENDING = 128  # room for what stands at the end of a bar
BAR, GAP, AIR = 10, 2, 15


def rows(corpus, results):
    """(title, what varve takes, [(tool, class, times longer)], goal): what a panel shows."""
    all_goals = goals(corpus, results)
    found = []
    for case, labels in results["cases"].items():
        own = own_wall(results, case)
        if not own:
            continue
        bars = [(label, label if label in PEERS else "plain", wall(results, case, label) / own)
                for label in labels if not label.startswith("varve")]
        goal = next((goal for goal in all_goals if goal.case == case and goal.at_least), None)
        found.append((TITLES.get(case, case), seconds(own) + " s", bars, goal, own))
    sizes = results["sizes"].get("repository", {})
    if "varve" in sizes and len(sizes) > 1:
        own = sizes["varve"]
        bars = [(label, label if label in PEERS else "plain", size / own)
                for label, size in sizes.items() if label != "varve"]
        found.append(("repository size", megabytes(own) + " MB", bars, None, own))
    return found


def peers(run, theme="auto"):
    """Bars to the right of the line: the tool takes so many times longer than varve; to the left: it is faster."""
    panels = [(corpus, results, rows(corpus, results)) for corpus, results in run["corpora"].items()]
    ratios = [bar[2] for _, _, found in panels for row in found for bar in row[2]]
    low, high = min([0.5, *ratios]), max([10, *ratios])
    drawing = Drawing()
    columns = 2 if len(panels) > 1 else 1
    width = max(24 + columns * (PANEL_WIDTH + 24), 720)
    header(drawing, run, width)
    bottoms = [104.0] * columns
    for corpus, results, found in panels:
        column = bottoms.index(min(bottoms))
        left = 24 + column * (PANEL_WIDTH + 24)
        bottoms[column] = panel(drawing, left, bottoms[column], corpus, results, found, (low, high)) + 26
    return drawing.document(width, max(bottoms), "How many times longer than varve each tool takes", theme)


def header(drawing, run, width):
    versions = run["versions"]
    drawing.text(24, 38, f"How many times longer than varve {versions['varve']} they take", "title", "ink")
    machine = run["machine"]
    rounds = "one round" if run["rounds"] == 1 else f"medians of {run['rounds']} rounds"
    about = f"{run['date']}, {rounds}, {machine['cores']} cores, encrypted, default settings"
    drawing.text(24, 60, about, "faint")
    x = 24
    for name in PEERS:
        if name in versions:
            x = legend(drawing, x, name, f"{name} {versions[name]}")
    x = legend(drawing, x, "plain", "a plain tool, named")
    for name, said in (("good", "goal, reached"), ("bad", "goal, not reached")):
        drawing.mark(x + 6, 80, name)
        drawing.text(x + 17, 84, said, "ink")
        x += 17 + 7.4 * len(said) + 14


def legend(drawing, x, name, said):
    drawing.box(x, 75, 12, BAR, name)
    drawing.text(x + 18, 84, said, "ink")
    return x + 18 + 7.4 * len(said) + 14


def panel(drawing, left, top, corpus, results, found, scale):
    low, high = scale
    begin, end = left + LABELS, left + PANEL_WIDTH - ENDING
    unit = (end - begin) / math.log(high / low)

    def at(ratio):
        return begin + unit * math.log(ratio / low)

    drawing.text(left, top + 18, corpus, "head", "ink")
    said = f"{megabytes(results['bytes'])} MB in {results['files']:,} file" + ("s" if results["files"] != 1 else "")
    drawing.text(left + 14 + 10.5 * len(corpus), top + 18, said, "faint")
    top += 50
    heights = [max(2, len(row[2])) * (BAR + GAP) + AIR for row in found]
    bottom = top + sum(heights)
    for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500):
        if low <= tick <= high and tick != 1:
            drawing.line(at(tick), top - 8, at(tick), bottom - AIR / 2, "rule")
            drawing.text(at(tick), top - 13, f"{tick:g}x", "small", "middle", "faint")
    drawing.text(at(1), top - 13, "varve", "small", "middle", "strong", "varve")
    for (title, own, bars, goal, _), height in zip(found, heights):
        middle = top + (height - AIR) / 2
        drawing.text(begin - 14, middle, title, "end", "ink")
        drawing.text(begin - 14, middle + 14, "varve " + own, "end", "small", "varve")
        y = top + (height - AIR - len(bars) * (BAR + GAP)) / 2
        rivals = sum(name != "plain" for _, name, _ in bars) * (BAR + GAP)
        for index, (_, name, ratio) in enumerate(bars):
            x1, x2 = sorted((at(1), at(ratio)))
            drawing.box(x1, y + index * (BAR + GAP), x2 - x1, BAR, name)
        if goal and goal.reached is not None and low <= goal.bound <= high:
            name = "good" if goal.reached else "bad"
            drawing.line(at(goal.bound), y - 3, at(goal.bound), y + rivals + 1, name, 1.5)
            drawing.mark(at(goal.bound), y - 4, name, 4)
        for label, name, ratio in bars:
            x = max(at(ratio), at(1)) + 7
            if name == "plain":
                said = f"{times(ratio) if ratio >= 1 else f'{ratio:.2f}x'} {label}"
                drawing.text(x, y + BAR - 0.5, said, "small", "halo", "paper-line", "faint")
            else:
                drawing.text(x, y + BAR - 0.5, times(ratio), "small", "halo", "paper-line", "strong", "ink")
            y += BAR + GAP
        top += height
    drawing.line(at(1), top - sum(heights) - 8, at(1), bottom - AIR / 2, "varve", 2)
    return bottom


# --- cost against size ---------------------------------------------------------------------------------------------


PALETTE = ["varve", "restic", "borg", "violet", "plain", "ink"]
SIDE, HEIGHT, MARGIN, TAIL = 330, 230, 74, 216


def scale(title, about, panels, theme="auto"):
    """Log-log charts, two in a row. A panel has a heading, the units of its axes, perhaps the least range of y and a
    limit, and lines: (name, colour, [(size, cost)])."""
    drawing = Drawing()
    drawing.text(24, 38, title, "title", "ink")
    drawing.text(24, 60, about, "faint")
    for number, panel in enumerate(panels):
        left = 24 + MARGIN + number % 2 * (SIDE + MARGIN + TAIL)
        top = 118 + number // 2 * (HEIGHT + 92)
        xs = [size for _, _, points in panel["lines"] for size, _ in points]
        ys = [cost for _, _, points in panel["lines"] for _, cost in points] + panel.get("range", [])
        x_of = axis_of(min(xs), max(xs), left, left + SIDE)
        y_of = axis_of(min(ys), max(ys), top + HEIGHT, top)
        drawing.text(left, top - 16, panel["heading"], "head", "ink")
        for value, x in decades(x_of):
            drawing.line(x, top, x, top + HEIGHT, "rule")
            drawing.text(x, top + HEIGHT + 17, counted(value), "small", "middle", "faint")
        for value, y in decades(y_of):
            drawing.line(left, y, left + SIDE, y, "rule")
            said = lasting(value) if panel["y"] == "s" else f"{value:g} {panel['y']}"
            drawing.text(left - 8, y + 4, said, "small", "end", "faint")
        drawing.text(left + SIDE / 2, top + HEIGHT + 35, panel["x"], "middle", "small", "faint")
        if "limit" in panel:
            drawing.line(left, y_of(panel["limit"]), left + SIDE, y_of(panel["limit"]), "bad", 1.5, "5 4")
            said = f"goal: {panel['limit']} {panel['y']}"
            drawing.text(left + 6, y_of(panel["limit"]) - 6, said, "small", "halo", "paper-line", "bad")
        if panel.get("linear"):
            linear(drawing, panel["lines"][0][2], x_of, y_of)
        curves(drawing, panel["lines"], x_of, y_of)
    rows = (len(panels) + 1) // 2
    width = 24 + min(2, len(panels)) * (SIDE + MARGIN + TAIL)
    return drawing.document(width, 118 + rows * (HEIGHT + 92) - 30, title, theme)


def linear(drawing, points, x_of, y_of):
    """What the cost would be if it were in proportion to the size, from the largest measurement down."""
    size, cost = points[-1]
    # The same factor on both axes, so far as both reach.
    factor = min(size / 10 ** x_of.decades[0], cost / 10 ** y_of.decades[0])
    drawing.line(x_of(size), y_of(cost), x_of(size / factor), y_of(cost / factor), "plain", 1.5, "2 4")


def curves(drawing, lines, x_of, y_of):
    """The names stand at the ends of the lines, moved apart where they would touch."""
    ends = []
    for name, colour, points in lines:
        places = [(x_of(size), y_of(cost)) for size, cost in points]
        drawing.path(places, colour)
        for x, y in places:
            drawing.dot(x, y, colour)
        ends.append((places[-1][1] + 4, places[-1][0] + 10, name, colour))
    last = -100
    for y, x, name, colour in sorted(ends):
        last = max(y, last + 14)
        drawing.text(x, last, name, "small", "strong", "halo", "paper-line", colour)


def axis_of(low, high, begin, end):
    low, high = math.floor(math.log10(low)), math.ceil(math.log10(high))
    high = max(high, low + 1)

    def place(value):
        return begin + (end - begin) * (math.log10(value) - low) / (high - low)

    place.decades = range(low, high + 1)
    return place


def decades(axis):
    """The powers of ten on an axis, with their places."""
    return [(10.0**power, axis(10.0**power)) for power in axis.decades]


def decades_between(low, high):
    """1, 2 and 5 times the powers of ten from low to high."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    return [value for value in values if low <= value <= high]


def counted(value):
    for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{name}"
    return f"{value:g}"


def lasting(value):
    for size, name in ((1, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")):
        if value >= size * 0.999:
            return f"{round(value / size)} {name}"
    return f"{value:g} s"
