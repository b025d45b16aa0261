import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** A topic, as {@code run.py} names it: {@code kafka://HOST:PORT/TOPIC}. */
record Topic(String broker, String name) {
    static Topic of(String url) {
        String[] parts = url.split("/");
        return new Topic(parts[2], parts[3]);
    }

    /** All that is in the topic's partitions now, from the beginning. */
    void read(List<TopicPartition> partitions, Consumer<ConsumerRecord<byte[], byte[]>> each) {
        try (var consumer = consumer()) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(it -> consumer.position(it) < ends.get(it))) {
                consumer.poll(Duration.ofSeconds(1)).forEach(each);
            }
        }
    }

    List<TopicPartition> partitions() {
        try (var consumer = consumer()) {
            List<PartitionInfo> found = consumer.partitionsFor(name);
            return found.stream().map(it -> new TopicPartition(name, it.partition())).toList();
        }
    }

    /** How many records were written, where there are no transactions. */
    long size() {
        try (var consumer = consumer()) {
            return consumer.endOffsets(partitions()).values().stream().mapToLong(it -> it).sum();
        }
    }

    /** A producer as Kafka sets it up, which waits for all acknowledgements. */
    KafkaProducer<byte[], byte[]> producer() {
        var bytes = new ByteArraySerializer();
        return new KafkaProducer<>(Map.of("bootstrap.servers", broker), bytes, bytes);
    }

    KafkaConsumer<byte[], byte[]> consumer() {
        var bytes = new ByteArrayDeserializer();
        Map<String, Object> options =
                Map.of("bootstrap.servers", broker, "isolation.level", "read_committed");
        return new KafkaConsumer<>(options, bytes, bytes);
    }
}
