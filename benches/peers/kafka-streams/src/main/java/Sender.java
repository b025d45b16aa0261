import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Writes records to a topic. One that is not delivered is an error when they are flushed. */
final class Sender implements AutoCloseable {
    private final KafkaProducer<byte[], byte[]> producer;
    private final String topic;
    private final AtomicReference<Exception> failure = new AtomicReference<>();

    Sender(Topic topic) {
        this.producer = topic.producer();
        this.topic = topic.name();
    }

    void send(byte[] key, byte[] value) {
        producer.send(
                new ProducerRecord<>(topic, key, value),
                (written, error) -> {
                    if (error != null) {
                        failure.compareAndSet(null, error);
                    }
                });
    }

    void flush() throws Exception {
        producer.flush();
        if (failure.get() != null) {
            throw failure.get();
        }
    }

    @Override
    public void close() throws Exception {
        try (producer) {
            flush();
        }
    }
}
