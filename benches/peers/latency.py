"""How long a record takes through a system, at half of the rate that a peer can do: see README.md."""

import collections
import json
import time

import inputs
import kafka
import processes
import report
from inputs import LATENCY
from peers import CACHE, Unavailable
from processes import Failed, outcome_of, relative, say
from report import EQUAL, FAILED, GIVEN_UP, WRONG

# Less of a rate than this is not the rate.
KEPT = 0.99
# Every so many records is a marker, as `Latency.java` has it.
EVERY = 100
# The last records are counted within so many seconds after the last marker.
SETTLED = 20


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
            own.append(measured(peer, words, "half", options))
            if own[-1]["outcome"] == EQUAL:
                tidegates.append(measured(tidegate, words, own[-1]["rate"], options))
    pairs = [list(zip([peer, tidegate], runs[peer.name])) for peer in peers]
    return report.latencies(workload, pairs)


def measured(system, words, rate, options):
    """The rate and the latencies, or why there are none."""
    found = outcome_of(lambda: run(system, words, rate, options))
    say(f"  {system.name}: {report.in_words(found)}")
    return found


def run(system, words, rate, options):
    """One run, on a broker of its own, so that no topic of another is there."""
    place = processes.place(system, options)
    workload = words.workload
    with kafka.Broker(options.workers) as broker:
        broker.start()
        records = kafka.new_topic(broker.address, "records", options.workers)
        changes = kafka.new_topic(broker.address, "changes", options.workers)
        arguments = [words.records, records, changes, workload.warm_up_s, workload.paced_s, rate]
        log = place / "latency.log"
        with processes.started(kafka.java("Latency", *arguments, machine=kafka.MACHINE), log) as writer:
            deadline = time.monotonic() + options.timeout
            while "written" not in log.read_text() and writer.poll() is None:
                if time.monotonic() > deadline:
                    raise Failed(GIVEN_UP, f"the records are not written after {options.timeout} s")
                time.sleep(0.1)
            input = inputs.Input(workload, records, None)
            command = system.command(input, changes, options.workers)
            with processes.started(command, place / "log") as process:
                processes.ended(writer, log, options.timeout, needed=process)
                if process.poll() is not None:
                    raise Failed(FAILED, f"ended by itself: see {relative(place / 'log')}")
                figures = last_figures(log)
                await_counts(system, words, changes, figures["records"], place / "changes")
    if figures["kept"] < KEPT:
        raise Failed(FAILED, f"only {figures['kept']:.2f} of the rate could be written")
    return figures


def last_figures(log):
    lines = [line for line in log.read_text().split("\n") if line.startswith("{")]
    if not lines:
        raise Failed(FAILED, f"there are no figures: see {relative(log)}")
    return json.loads(lines[-1])


def await_counts(system, words, changes, records, file):
    """Waits until each word that was written is counted as often as it was."""
    known = words.records.read_text().split("\n")[:-1]
    expected = collections.Counter(
        f"m{number // EVERY}" if number % EVERY == 0 else known[number % len(known)]
        for number in range(records)
    )
    deadline = time.monotonic() + SETTLED
    while True:
        kafka.read(changes, file)
        if processes.folded(system.fold, file, words.workload) == expected:
            return
        if time.monotonic() > deadline:
            raise Failed(WRONG, f"not all words are counted as often as they were written: {relative(file)}")
