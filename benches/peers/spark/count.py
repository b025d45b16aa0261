"""Spark's Structured Streaming on what `run.py` makes: `count.py DIRECTORY CHANGES CORES [WINDOW]`.

The records lie in a directory, a file a batch, since that is how Spark limits what is in a batch
(`maxFilesPerTrigger`); the trigger is `availableNow`, the output mode `update`. The sliding count is
`window` on event time, Spark's own way: a record goes into each of the windows that it is in. There
are as many partitions as cores, instead of 200.

From topic to topic it is `count.py --kafka JARS RECORDS CHANGES CORES BATCH`: Spark's Kafka package is
not among its own jars, and limits a batch with `maxOffsetsPerTrigger`. With `--prompt` instead of
`--kafka` it goes on, and a batch begins as soon as the last has ended, which is Spark's default.
"""

import sys

from pyspark.sql.functions import col, timestamp_seconds, window as time_window

from session import files, session, stream, write_batches


def main():
    if sys.argv[1] in ("--kafka", "--prompt"):
        way, jars, records, changes, cores, batch = sys.argv[1:]
        query = between_topics(session(cores, jars), records, changes, batch, way == "--prompt")
    else:
        directory, changes, cores, *window = sys.argv[1:]
        query = between_files(session(cores), directory, changes, *window)
    query.awaitTermination()


def between_files(spark, directory, changes, window=None):
    if window:
        lines = files(spark).schema("batch long, word string").csv(directory)
        clocked = lines.withColumn("time", timestamp_seconds("batch"))
        clocked = clocked.withWatermark("time", "1 second")
        windows = time_window("time", f"{window} seconds", "1 second")
        counts = clocked.groupBy(windows, "word").count()
        counts = counts.select(col("window.end").cast("long").alias("end"), "word", "count")
    else:
        counts = files(spark).text(directory).groupBy("value").count()
    return write_batches(counts, changes)


def between_topics(spark, records, changes, batch, prompt):
    _, _, broker, topic = records.split("/")
    options = {"kafka.bootstrap.servers": broker, "subscribe": topic}
    options |= {"startingOffsets": "earliest", "maxOffsetsPerTrigger": batch}
    words = spark.readStream.format("kafka").options(**options).load()
    counts = words.selectExpr("CAST(value AS STRING) AS word").groupBy("word").count()
    rows = counts.selectExpr("word AS key", "CAST(count AS STRING) AS value")
    sink = stream(rows, "checkpoint").format("kafka")
    if prompt:
        # As soon as the last batch has ended.
        sink = sink.trigger(processingTime="0 seconds")
    return sink.option("kafka.bootstrap.servers", broker).start(topic=changes.split("/")[3])


main()
