"""Spark's Structured Streaming on what `run.py` makes: `count.py DIRECTORY CHANGES CORES [WINDOW]`.

The records lie in a directory, a file a batch, since that is how Spark limits what is in a batch
(`maxFilesPerTrigger`); the trigger is `availableNow`, the output mode `update`. The sliding count is
`window` on event time, Spark's own way: a record goes into each of the windows that it is in. There
are as many partitions as cores, instead of 200.
"""

import sys

from pyspark.sql import SparkSession
from pyspark.sql.functions import col, timestamp_seconds, window as time_window

directory, changes, cores, *window = sys.argv[1:]

spark = (
    SparkSession.builder.master(f"local[{cores}]")
    .config("spark.sql.shuffle.partitions", cores)
    .config("spark.sql.streaming.noDataMicroBatches.enabled", False)
    .config("spark.driver.memory", "4g")
    .config("spark.ui.enabled", False)
    .config("spark.log.level", "ERROR")
    .getOrCreate()
)
files = spark.readStream.option("maxFilesPerTrigger", 1)
if window:
    lines = files.schema("batch long, word string").csv(directory)
    clocked = lines.withColumn("time", timestamp_seconds("batch")).withWatermark("time", "1 second")
    windows = time_window("time", f"{window[0]} seconds", "1 second")
    counts = clocked.groupBy(windows, "word").count()
    counts = counts.select(col("window.end").cast("long").alias("end"), "word", "count")
else:
    counts = files.text(directory).groupBy("value").count()


def write(rows, batch):
    rows.write.csv(f"{changes}/{batch:06}")


query = (
    counts.writeStream.outputMode("update")
    .trigger(availableNow=True)
    .option("checkpointLocation", f"{changes}/checkpoint")
    .foreachBatch(write)
    .start()
)
query.awaitTermination()
