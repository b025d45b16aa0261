import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Writes the lines of a file to a topic, each as its own key: {@code Fill FILE TOPIC}. */
public final class Fill {
    public static void main(String[] arguments) throws Exception {
        Topic topic = Topic.of(arguments[1]);
        try (var producer = topic.producer();
                var lines = Files.lines(Path.of(arguments[0]))) {
            lines.forEach(
                    line -> {
                        byte[] bytes = line.getBytes(StandardCharsets.UTF_8);
                        producer.send(new ProducerRecord<>(topic.name(), bytes, bytes));
                    });
        }
    }
}
