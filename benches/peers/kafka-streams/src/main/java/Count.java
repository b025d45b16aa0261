import java.util.Properties;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/**
 * Kafka Streams on what {@code run.py} makes: {@code Count CORES RECORDS CHANGES [--prompt]}.
 *
 * <p>The records have the word as their key, so {@code groupByKey} counts them where they are, without
 * a topic between. Threads aside, nothing is set: state is in RocksDB and in a topic of changes, rows
 * leave by way of a cache, at least once. A topology has no end; this one is closed when the last
 * record that was there has been counted, and that writes what is still in the cache.
 *
 * <p>With {@code --prompt} it goes on, and holds nothing back: there is no cache, and what is written
 * waits for more for 2 ms, as with Tidegate, instead of 100 ms.
 */
public final class Count {
    public static void main(String[] arguments) throws Exception {
        Topic records = Topic.of(arguments[1]);
        Topic changes = Topic.of(arguments[2]);
        Properties options = new Properties();
        options.put(StreamsConfig.APPLICATION_ID_CONFIG, changes.name());
        options.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, records.broker());
        options.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, arguments[0]);
        options.put(StreamsConfig.STATE_DIR_CONFIG, "state");
        boolean prompt = arguments.length > 3;
        if (prompt) {
            options.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
            options.put(StreamsConfig.producerPrefix("linger.ms"), 1);
        }

        LongAdder seen = new LongAdder();
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(records.name(), Consumed.with(Serdes.String(), Serdes.String()))
                .peek((key, word) -> seen.increment())
                .groupByKey()
                .count()
                .toStream()
                .mapValues(String::valueOf)
                .to(changes.name(), Produced.with(Serdes.String(), Serdes.String()));

        long all = records.size();
        KafkaStreams streams = new KafkaStreams(builder.build(), options);
        streams.setUncaughtExceptionHandler(
                error -> {
                    error.printStackTrace();
                    Runtime.getRuntime().halt(1);
                    throw new AssertionError("halted");
                });
        streams.start();
        while (prompt || seen.sum() < all) {
            Thread.sleep(10);
        }
        streams.close();
    }
}
