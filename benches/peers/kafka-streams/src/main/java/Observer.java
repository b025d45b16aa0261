import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;

/** Sees when the rows of markers come: {@code m0}, {@code m1} and so on, each of which is counted once. */
final class Observer {
    private final KafkaConsumer<byte[], byte[]> consumer;
    private int first = 0;

    Observer(Topic changes) {
        consumer = changes.consumer();
        consumer.assign(changes.partitions());
        consumer.seekToBeginning(consumer.assignment());
    }

    /** When each of the next markers was seen, once all are; none may come twice. */
    long[] next(int count) {
        long[] seen = new long[count];
        for (int left = count; left > 0; ) {
            var records = consumer.poll(Duration.ofSeconds(1));
            long now = System.nanoTime();
            for (var record : records) {
                int marker = marker(record);
                if (marker < 0) {
                    continue;
                }
                int place = marker - first;
                if (place < 0 || place >= count || seen[place] != 0 || !isOne(record.value())) {
                    throw new IllegalStateException("marker " + marker + " is counted wrongly");
                }
                seen[place] = now;
                left--;
            }
        }
        first += count;
        return seen;
    }

    /** The number of the marker whose row this is, or -1: no other word, nor a row's form, has an m. */
    private static int marker(ConsumerRecord<byte[], byte[]> record) {
        byte[] row = record.key() == null ? record.value() : record.key();
        int at = 0;
        while (at < row.length && row[at] != 'm') {
            at++;
        }
        if (at == row.length) {
            return -1;
        }
        int number = 0;
        while (++at < row.length && Character.isDigit(row[at])) {
            number = number * 10 + row[at] - '0';
        }
        return number;
    }

    /** Whether the last number of a row is 1. */
    private static boolean isOne(byte[] row) {
        return new String(row, StandardCharsets.UTF_8).matches("(.*\\D)?1\\D*");
    }
}
