import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes a topic to a file, as {@code value} or {@code key,value}: {@code Drain TOPIC FILE}. */
public final class Drain {
    public static void main(String[] arguments) throws IOException {
        Topic topic = Topic.of(arguments[0]);
        try (var file = new BufferedOutputStream(Files.newOutputStream(Path.of(arguments[1])))) {
            topic.read(
                    topic.partitions(),
                    record -> {
                        try {
                            if (record.key() != null) {
                                file.write(record.key());
                                file.write(',');
                            }
                            file.write(record.value());
                            file.write('\n');
                        } catch (IOException error) {
                            throw new UncheckedIOException(error);
                        }
                    });
        }
    }
}
