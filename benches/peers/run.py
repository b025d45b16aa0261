"""Runs other stream processors beside Tidegate, on the same input: see README.md."""

import argparse
import filecmp
import functools
import os
import signal
import sys
import time

import inputs
import kafka
import latency
import nexmark
import processes
import report
from inputs import KAFKA, LATENCY, MEMORY, NEXMARK, Workload
from peers import CACHE, PEERS, Tidegate, Unavailable
from processes import Failed, alone, outcome_of, relative, say
from report import EQUAL, FAILED, GIVEN_UP, WRONG

TARGET = processes.ROOT / "target"

FULL = [
    Workload("running-zipf", keys=100_000, zipf=True, batch=100_000, batches=100),
    Workload("running-uniform", keys=1_000_000, zipf=False, batch=100_000, batches=100),
    Workload("sliding", keys=10_000, zipf=False, batch=10_000, batches=1000, window=60),
    Workload("memory-zipf", keys=100_000, zipf=True, batch=100_000, batches=100, lane=MEMORY),
    Workload("memory-uniform", keys=1_000_000, zipf=False, batch=100_000, batches=100, lane=MEMORY),
    Workload(
        "memory-sliding", keys=10_000, zipf=False, batch=10_000, batches=1000, window=60, lane=MEMORY
    ),
    Workload("kafka-zipf", keys=100_000, zipf=True, batch=100_000, batches=100, lane=KAFKA),
    Workload("kafka-uniform", keys=1_000_000, zipf=False, batch=100_000, batches=100, lane=KAFKA),
    Workload(
        "latency", keys=100_000, zipf=True, batch=400_000, batches=15, lane=LATENCY, warm_up_s=30,
        paced_s=120,
    ),
    *nexmark.workloads("nexmark", batch=100_000, batches=40),
]
QUICK = [
    Workload("quick-running-zipf", keys=100_000, zipf=True, batch=100_000, batches=10),
    Workload("quick-running-uniform", keys=100_000, zipf=False, batch=100_000, batches=10),
    Workload("quick-sliding", keys=10_000, zipf=False, batch=10_000, batches=60, window=10),
    Workload("quick-memory-zipf", keys=100_000, zipf=True, batch=100_000, batches=30, lane=MEMORY),
    Workload("quick-memory-uniform", keys=100_000, zipf=False, batch=100_000, batches=30, lane=MEMORY),
    Workload(
        "quick-memory-sliding", keys=10_000, zipf=False, batch=10_000, batches=200, window=60,
        lane=MEMORY,
    ),
    Workload("quick-kafka-zipf", keys=100_000, zipf=True, batch=100_000, batches=10, lane=KAFKA),
    Workload("quick-kafka-uniform", keys=100_000, zipf=False, batch=100_000, batches=10, lane=KAFKA),
    Workload(
        "quick-latency", keys=100_000, zipf=True, batch=160_000, batches=15, lane=LATENCY,
        warm_up_s=10, paced_s=30,
    ),
    *nexmark.workloads("quick-nexmark", batch=50_000, batches=10),
]
CHECK = [
    Workload("check-running", keys=100, zipf=True, batch=500, batches=7),
    Workload("check-sliding", keys=100, zipf=False, batch=50, batches=12, window=5),
    *nexmark.workloads("check-nexmark", batch=5_000, batches=6),
]
SCALES = {"quick": QUICK, "full": FULL, "check": CHECK}


def main():
    options = parse()
    # What is running ends with this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    scale = SCALES[options.scale]
    workloads = chosen(scale, options.workload)
    asked = [] if options.scale == "check" else options.only
    systems, skipped = installed(asked, {workload.lane for workload in workloads})
    results = []
    with alone(options), kafka.Broker(options.workers) as broker:
        for workload in workloads:
            if workload.lane != KAFKA:
                # It would have a part of the cores.
                broker.stop()
            say(f"making {workload.name}: {workload.about()}")
            try:
                if workload.lane == LATENCY:
                    results.append(latency.compare(workload, systems, options))
                else:
                    results.append(compare(workload, systems, broker, options))
            except Unavailable as reason:
                say(f"SKIPPED {workload.name}: {reason}")
            if options.scale != "check":
                # What comes later may go wrong.
                report.write(TARGET, results, skipped, options)

    print(report.terminal(results, skipped))
    if options.scale != "check":
        say("written to target/peers.md and target/peers.json")
    rows = [row for result in results for row in result["systems"]]
    # A peer may be too slow to wait for.
    wanted = {EQUAL, GIVEN_UP}
    if any(row["outcome"] not in (wanted if row["is_peer"] else {EQUAL}) for row in rows):
        sys.exit("not all answers are there and equal")


def chosen(workloads, text):
    """Those whose name ends so, if there are any, or else has this in it: `nexmark-q1` is not `nexmark-q11`."""
    ending = [workload for workload in workloads if workload.name.endswith(text)]
    return ending or [workload for workload in workloads if text in workload.name]


def compare(workload, systems, broker, options):
    """Runs all systems that take part in a workload, and sums up how they did."""
    make = nexmark.make if workload.lane == NEXMARK else inputs.make
    whole, first, answer = make(workload, CACHE)
    if workload.lane == KAFKA:
        whole, first = broker.filled(whole), broker.filled(first)
    counting = [system for system in systems if system.takes(workload)]
    runs = {system.name: [] for system in counting}
    # Round after round, so that what else the machine does falls on all of them.
    for _ in range(options.runs):
        for system in counting:
            if all(run["outcome"] == EQUAL for run in runs[system.name]):
                how = functools.partial(measure, system, whole, first, answer, options)
                runs[system.name].append(outcome_of(how))
                say(f"  {system.name}: {report.in_words(runs[system.name][-1])}")
    return report.summary(workload, counting, runs)


def installed(asked, lanes):
    """Tidegate and the peers that can be had for these lanes, and those that can't with the reason."""
    tidegate = Tidegate()
    try:
        tidegate.install(lanes)
    except Unavailable as reason:
        sys.exit(f"can't run Tidegate: {reason}")
    systems, skipped = [tidegate], []
    for peer in (peer() for peer in PEERS if peer.name in asked and lanes & peer.notes.keys()):
        say(f"installing {peer.name} {peer.version()}")
        try:
            peer.install(lanes)
            systems.append(peer)
        except Unavailable as reason:
            say(f"SKIPPED {peer.name}: {reason}")
            facts = {"name": peer.name, "version": peer.version(), "reason": str(reason)}
            skipped.append({**facts, "lanes": list(peer.notes)})
    return systems, skipped


def parse():
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(prog="benches/peers/run.sh", description=__doc__)
    scale = parser.add_mutually_exclusive_group()
    scale.set_defaults(scale="quick", runs=1)
    for name, records in [
        ("quick", "half a million to three million records, once (the default)"),
        ("full", "four to ten million records, three times"),
        ("check", "Tidegate alone on little input, against the plain answer; needs no network"),
    ]:
        scale.add_argument(f"--{name}", dest="scale", action="store_const", const=name, help=records)
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=names, metavar="NAME,...",
        help=f"these peers, of {', '.join(names)}",
    )
    parser.add_argument(
        "--workload", default="", metavar="TEXT", help="only those whose name contains this, as `memory`"
    )
    parser.add_argument("--runs", type=int, help="how often each is run; the median counts")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="workers of each system [all cores]"
    )
    parser.add_argument(
        "--timeout", type=int, default=600, metavar="SECONDS", help="give a run up after this [600]"
    )
    options = parser.parse_args()
    unknown = set(options.only) - set(names)
    if unknown:
        parser.error(f"no peer `{', '.join(unknown)}`: there are {', '.join(names)}")
    if not chosen(SCALES[options.scale], options.workload):
        names = ", ".join(workload.name for workload in SCALES[options.scale])
        parser.error(f"no workload `{options.workload}`: there are {names}")
    if options.runs is None:
        options.runs = 3 if options.scale == "full" else 1
    return options


def measure(system, whole, first, answer, options):
    """How long a system takes for one record, and for all of them."""
    # What counts in memory says itself how long it took.
    startup_s, _ = (0, None) if whole.workload.lane == MEMORY else run(system, first, options)
    total_s, output = run(system, whole, options)
    if whole.workload.lane == MEMORY:
        total_s = told(output)
    own_answer = output.parent / "answer"
    fold = system.rows if whole.workload.lane == NEXMARK else system.fold
    inputs.save(processes.folded(fold, output, whole.workload), own_answer)
    if not filecmp.cmp(own_answer, answer, shallow=False):
        raise Failed(WRONG, f"compare {relative(own_answer)} with {relative(answer)}")
    measured = {"startup_s": startup_s, "total_s": total_s}
    if whole.workload.lane == KAFKA:
        measured["rows_written"] = sum(1 for _ in processes.lines_of(output))
    return measured


def told(output):
    """The seconds that a program says it took, in its log."""
    said = (output.parent / "log").read_text().split("took ")
    if len(said) != 2:
        raise Failed(FAILED, f"does not say how long it took: see {relative(output.parent / 'log')}")
    return float(said[1])


def run(system, input, options):
    """Runs a system in a directory of its own: the seconds, and where its changes are."""
    place = processes.place(system, options)
    output = place / "changes"
    in_kafka = input.workload.lane == KAFKA
    changes = kafka.beside(input.records, system.name, options.workers) if in_kafka else output
    command = system.command(input, changes, options.workers)
    start = time.monotonic()
    with processes.started(command, place / "log") as process:
        processes.ended(process, place / "log", options.timeout)
        seconds = time.monotonic() - start
    if in_kafka:
        kafka.read(changes, output)
    return seconds, output


if __name__ == "__main__":
    main()
