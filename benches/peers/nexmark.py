"""Nexmark: its events, and the plain answer to each query, as `src/workloads/nexmark` describes them.

A row is its columns in the order in which Tidegate writes them, separated by commas: no text has one.
"""

import collections
import datetime
import functools
import hashlib
import heapq
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import inputs
from inputs import NEXMARK, WAYS, Input
from peers import Tidegate, quietly

# The time of the first event. Each later one comes a millisecond after the one before.
START_MS = 1_436_918_400_000

# Which column of a row is the end of its window.
WINDOW_END = {"q5": 1, "q7": 1, "q8": 1, "q11": 2}


@dataclass(frozen=True)
class Query:
    """A query over so many events, in batches of one size."""

    name: str
    batch: int
    batches: int
    lane: str = NEXMARK
    window: None = None

    @property
    def query(self):
        return self.name.rsplit("-", 1)[1]

    @property
    def records(self):
        return self.batch * self.batches

    def about(self):
        what = ANSWERS[self.query].__doc__
        return f"{what}, {WAYS[NEXMARK]}; {self.batches} batches of {self.batch:,} events"

    def counts(self, row):
        """Whether a row is compared: the last windows are not, which Tidegate leaves open at the end."""
        if self.query not in WINDOW_END:
            return True
        end = row.split(",", 3)[WINDOW_END[self.query]]
        return int(end) < START_MS + self.records - self.batch - 5_000


def workloads(prefix, batch, batches):
    return [Query(f"{prefix}-{query}", batch, batches) for query in ANSWERS]


def make(workload, cache):
    """The events, the first of them alone, and the file with the plain answer."""
    place = cache / "inputs" / f"nexmark-{workload.batches}-{workload.batch}"
    whole = Input(workload, place / "records", place / "batches")
    first = Input(workload, place / "first-record", place / "first-batch")
    stamp = place / "made"
    # Made anew where it would be made otherwise.
    made = hashlib.sha256(b"".join(Path(it).read_bytes() for it in (__file__, inputs.__file__)))
    if not (stamp.exists() and stamp.read_text() == made.hexdigest()):
        shutil.rmtree(place, ignore_errors=True)
        write(whole, first)
        stamp.write_text(made.hexdigest())
    answer = place / f"answer-{workload.query}"
    if not answer.exists():
        rows = (",".join(map(str, row)) for row in ANSWERS[workload.query](whole.records))
        inputs.save(collections.Counter(filter(workload.counts, rows)), answer)
    return whole, first, answer


def write(whole, first):
    generated = whole.records.parent / "generated"
    generated.parent.mkdir(parents=True, exist_ok=True)
    command = [Tidegate().binary, "--quiet", "generate", "nexmark", "--seed", "1"]
    command += ["--records", str(whole.workload.records), "--sink", f"jsonl:{generated}"]
    quietly(command)
    with generated.open() as lines:
        inputs.write_batches(map(event, range(whole.workload.records), lines), whole, first)
    generated.unlink()


def event(number, line):
    """The line of an event. It is made with ten a millisecond, and stretched so that none has the time
    of another: then no query has to choose between what came at the same time."""
    (kind, fields), = json.loads(json.loads(line)["row"]).items()
    time_ms = START_MS + number
    if kind == "Auction":
        fields["expires_ms"] = time_ms + 10 * (fields["expires_ms"] - fields["time_ms"])
    fields["time_ms"] = time_ms
    return json.dumps({kind: fields}, separators=(",", ":")) + "\n"


def read(kind, events):
    start = f'{{"{kind}"'
    with events.open() as lines:
        for line in lines:
            if line.startswith(start):
                yield json.loads(line)[kind]


people = functools.partial(read, "Person")
auctions = functools.partial(read, "Auction")
bids = functools.partial(read, "Bid")


def in_euros(bid):
    return {**bid, "price": bid["price"] * 908 // 1000}


@functools.cache
def clock(minutes):
    """Day, hour and minute of a number of minutes."""
    time = datetime.datetime.fromtimestamp(minutes * 60, datetime.timezone.utc)
    return f"{time:%Y-%m-%d}", time.hour, f"{time:%H:%M}"


def clock_of(bid):
    return clock(bid["time_ms"] // 60_000)


def tumbling(time_ms):
    start = time_ms - time_ms % 10_000
    return start, start + 10_000


def rank_of(price):
    return 1 if price < 10_000 else 2 if price < 1_000_000 else 3


def q0(events):
    """All bids"""
    return (bid.values() for bid in bids(events))


def q1(events):
    """Bids in euros"""
    return (in_euros(bid).values() for bid in bids(events))


def q2(events):
    """Bids on every 123rd auction"""
    return ((bid["auction"], bid["price"]) for bid in bids(events) if bid["auction"] % 123 == 0)


def q3(events):
    """Who sells things of a category in some states"""
    states = "OR", "ID", "CA"
    known = {person["id"]: person for person in people(events) if person["state"] in states}
    for auction in auctions(events):
        if auction["category"] == 10 and auction["seller"] in known:
            person = known[auction["seller"]]
            yield person["name"], person["city"], person["state"], auction["id"]


def winning(events):
    """Pairs of an auction and its winning bid."""
    lots = {auction["id"]: auction for auction in auctions(events)}
    best = {}
    for bid in bids(events):
        lot = lots.get(bid["auction"])
        if lot and lot["time_ms"] <= bid["time_ms"] <= lot["expires_ms"]:
            # The earlier of two with the same price.
            if lot["id"] not in best or bid["price"] > best[lot["id"]]["price"]:
                best[lot["id"]] = bid
    return ((lots[auction], bid) for auction, bid in best.items())


def q4(events):
    """Mean winning price of each category"""
    prices = collections.defaultdict(list)
    for auction, bid in winning(events):
        prices[auction["category"]].append(bid["price"])
    return ((category, sum(those) // len(those)) for category, those in prices.items())


def q5(events):
    """Auctions with the most bids in ten seconds, every two seconds"""
    windows = collections.defaultdict(collections.Counter)
    for bid in bids(events):
        last = bid["time_ms"] - bid["time_ms"] % 2_000
        for start in range(last - 8_000, last + 2_000, 2_000):
            windows[start][bid["auction"]] += 1
    for start, counts in windows.items():
        most = max(counts.values())
        for auction, count in counts.items():
            if count == most:
                yield start, start + 10_000, auction, count


def q7(events):
    """Highest bids of every ten seconds"""
    highest = {}
    for bid in bids(events):
        those = highest.setdefault(tumbling(bid["time_ms"]), [bid])
        if bid["price"] > those[0]["price"]:
            those[:] = [bid]
        elif bid["price"] == those[0]["price"] and bid is not those[0]:
            those.append(bid)
    return ((*window, *bid.values()) for window, those in highest.items() for bid in those)


def q8(events):
    """People who open an auction in the ten seconds in which they came"""
    sellers = {(tumbling(it["time_ms"]), it["seller"]) for it in auctions(events)}
    for person in people(events):
        window = tumbling(person["time_ms"])
        if (window, person["id"]) in sellers:
            yield *window, person["id"], person["name"]


def q9(events):
    """Winning bid of each auction"""
    lot_columns = "id", "item_name", "seller", "category", "expires_ms"
    for auction, bid in winning(events):
        lot = (auction[column] for column in lot_columns)
        yield *lot, bid["price"], bid["time_ms"], bid["bidder"]


def q11(events):
    """Bids of each session of a bidder"""
    times = collections.defaultdict(list)
    for bid in bids(events):
        times[bid["bidder"]].append(bid["time_ms"])
    for bidder, those in times.items():
        first, last, count = those[0], those[0], 0
        for time_ms in those:
            if time_ms > last + 10_000:
                yield bidder, first, last + 10_000, count
                first, count = time_ms, 0
            last = time_ms
            count += 1
        yield bidder, first, last + 10_000, count


def q13(events):
    """Bids beside rows that stay"""
    side_input = {key: str(key) for key in range(10_000)}
    return ((*bid.values(), side_input[bid["auction"] % 10_000]) for bid in bids(events))


def q14(events):
    """Bids in euros, filtered and calculated"""
    for bid in map(in_euros, bids(events)):
        if 1_000_000 < bid["price"] < 50_000_000:
            _, hour, _ = clock_of(bid)
            kind = "Day" if 8 <= hour <= 18 else "Night" if hour <= 6 or hour >= 20 else "Other"
            yield *bid.values(), kind, bid["extra"].count("c")


def statistics(events, group):
    """Of each group: the last minute, then bids, different bidders and auctions, each in all and by the
    rank of the price."""
    minutes = {}
    counts = collections.defaultdict(lambda: [0] * 4)
    different = collections.defaultdict(lambda: [set() for _ in range(8)])
    for bid in bids(events):
        key = group(bid)
        minutes[key] = clock_of(bid)[2]
        for rank in 0, rank_of(bid["price"]):
            counts[key][rank] += 1
            different[key][rank].add(bid["bidder"])
            different[key][4 + rank].add(bid["auction"])
    for key, minute in minutes.items():
        yield *key, minute, *counts[key], *map(len, different[key])


def q15(events):
    """Bids, bidders and auctions of each day, by rank of price"""
    return statistics(events, lambda bid: (clock_of(bid)[0],))


def q16(events):
    """The same for each channel"""
    return statistics(events, lambda bid: (bid["channel"], clock_of(bid)[0]))


def q17(events):
    """Prices of each auction and day"""
    prices = collections.defaultdict(list)
    for bid in bids(events):
        prices[bid["auction"], clock_of(bid)[0]].append(bid["price"])
    for key, those in prices.items():
        ranks = collections.Counter(map(rank_of, those))
        mean = sum(those) // len(those)
        counts = len(those), ranks[1], ranks[2], ranks[3]
        yield *key, *counts, min(those), max(those), mean, sum(those)


def q18(events):
    """Last bid of each bidder on each auction"""
    last = {(bid["bidder"], bid["auction"]): bid for bid in bids(events)}
    return ((*key, *bid.values()) for key, bid in last.items())


def q19(events):
    """Ten highest bids of each auction"""
    offers = collections.defaultdict(list)
    for bid in bids(events):
        highest = offers[bid["auction"]]
        heapq.heappush(highest, (bid["price"], -bid["time_ms"], bid["bidder"]))
        if len(highest) > 10:
            heapq.heappop(highest)
    for auction, highest in offers.items():
        for price, minus_time_ms, bidder in highest:
            yield auction, price, -minus_time_ms, bidder


def q20(events):
    """Bids beside their auctions, of a category"""
    lots = {auction["id"]: auction for auction in auctions(events) if auction["category"] == 10}
    for bid in bids(events):
        if bid["auction"] in lots:
            yield *bid.values(), *lots[bid["auction"]].values()


def q21(events):
    """Bids with the number of their channel"""
    known = {"apple": "0", "google": "1", "facebook": "2", "baidu": "3"}
    for bid in bids(events):
        _, _, parameter = bid["url"].partition("channel_id=")
        number = known.get(bid["channel"].lower(), parameter)
        if number:
            yield *bid.values(), number


def q22(events):
    """Bids with the directories of their page"""
    return ((*bid.values(), *bid["url"].split("/")[3:6]) for bid in bids(events))


ANSWERS = {
    query.__name__: query
    for query in [
        q0, q1, q2, q3, q4, q5, q7, q8, q9, q11, q13, q14, q15, q16, q17, q18, q19, q20, q21, q22
    ]
}
