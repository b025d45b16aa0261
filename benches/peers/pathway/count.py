"""Pathway on what `run.py` makes: `count.py RECORDS CHANGES [WINDOW]`.

The file is read in static mode, as one batch, for in streaming mode a run does not end: what it
costs to follow a stream batch by batch is not in the figure. The sliding count is `windowby` with
`temporal.sliding` on the number of the batch, by word: a record goes into each of the windows that
it is in.
"""

import sys

import pathway as pw


def running(records):
    lines = pw.io.plaintext.read(records, mode="static")
    return lines.groupby(pw.this.data).reduce(word=pw.this.data, count=pw.reducers.count())


def sliding(records, window):
    # Pathway's CSV wants a first line of names; the records have none.
    lines = pw.io.plaintext.read(records, mode="static")
    comma = pw.this.data.str.find(",")
    clocked = lines.select(
        batch=pw.this.data.str.slice(0, comma).str.parse_int(),
        word=pw.this.data.str.slice(comma + 1, pw.this.data.str.len()),
    )
    windows = clocked.windowby(
        pw.this.batch, window=pw.temporal.sliding(hop=1, duration=window), instance=pw.this.word
    )
    return windows.reduce(
        end=pw.this._pw_window_end, word=pw.this._pw_instance, count=pw.reducers.count()
    )


records, changes, *window = sys.argv[1:]
counts = sliding(records, int(window[0])) if window else running(records)
pw.io.csv.write(counts, changes)
pw.run(monitoring_level=pw.MonitoringLevel.NONE)
