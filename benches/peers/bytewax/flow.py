"""Bytewax on what `run.py` makes: a dataflow for `python -m bytewax.run`.

The running count keeps a state for each word and gives its count once a batch. The sliding count is
`count_window` with a `SlidingWindower` on event time, Bytewax's own way: a record goes into each of
the windows that it is in, and a window comes out when it has closed. One worker: workers are
threads, and take turns at Python's lock. Topics, `kafka://HOST:PORT/TOPIC`, take the place of files
at both ends of the running count.
"""

from datetime import datetime, timedelta, timezone

import bytewax.operators as op
from bytewax.connectors.files import FileSink, FileSource
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, SlidingWindower, count_window

START = datetime(2020, 1, 1, tzinfo=timezone.utc)
# A batch is a day, for a watermark moves on with the time of the wall as well: no run is so slow
# that its records are late.
BATCH = timedelta(days=1)


class Count(op.StatefulBatchLogic):
    """How often a word has occurred."""

    def __init__(self, count):
        self.count = count or 0

    def on_batch(self, values):
        self.count += len(values)
        return [self.count], self.RETAIN

    def snapshot(self):
        return self.count


def flow(records, changes, batch, window=None):
    """Count words, running or in windows of so many batches."""
    flow = Dataflow("peer")
    if records.startswith("kafka:"):
        between_topics(flow, records, changes, batch)
        return flow
    lines = op.input("lines", flow, FileSource(records, batch_size=batch))
    rows = running(lines) if window is None else sliding(lines, window)
    op.output("changes", rows, FileSink(changes))
    return flow


def between_topics(flow, records, changes, batch):
    _, _, broker, topic = records.split("/")
    source = KafkaSource([broker], [topic], tail=False, batch_size=batch)
    words = op.map("word", op.input("records", flow, source), lambda record: record.value.decode())
    rows = op.map("message", counted(words), message)
    op.output("changes", rows, KafkaSink([broker], changes.split("/")[3]))


def message(row):
    word, count = row
    return KafkaSinkMessage(word.encode(), str(count).encode())


def running(lines):
    return op.map("row", counted(lines), lambda row: (row[0], f"{row[0]},{row[1]}"))


def counted(words):
    return op.stateful_batch("count", op.key_on("key", words, lambda word: word), Count)


def sliding(lines, window):
    clock = EventClock(lambda record: START + int(record[0]) * BATCH, BATCH / 2)
    windower = SlidingWindower(length=window * BATCH, offset=BATCH, align_to=START)
    records = op.map("parse", lines, lambda line: line.split(","))
    counts = count_window("count", records, clock, windower, lambda record: record[1]).down
    return op.map("row", counts, lambda row: (row[0], f"{row[1][0] + window},{row[0]},{row[1][1]}"))
