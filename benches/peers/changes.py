"""What is left in the end, from the changes that a system has written batch by batch."""

import collections
import csv
import json

from inputs import KAFKA, LATENCY, MEMORY


def last_rows(lines, workload):
    """From `word,count`, or `end,word,count` with the end of the window: the last row of a word holds."""
    rows = csv.reader(lines)
    if workload.window is None:
        return {word: int(count) for word, count in rows}
    return {word: int(count) for end, word, count in rows if int(end) == workload.batches}


def differences(rows):
    """From words, counts and differences: what has come and not gone."""
    present = {}
    for word, count, difference in rows:
        row = (word, int(count))
        present[row] = present.get(row, 0) + int(difference)
    return dict(row for row, times in present.items() if times)


def records(lines, _workload):
    """From `word,record`: there are only records."""
    return collections.Counter(word for word, _ in csv.reader(lines))


def dbsp(lines, _workload):
    """From `word,count,difference`."""
    return differences(csv.reader(lines))


def pathway(lines, workload):
    """From CSV with names, with the end of the window or without."""
    rows = csv.DictReader(lines)
    end = str(workload.batches)
    return differences(
        (row["word"], row["count"], row["diff"]) for row in rows if row.get("end", end) == end
    )


def rows(changes, workload):
    """From rows and differences: how often each row has come more than gone."""
    present = collections.Counter()
    for row, difference in changes:
        present[row] += difference
        if not present[row]:
            del present[row]
    return {row: times for row, times in present.items() if workload.counts(row)}


def signed_rows(lines, workload):
    """From rows of a query, with a first column that is `+` for what comes and `-` for what goes."""
    signs = {"+": 1, "-": -1}
    return rows(((line[2:].rstrip("\n"), signs[line[0]]) for line in lines), workload)


def keyed_rows(lines, workload):
    """From rows of a query: of those with one key, which come first, the last holds."""
    keys = {"q17": 2, "q18": 2}.get(workload.query)
    if keys is None:
        return rows(((line.rstrip("\n"), 1) for line in lines), workload)
    last = {}
    for line in lines:
        row = line.rstrip("\n")
        last[tuple(row.split(",", keys)[:keys])] = row
    return rows(((row, 1) for row in last.values()), workload)


def tidegate_rows(lines, workload):
    """From JSON lines with the rows of a query: what may change has a difference."""

    def change(row):
        if isinstance(row, dict) and row.keys() == {"diff", "row"}:
            return ",".join(columns(row["row"])), row["diff"]
        return ",".join(columns(row)), 1

    return rows((change(json.loads(line)["row"]) for line in lines), workload)


def columns(row):
    """All that is in a row, however it is nested."""
    if isinstance(row, (dict, list)):
        for part in row.values() if isinstance(row, dict) else row:
            yield from columns(part)
    else:
        yield str(row)


def tidegate(lines, workload):
    """From JSON. Its workload counts all words of a line, so the numbers of batches, too."""
    if workload.lane == MEMORY:
        return differences(csv.reader(lines))
    if workload.lane in (KAFKA, LATENCY):
        # The newest row of a word, which is the key before it, holds.
        return dict(json.loads(line.split(",", 1)[1]) for line in lines)
    # Beside the row is the batch that it came with.
    rows = (json.loads(line)["row"] for line in lines)
    rows = ((*row["row"], row["diff"]) for row in rows)
    return differences(row for row in rows if not row[0].isdigit())
