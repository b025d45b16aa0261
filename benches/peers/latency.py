"""How long a record takes through a system, at half of the rate that a peer can do: see README.md."""

import json
import sys
import time

import inputs
import kafka
import processes
import report
from inputs import LATENCY
from peers import CACHE, Unavailable
from processes import Failed, relative
from report import EQUAL, FAILED

# Less of a rate than this is not the rate.
KEPT = 0.99


def compare(workload, systems, options):
    """Runs each peer at half of its own rate, and Tidegate at the same."""
    tidegate, *peers = [system for system in systems if LATENCY in system.notes]
    if not peers:
        raise Unavailable("there is no peer to take a rate from")
    words, _, _ = inputs.make(workload, CACHE)
    runs = {peer.name: ([], []) for peer in peers}
    for _ in range(options.runs):
        for peer in peers:
            own, tidegates = runs[peer.name]
            if any(run["outcome"] != EQUAL for run in own + tidegates):
                continue
            own.append(measure(peer, words, "half", options))
            if own[-1]["outcome"] == EQUAL:
                tidegates.append(measure(tidegate, words, own[-1]["rate"], options))
    pairs = [list(zip([peer, tidegate], runs[peer.name])) for peer in peers]
    return report.latencies(workload, pairs)


def measure(system, words, rate, options):
    """The rate and the latencies, or why there are none."""
    try:
        measured = {"outcome": EQUAL, **run(system, words, rate, options)}
    except Failed as failure:
        measured = {"outcome": failure.outcome, "reason": str(failure)}
    except Unavailable as reason:
        measured = {"outcome": FAILED, "reason": f"the broker can't be used: {reason}"}
    print(f"  {system.name}: {report.in_words(measured)}", file=sys.stderr, flush=True)
    return measured


def run(system, words, rate, options):
    """One run, on a broker of its own, so that no topic of another is there."""
    place = processes.place(system)
    workload = words.workload
    with kafka.Broker(options.workers) as broker:
        broker.start()
        records = kafka.new_topic(broker.address, "records", options.workers)
        changes = kafka.new_topic(broker.address, "changes", options.workers)
        arguments = [words.records, records, changes, workload.warm_up_s, workload.paced_s, rate]
        log = place / "latency.log"
        with processes.started(kafka.java("Latency", *arguments), log) as writer:
            while "written" not in log.read_text() and writer.poll() is None:
                time.sleep(0.1)
            input = inputs.Input(workload, records, None)
            command = system.command(input, changes, options.workers)
            with processes.started(command, place / "log") as process:
                processes.ended(writer, log, options.timeout, needed=process)
                if process.poll() is not None:
                    raise Failed(FAILED, f"ended by itself: see {relative(place / 'log')}")
    figures = json.loads(log.read_text().split("\n")[-2])
    if figures["kept"] < KEPT:
        raise Failed(FAILED, f"only {figures['kept']:.2f} of the rate could be written")
    return figures
