import java.nio.file.Files;
import java.nio.file.Path;
import java.time.temporal.ChronoUnit;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/**
 * Flink SQL on what {@code run.py} makes: {@code Count CORES RECORDS CHANGES BATCH [WINDOW]}, in a
 * cluster of its own in this process.
 *
 * <p>The running count has mini-batches of as many records, which combine before the exchange. The
 * sliding count is the table function {@code HOP} on event time, which shares panes between windows;
 * a window comes out, with all its rows, when it has closed.
 *
 * <p>Records in a topic, {@code kafka://HOST:PORT/TOPIC}, are read from the beginning to what is there
 * when the job starts, and the last row of a word goes to another topic, with the word as its key.
 *
 * <p>With a batch of 0 the job goes on with what comes, and holds nothing back: there are no mini-batches,
 * and buffers between tasks wait for 10 ms, which is what Flink's manual says for low latency, instead of
 * 100 ms. What is written waits for more for 2 ms, as with Tidegate, instead of 5 ms.
 */
public final class Count {
    public static void main(String[] arguments) throws Exception {
        int cores = Integer.parseInt(arguments[0]);
        boolean windowed = arguments.length > 4;
        boolean inKafka = arguments[1].startsWith("kafka:");
        boolean prompt = arguments[3].equals("0");

        Configuration options = new Configuration();
        options.setString("pipeline.object-reuse", "true");
        if (prompt) {
            options.setString("execution.buffer-timeout.interval", "10 ms");
        }
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.createLocalEnvironment(cores, options);
        StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
        tables.getConfig().set("table.local-time-zone", "UTC");
        if (!windowed && !prompt) {
            tables.getConfig().set("table.exec.mini-batch.enabled", "true");
            tables.getConfig().set("table.exec.mini-batch.allow-latency", "1 s");
            tables.getConfig().set("table.exec.mini-batch.size", arguments[3]);
        }

        String columns =
                windowed
                        ? "batch BIGINT, word STRING, clock AS TO_TIMESTAMP_LTZ(batch * 1000, 3),"
                                + " WATERMARK FOR clock AS clock"
                        : "word STRING";
        tables.executeSql(
                "CREATE TABLE records (" + columns + ") WITH ("
                        + (inKafka
                                ? topic("kafka", arguments[1]) + ", 'format' = 'raw',"
                                        + " 'scan.startup.mode' = 'earliest-offset',"
                                        + " 'scan.bounded.mode' = '"
                                        + (prompt ? "unbounded')" : "latest-offset')")
                                : "'connector' = 'filesystem', 'path' = '" + arguments[1]
                                        + "', 'format' = 'csv')"));
        Table counts =
                tables.sqlQuery(
                        windowed
                                ? "SELECT window_end, word, COUNT(*) FROM HOP(TABLE records,"
                                        + " DESCRIPTOR(clock), INTERVAL '1' SECOND, INTERVAL '"
                                        + arguments[4] + "' SECOND(4))"
                                        + " GROUP BY window_start, window_end, word"
                                : "SELECT word, COUNT(*) FROM records GROUP BY word");
        if (inKafka) {
            tables.executeSql(
                    "CREATE TABLE changes (word STRING, total BIGINT,"
                            + " PRIMARY KEY (word) NOT ENFORCED) WITH ("
                            + topic("upsert-kafka", arguments[2]) + ", 'key.format' = 'raw',"
                            + (prompt ? " 'properties.linger.ms' = '1'," : "")
                            + " 'value.format' = 'csv', 'value.fields-include' = 'EXCEPT_KEY')");
            counts.executeInsert("changes").await();
            return;
        }
        Path changes = Files.createDirectories(Path.of(arguments[2]));
        tables.toChangelogStream(counts).sinkTo(new Changes(changes.toString(), false, ChronoUnit.SECONDS));
        environment.execute();
    }

    private static String topic(String connector, String url) {
        String[] parts = url.split("/");
        return "'connector' = '" + connector + "', 'properties.bootstrap.servers' = '" + parts[2]
                + "', 'topic' = '" + parts[3] + "'";
    }
}
