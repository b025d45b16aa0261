import java.io.IOException;
import java.io.OutputStream;

/**
 * A broker, for as long as its standard input is open: {@code Broker PROPERTIES}. However the one that
 * holds the other end comes to end, so does the broker.
 */
public final class Broker {
    public static void main(String[] arguments) {
        Thread watch = new Thread(Broker::end);
        watch.setDaemon(true);
        watch.start();
        kafka.Kafka.main(arguments);
    }

    private static void end() {
        try {
            System.in.transferTo(OutputStream.nullOutputStream());
        } catch (IOException error) {
            // It is closed either way.
        } finally {
            Runtime.getRuntime().halt(0);
        }
    }
}
