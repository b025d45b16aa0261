"""What the programs for Spark have in common: its options, and what is read and written by batch."""

from pyspark.sql import SparkSession


def session(cores, jars=""):
    return (
        SparkSession.builder.master(f"local[{cores}]")
        .config("spark.jars", jars)
        .config("spark.sql.shuffle.partitions", cores)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.streaming.noDataMicroBatches.enabled", False)
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", False)
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )


def files(spark):
    """Reads a file a batch."""
    return spark.readStream.option("maxFilesPerTrigger", 1)


def stream(rows, checkpoint, mode="update"):
    writer = rows.writeStream.outputMode(mode).trigger(availableNow=True)
    return writer.option("checkpointLocation", checkpoint)


def write_batches(rows, changes, mode="update"):
    """Writes a directory of CSV for each batch."""

    def write(batch_rows, batch):
        # Two columns of a join may have one name, which a file can't.
        columns = [str(number) for number in range(len(rows.columns))]
        batch_rows.toDF(*columns).write.option("emptyValue", "").csv(f"{changes}/{batch:06}")

    return stream(rows, f"{changes}/checkpoint", mode).foreachBatch(write).start()
