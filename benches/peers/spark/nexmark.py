"""One of Nexmark's queries in Spark's Structured Streaming: `nexmark.py DIRECTORY CHANGES CORES QUERY`.

As in `count.py`, the records lie in a file a batch. A query is a file of SQL on three views of the
stream. What groups gives the rows that a batch changes (`update`), the others what a batch adds
(`append`), as joins must, and windows of event time, which come when the watermark has closed them.
"""

import sys
from pathlib import Path

from session import files, session, write_batches

EVENTS = """
    Person STRUCT<
        id BIGINT, name STRING, email STRING, credit_card STRING, city STRING, state STRING,
        time_ms BIGINT, extra STRING>,
    Auction STRUCT<
        id BIGINT, item_name STRING, description STRING, initial_bid BIGINT, reserve BIGINT,
        time_ms BIGINT, expires_ms BIGINT, seller BIGINT, category BIGINT, extra STRING>,
    Bid STRUCT<
        auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, time_ms BIGINT,
        extra STRING>
"""


def main():
    directory, changes, cores, query = sys.argv[1:]
    spark = session(cores)
    sql = Path(query).read_text()
    in_windows = "window(" in sql
    events = files(spark).schema(EVENTS).json(directory)
    for kind in "Person", "Auction", "Bid":
        rows = events.where(f"{kind} IS NOT NULL").select(f"{kind}.*")
        rows = rows.selectExpr("*", "timestamp_millis(time_ms) AS clock")
        if in_windows:
            rows = rows.withWatermark("clock", "4 seconds")
        rows.createOrReplaceTempView(kind.lower())
    mode = "update" if "GROUP BY" in sql and not in_windows else "append"
    write_batches(spark.sql(sql), changes, mode).awaitTermination()


main()
