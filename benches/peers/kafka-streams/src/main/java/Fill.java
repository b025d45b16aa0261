import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes the lines of a file to a topic, each as its own key: {@code Fill FILE TOPIC}. */
public final class Fill {
    public static void main(String[] arguments) throws Exception {
        try (var topic = new Sender(Topic.of(arguments[1]));
                var lines = Files.lines(Path.of(arguments[0]))) {
            lines.forEach(
                    line -> {
                        byte[] bytes = line.getBytes(StandardCharsets.UTF_8);
                        topic.send(bytes, bytes);
                    });
        }
    }
}
