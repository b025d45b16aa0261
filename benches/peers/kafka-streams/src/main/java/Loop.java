import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.common.TopicPartition;

/**
 * A bare loop: Kafka's own consumer and producer, and nothing between: {@code Loop CORES RECORDS CHANGES}.
 *
 * <p>As many threads as cores, each with partitions, a consumer and a producer of its own. Each record
 * is written as it was read.
 */
public final class Loop {
    public static void main(String[] arguments) throws Exception {
        int cores = Integer.parseInt(arguments[0]);
        Topic records = Topic.of(arguments[1]);
        Topic changes = Topic.of(arguments[2]);
        List<TopicPartition> partitions = records.partitions();
        var threads = Executors.newFixedThreadPool(cores);
        List<Future<?>> done = new ArrayList<>();
        for (int thread = 0; thread < cores; thread++) {
            int remainder = thread;
            List<TopicPartition> own =
                    partitions.stream().filter(it -> it.partition() % cores == remainder).toList();
            done.add(threads.submit(() -> move(records, own, changes)));
        }
        for (Future<?> each : done) {
            each.get();
        }
        threads.shutdown();
    }

    private static Void move(Topic records, List<TopicPartition> partitions, Topic changes)
            throws Exception {
        try (var sender = new Sender(changes)) {
            records.read(partitions, record -> sender.send(record.key(), record.value()));
        }
        return null;
    }
}
