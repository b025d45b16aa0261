"""What was measured, as a table in the terminal, as Markdown and as JSON."""

import json
import os
import platform
import statistics
from pathlib import Path

from inputs import LATENCY

# How a run ends.
EQUAL, WRONG, FAILED, GIVEN_UP = "equal", "WRONG", "failed", "given up"

# What a rate is compared with, and where that is to be found in a row.
COMPARED = {
    "tidegate": ("of Tidegate", "of_tidegate"),
    "bare-loop": ("of a bare loop", "of_loop"),
    "rdkafka-loop": ("of one in rdkafka", "of_rdkafka_loop"),
}

# What is told of latencies, and how it is called.
LATENCIES = {"p50_ms": "p50", "p99_ms": "p99", "max_ms": "max"}


def in_words(run):
    if run["outcome"] != EQUAL:
        return f"{run['outcome']}: {run['reason']}"
    if "rate" in run:
        latencies = ", ".join(f"{run[at]:.1f} ms {name}" for at, name in LATENCIES.items())
        return f"at {run['rate']:,.0f} records/s {latencies}"
    return f"{run['total_s']:.2f} s, of which {run['startup_s']:.2f} s to start and end"


def begun(workload, system, samples):
    """A row without figures."""
    about = {"name": system.name, "version": system.version(), "note": system.notes[workload.lane]}
    about["is_peer"] = system.is_peer
    # A system is not run again once it has failed.
    return {**about, "samples": samples, "outcome": samples[-1]["outcome"]}


def summary(workload, systems, runs):
    """Medians for each system, beside the rates of Tidegate and of the bare loops, if they ran."""
    rows = []
    for system in systems:
        samples = runs[system.name]
        row = begun(workload, system, samples)
        if row["outcome"] == EQUAL:
            row["startup_s"] = statistics.median(sample["startup_s"] for sample in samples)
            if "rows_written" in samples[-1]:
                row["rows_written"] = samples[-1]["rows_written"]
            total_s = statistics.median(sample["total_s"] for sample in samples)
            row["run_s"] = total_s - row["startup_s"]
            # What is this short is how start-ups vary.
            if row["run_s"] > row["startup_s"] / 10:
                row["records_per_s"] = workload.records / row["run_s"]
        rows.append(row)
    rates = {row["name"]: row["records_per_s"] for row in rows if "records_per_s" in row}
    for row in rows:
        for other, (_, share) in COMPARED.items():
            if row["name"] in rates and other in rates:
                row[share] = rates[row["name"]] / rates[other]
    return result(workload, rows)


def result(workload, rows):
    about = {"workload": workload.name, "about": workload.about(), "lane": workload.lane}
    return {**about, "systems": rows}


def latencies(workload, pairs):
    """Medians for each peer and for Tidegate at the same rate, and how many times Tidegate's p99 one is."""
    rows = []
    for runs in pairs:
        pair = [begun(workload, system, samples) for system, samples in runs if samples]
        for row in pair:
            if row["outcome"] == EQUAL:
                for figure in ("rate", *LATENCIES):
                    row[figure] = statistics.median(sample[figure] for sample in row["samples"])
        if all("p99_ms" in row for row in pair):
            for row in pair:
                row["of_tidegate"] = row["p99_ms"] / pair[1]["p99_ms"]
        rows += pair
    return result(workload, rows)


def cells(row, shares, written):
    if "reason" in row:
        figures, outcome, remark = [""] * 3, "skipped", row["reason"]
    elif row["outcome"] != EQUAL:
        figures, outcome, remark = [""] * 3, row["outcome"], row["samples"][-1]["reason"]
    else:
        outcome, remark = row["outcome"], row["note"]
        figures = [f"{row['startup_s']:.2f}", f"{row['run_s']:.2f}", rate(row, "records_per_s", ",.0f")]
    compared = [rate(row, share, ".3f") if share in row else "" for share in shares]
    rows = [f"{row['rows_written']:,}" if "rows_written" in row else ""] if written else []
    return [row["name"], row["version"], *figures, *compared, *rows, outcome, remark]


def rate(row, which, form):
    if which not in row:
        return "too short"
    about = "~" if row["run_s"] < row["startup_s"] / 2 else ""
    return f"{about}{row[which]:{form}}"


def paced_cells(row):
    remark = row.get("reason") or row["samples"][-1].get("reason") or row["note"]
    forms = {"rate": ",.0f", **dict.fromkeys(LATENCIES, ".1f"), "of_tidegate": ".2f"}
    figures = [f"{row[figure]:{form}}" if figure in row else "" for figure, form in forms.items()]
    return [row["name"], row["version"], *figures, row.get("outcome", "skipped"), remark]


def table(result, skipped):
    rows = result["systems"] + [row for row in skipped if result["lane"] in row["lanes"]]
    if result["lane"] == LATENCY:
        heads = [f"{name} ms" for name in LATENCIES.values()]
        head = ["system", "version", "records/s", *heads, "p99 of Tidegate's", "answer", "remark"]
        return [head] + [paced_cells(row) for row in rows]
    # Most lanes have no bare loop.
    compared = [it for it in COMPARED.values() if any(it[1] in row for row in rows)]
    head = ["system", "version", "start-up s", "run s", "records/s"]
    head += [heading for heading, _ in compared]
    written = any("rows_written" in row for row in rows)
    head += [*(["rows written"] if written else []), "answer", "remark"]
    return [head] + [cells(row, [share for _, share in compared], written) for row in rows]


def faster(results):
    """A sentence on which workloads a peer did faster than Tidegate, where peers have figures."""
    beside = [
        (row.get("of_tidegate"), f"{row['name']} on {result['workload']}")
        for result in results
        if result["lane"] != LATENCY
        for row in result["systems"]
        if row["is_peer"] and row["outcome"] == EQUAL
    ]
    if not beside:
        return []
    names = [f"{name} ({share:.2f} times its rate)" for share, name in beside if share and share > 1]
    said = ["", f"Faster than Tidegate: {', '.join(names) or 'none'}."]
    short = [name for share, name in beside if share is None]
    if short:
        said += [f"Too short beside start-up to be told: {', '.join(short)}."]
    return said


def terminal(results, skipped):
    parts = []
    for result in results:
        rows = table(result, skipped)
        widths = [max(map(len, column)) for column in zip(*rows)]
        parts.append(f"\n{result['workload']}: {result['about']}\n")
        parts += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*parts, *faster(results)])


def markdown(results, skipped, machine):
    parts = ["# Peers side by side", "", ", ".join(f"{name}: {it}" for name, it in machine.items())]
    for result in results:
        head, *rows = table(result, skipped)
        parts += ["", f"## {result['workload']}", "", result["about"], ""]
        parts += [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join([*parts, *faster(results)]) + "\n"


def write(directory, results, skipped, options):
    """Writes `peers.md` and `peers.json`."""
    directory.mkdir(exist_ok=True)
    machine = {
        "cores": os.cpu_count(),
        "processor": processor(),
        "system": platform.platform(),
        "workers": options.workers,
        "runs": options.runs,
    }
    (directory / "peers.md").write_text(markdown(results, skipped, machine))
    everything = {"machine": machine, "results": results, "skipped": skipped}
    (directory / "peers.json").write_text(json.dumps(everything, indent=2) + "\n")


def processor():
    """The processor's name, where the system tells it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
