"""Writes what was measured as Markdown."""

import statistics

from harness.goals import PEERS, fastest_peer, goals, own_wall, quotient


def seconds(value):
    if value is None:
        return ""
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def times(ratio):
    return "" if ratio is None else f"{ratio:.1f}x" if ratio < 10 else f"{ratio:.0f}x"


def megabytes(count):
    return f"{count / 1e6:.1f}" if count < 1e9 else f"{count / 1e6:,.0f}"


def median(costs, field="wall"):
    return statistics.median(cost[field] for cost in costs)


def verdicts(all_goals, case):
    known = explained(all_goals)
    lines = []
    for goal in all_goals:
        if goal.case == case:
            own = "" if goal.ratio is None else " (" + figure(goal) + ")"
            note = f" [{known.index(goal) + 1}]" if goal in known else ""
            lines.append(f"{goal.text}: {goal.verdict}{own}{note}")
    return "<br>".join(lines)


def explained(all_goals):
    """Goals that are missed and of which it is known why, in the order of their notes."""
    return [goal for goal in all_goals if goal.reached is False and goal.reason]


def notes(all_goals):
    """What is in the way of the goals that are missed."""
    lines = [
        f"{number}. {goal.case}, {goal.text}: {goal.reason}." for number, goal in enumerate(explained(all_goals), start=1)
    ]
    return ["What is in the way (docs/PERFORMANCE.md):", "", *lines] if lines else []


def figure(goal):
    if goal.text.endswith("MiB"):
        return f"{goal.ratio:.0f} MiB"
    if goal.text.endswith("unused"):
        return f"{100 * goal.ratio:.1f} %"
    return times(goal.ratio) if goal.at_least else f"{goal.ratio:.3f}x"


def table(corpus, results):
    """One row for each case: medians of the wall times, how many times longer the fastest peer takes, the goals."""
    all_goals = goals(corpus, results)
    lines = [
        "| case (s) | varve | " + " | ".join(PEERS) + " | plain tools | the fastest peer takes | goals |",
        "|---|--:|--:|--:|---|--:|---|",
    ]
    for case, labels in results["cases"].items():
        own = [label for label in labels if label.startswith("varve")]
        plain = [label for label in labels if label not in own and label not in PEERS]
        cells = [
            case,
            "<br>".join(
                f"**{seconds(median(labels[label]))}**" + (f" {label[6:]}" if label != "varve" else "") for label in own
            )
            or "no such command yet",
            *(seconds(median(labels[peer])) if peer in labels else "" for peer in PEERS),
            "<br>".join(f"{label} {seconds(median(labels[label]))}" for label in plain),
            times(quotient(fastest_peer(results, case), own_wall(results, case))),
            verdicts(all_goals, case),
        ]
        lines.append("| " + " | ".join(escaped(cell) for cell in cells) + " |")
    for case, sizes in results["sizes"].items():
        plain = [label for label in sizes if label not in ("varve", *PEERS)]
        ratio = quotient(min((sizes[peer] for peer in PEERS if peer in sizes), default=None), sizes.get("varve"))
        cells = [
            f"{case}, MB",
            f"**{megabytes(sizes['varve'])}**" if "varve" in sizes else "",
            *(megabytes(sizes[peer]) if peer in sizes else "" for peer in PEERS),
            "<br>".join(f"{label} {megabytes(sizes[label])}" for label in plain),
            f"{ratio:.2f}x" if ratio else "",
            verdicts(all_goals, case),
        ]
        lines.append("| " + " | ".join(escaped(cell) for cell in cells) + " |")
    peaks = results["peaks"]
    cells = ["peak memory, MiB", *(f"{peaks[name] / 1024:.0f}" if name in peaks else "" for name in ("varve", *PEERS))]
    lines.append("| " + " | ".join([*cells, "", "", verdicts(all_goals, "peak memory")]) + " |")
    return lines


def escaped(cell):
    return cell.replace("|", "\\|")


def details(results):
    """The spread, processor time and memory behind the medians."""
    lines = [
        "<details><summary>Spread, processor time and memory</summary>",
        "",
        "| case | tool | median s | least to most | CPU s | peak MiB |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for case, labels in results["cases"].items():
        for label, costs in labels.items():
            walls = [cost["wall"] for cost in costs]
            memory = max(cost["memory"] for cost in costs) / 1024
            cells = [
                case,
                escaped(label),
                seconds(median(costs)),
                f"{seconds(min(walls))} to {seconds(max(walls))}",
                seconds(median(costs, "cpu")),
                f"{memory:.0f}" if memory else "not known",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return [*lines, "", "</details>"]


def levels(results, curve_name):
    lines = [
        "First backup by compression level, medians:",
        "",
        f"![size of the repository against time by level]({curve_name})",
        "",
        "| level | s | CPU s | MB | of the default |",
        "|---|--:|--:|--:|--:|",
    ]
    default = results["sizes"].get("repository", {}).get("varve")
    for level, measured in results["levels"].items():
        size = measured["bytes"]
        ratio = f"{size / default:.2f}" if default else ""
        wall, cpu = median(measured["costs"]), median(measured["costs"], "cpu")
        lines.append(f"| {level} | {seconds(wall)} | {seconds(cpu)} | {megabytes(size)} | {ratio} |")
    return lines


def curve_name(chart_name):
    """Levels are measured on one corpus of a run."""
    return chart_name.removesuffix(".svg") + "-levels.svg"


def document(run, chart_name):
    machine = run["machine"]
    features = f" ({', '.join(machine['features'])})" if machine["features"] else ""
    versions = ", ".join(f"{name.split()[0]} {version}" for name, version in run["versions"].items())
    rounds = "one round" if run["rounds"] == 1 else f"medians of {run['rounds']} rounds"
    lines = [
        f"# varve beside its peers, {run['date']}",
        "",
        f"`{run['command']}`: every round runs each tool once on the same work, each step after a `sync`, with the page",
        f"cache warm; {rounds}. Absolute times move from run to run: quote the ratios.",
        "",
        f"- {versions}.",
        f"- {machine['cores']} cores of {machine['processor']}{features}, {machine['memory']}, {machine['kernel']},"
        f" {machine['file_system']}; load {machine['load']} when it began.",
        "- varve: encrypted, key file, default settings, what was encoded decoded again. restic: `--compression auto`;"
        " borg: `repokey-blake2`, `zstd,3`; both with a password, whose derivation is part of every command.",
        "- What creates many files (restores, the copy of rsync) writes to " + run["target"] + ".",
    ]
    lines += [f"- Absent: {name}." for name in run["absent"]]
    lines += [f"- {note}" for note in run["notes"]]
    lines += ["", f"![how many times longer the others take]({chart_name})"]
    for corpus, results in run["corpora"].items():
        lines += ["", f"## {corpus}", "", f"{results['about']}: {megabytes(results['bytes'])} MB in"]
        lines[-1] += f" {results['files']:,} files."
        lines += ["", *table(corpus, results)]
        missed = notes(goals(corpus, results))
        if missed:
            lines += ["", *missed]
        if results.get("levels"):
            lines += ["", *levels(results, curve_name(chart_name))]
        lines += ["", *details(results)]
    return "\n".join(lines) + "\n"
