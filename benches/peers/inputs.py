"""What the systems count: seeded files, made once, and the plain answer to each."""

import collections
import itertools
import json
import os
import random
from dataclasses import dataclass
from pathlib import Path


# What lies at both ends of a workload: only in memory is counting timed alone. Latency is measured from
# Kafka to Kafka, too.
FILE, MEMORY, KAFKA, LATENCY, NEXMARK = "file", "memory", "kafka", "latency", "nexmark"
WAYS = {
    FILE: "from a file to a file",
    NEXMARK: "from a file to a file",
    MEMORY: "from memory to memory",
    KAFKA: "from Kafka to Kafka",
    LATENCY: "from Kafka to Kafka, and then at half the rate",
}


@dataclass(frozen=True)
class Workload:
    """Words in batches of one size, to be counted since the beginning or in a sliding window."""

    name: str
    keys: int
    zipf: bool
    batch: int
    batches: int
    window: int | None = None
    lane: str = FILE
    # For how long records come at a rate, first to warm up.
    warm_up_s: int = 0
    paced_s: int = 0

    @property
    def records(self):
        return self.batch * self.batches

    def about(self):
        what = "running count" if self.window is None else f"count over {self.window} batches, slide 1"
        how = "zipf" if self.zipf else "uniform"
        what += f", {WAYS[self.lane]}"
        return f"{what}; {self.batches} batches of {self.batch:,} records, {self.keys:,} keys, {how}"

    def words(self):
        """The words, in order: the same in every run."""
        chance = random.Random(1)
        letter = "" if self.lane == MEMORY else "w"
        names = [f"{letter}{key}" for key in range(self.keys)]
        weights = [1 / (key + 1) for key in range(self.keys)] if self.zipf else None
        cumulative = list(itertools.accumulate(weights)) if weights else None
        for _ in range(self.batches):
            yield chance.choices(names, cum_weights=cumulative, k=self.batch)


@dataclass(frozen=True)
class Input:
    """A workload's records: in one file or topic, and the same in a directory with a file a batch."""

    workload: Workload
    records: Path | str
    directory: Path


def make(workload, cache):
    """The workload's input, the input of its first record alone, and the file with the plain answer."""
    place = cache / "inputs" / workload.name
    whole = Input(workload, place / "records", place / "batches")
    first = Input(workload, place / "first-record", place / "first-batch")
    answer = place / "answer"
    described = json.dumps(vars(workload))
    stamp = place / "workload.json"
    if not (stamp.exists() and stamp.read_text() == described):
        write(whole, first, answer)
        stamp.write_text(described)
    return whole, first, answer


def write(whole, first, answer):
    workload = whole.workload
    last = collections.deque(maxlen=workload.window)

    def lines():
        for number, words in enumerate(workload.words()):
            last.append(collections.Counter(words))
            start = "" if workload.window is None else f"{number},"
            yield from (f"{start}{word}\n" for word in words)

    write_batches(lines(), whole, first)
    save(sum(last, collections.Counter()), answer)


def write_batches(lines, whole, first):
    """Writes lines to one file and to a file for each batch, and the first of them by itself."""
    for directory in (whole.directory, first.directory):
        directory.mkdir(parents=True, exist_ok=True)
        for file in directory.iterdir():
            file.unlink()
    with whole.records.open("w") as records:
        for number in range(whole.workload.batches):
            batch = list(itertools.islice(lines, whole.workload.batch))
            records.writelines(batch)
            file = whole.directory / f"{number:06}.csv"
            with file.open("w") as out:
                out.writelines(batch)
            # Spark takes files by age.
            os.utime(file, (number + 1, number + 1))
            if number == 0:
                first.records.write_text(batch[0])
                (first.directory / file.name).write_text(batch[0])


def save(counts, file):
    """Writes counts as `word count`, sorted: all of them or nothing."""
    whole = file.with_suffix(".new")
    with whole.open("w") as out:
        out.writelines(f"{word} {count}\n" for word, count in sorted(counts.items()))
    whole.replace(file)
