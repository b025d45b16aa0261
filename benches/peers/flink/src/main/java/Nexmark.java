import java.nio.file.Files;
import java.nio.file.Path;
import java.time.temporal.ChronoUnit;
import java.util.stream.IntStream;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/**
 * One of Nexmark's queries in Flink SQL: {@code Nexmark CORES EVENTS CHANGES BATCH QUERY}, in a
 * cluster of its own in this process.
 *
 * <p>The queries, in files of SQL, the table of events and the options are those of Flink's Nexmark.
 * Only the columns are the ones that all systems here give.
 */
public final class Nexmark {
    public static void main(String[] arguments) throws Exception {
        int cores = Integer.parseInt(arguments[0]);
        Configuration options = new Configuration();
        options.setString("pipeline.object-reuse", "true");
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.createLocalEnvironment(cores, options);
        StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
        tables.getConfig().set("table.local-time-zone", "UTC");
        tables.getConfig().set("table.exec.mini-batch.enabled", "true");
        tables.getConfig().set("table.exec.mini-batch.allow-latency", "1 s");
        tables.getConfig().set("table.exec.mini-batch.size", arguments[3]);
        tables.getConfig().set("table.optimizer.distinct-agg.split.enabled", "true");

        tables.executeSql(
                """
                CREATE TABLE events (
                    Person ROW<
                        id BIGINT, name STRING, email STRING, credit_card STRING, city STRING,
                        state STRING, time_ms BIGINT, extra STRING>,
                    Auction ROW<
                        id BIGINT, item_name STRING, description STRING, initial_bid BIGINT,
                        reserve BIGINT, time_ms BIGINT, expires_ms BIGINT, seller BIGINT,
                        category BIGINT, extra STRING>,
                    Bid ROW<
                        auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING,
                        time_ms BIGINT, extra STRING>,
                    clock AS CAST(TO_TIMESTAMP_LTZ(
                        COALESCE(Bid.time_ms, Auction.time_ms, Person.time_ms), 3) AS TIMESTAMP(3)),
                    WATERMARK FOR clock AS clock - INTERVAL '4' SECOND
                ) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = '%s')
                """
                        .formatted(arguments[1]));
        tables.executeSql(
                """
                CREATE VIEW person AS SELECT
                    Person.id, Person.name, Person.city, Person.state, Person.time_ms, clock
                FROM events WHERE Person IS NOT NULL
                """);
        tables.executeSql(
                """
                CREATE VIEW auction AS SELECT
                    Auction.id, Auction.item_name, Auction.description, Auction.initial_bid,
                    Auction.reserve, Auction.time_ms, Auction.expires_ms, Auction.seller,
                    Auction.category, Auction.extra, clock,
                    CAST(TO_TIMESTAMP_LTZ(Auction.expires_ms, 3) AS TIMESTAMP(3)) AS expires
                FROM events WHERE Auction IS NOT NULL
                """);
        tables.executeSql(
                """
                CREATE VIEW bid AS SELECT
                    Bid.auction, Bid.bidder, Bid.price, Bid.channel, Bid.url, Bid.time_ms,
                    Bid.extra, clock
                FROM events WHERE Bid IS NOT NULL
                """);
        Path side = Files.createTempFile("side_input", ".csv");
        Files.write(
                side,
                IntStream.range(0, 10_000).mapToObj(key -> key + "," + key).toList());
        side.toFile().deleteOnExit();
        // The older of Flink's two connectors for files is the one that q13 can look up in.
        tables.executeSql(
                """
                CREATE TABLE side_input (key BIGINT, `value` STRING) WITH (
                    'connector.type' = 'filesystem', 'connector.path' = '%s', 'format.type' = 'csv')
                """
                        .formatted(side.toUri()));
        Table rows = tables.sqlQuery(Files.readString(Path.of(arguments[4])));
        Path changes = Files.createDirectories(Path.of(arguments[2]));
        tables.toChangelogStream(rows)
                .sinkTo(new Changes(changes.toString(), true, ChronoUnit.MILLIS));
        environment.execute();
    }
}
