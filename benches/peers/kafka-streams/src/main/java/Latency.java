import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.FutureTask;

/**
 * Writes words at a rate, and tells how long a system takes to write their counts: {@code Latency WORDS
 * RECORDS CHANGES WARM-UP SECONDS RATE}.
 *
 * <p>First come all words of the file at once, then {@code written} is said, and the system is to be
 * started. When it is through with these, they come again, over and over, one by one at the rate: for as
 * many seconds as warm-up, and as many that count. Instead of a rate there may be {@code half}: of that
 * at which the system went through the second half of what lay there.
 *
 * <p>Every hundredth word is a marker, which comes only once, so that the first and only row of it shows
 * when it was counted. Its latency runs from when it was to be written, whether or not it could be then,
 * to when a consumer has its row.
 */
public final class Latency {
    private static final int EVERY = 100;

    private final List<byte[]> words;
    private final Topic records;

    private Latency(Path words, Topic records) throws Exception {
        // There are far fewer words than lines.
        Map<String, byte[]> known = new HashMap<>();
        try (var lines = Files.lines(words)) {
            this.words = lines.map(line -> known.computeIfAbsent(line, Latency::bytes)).toList();
        }
        this.records = records;
    }

    public static void main(String[] arguments) throws Exception {
        var self = new Latency(Path.of(arguments[0]), Topic.of(arguments[1]));
        Topic changes = Topic.of(arguments[2]);
        self.measure(
                changes,
                Integer.parseInt(arguments[3]),
                Integer.parseInt(arguments[4]),
                arguments[5]);
    }

    private void measure(Topic changes, int warmUp, int seconds, String asked) throws Exception {
        try (var sender = new Sender(records)) {
            int lying = words.size();
            for (long number = 0; number < lying; number++) {
                write(sender, number);
            }
            sender.flush();
            System.out.println("written");

            Observer observer = new Observer(changes);
            long[] drained = observer.next(lying / EVERY);
            double rate =
                    asked.equals("half")
                            ? rateOfSecondHalf(drained) / 2
                            : Double.parseDouble(asked);

            long before = (long) (rate * warmUp) / EVERY * EVERY;
            long all = before + (long) (rate * seconds) / EVERY * EVERY;
            var reading = new FutureTask<>(() -> observer.next((int) (all / EVERY)));
            new Thread(reading).start();
            long start = System.nanoTime();
            double kept = pace(sender, start, rate, lying, all);
            long[] seen = reading.get();

            long[] latencies = new long[(int) ((all - before) / EVERY)];
            for (int marker = 0; marker < latencies.length; marker++) {
                long number = before + (long) marker * EVERY;
                latencies[marker] =
                        seen[(int) (number / EVERY)] - intended(start, rate, number);
            }
            Arrays.sort(latencies);
            System.out.printf(
                    Locale.ROOT,
                    "{\"records\": %d, \"rate\": %.0f, \"kept\": %.4f, \"markers\": %d,"
                            + " \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f}%n",
                    lying + all,
                    rate,
                    kept,
                    latencies.length,
                    at(latencies, 0.5),
                    at(latencies, 0.99),
                    at(latencies, 1));
        }
    }

    /** Writes words when it is time for them; gives the share of the rate that was kept. */
    private double pace(Sender sender, long start, double rate, long from, long count)
            throws Exception {
        for (long number = 0; number < count; number++) {
            while (System.nanoTime() < intended(start, rate, number)) {
                Thread.sleep(1);
            }
            write(sender, from + number);
        }
        sender.flush();
        return (intended(start, rate, count) - start) / (double) (System.nanoTime() - start);
    }

    private static long intended(long start, double rate, long number) {
        return start + (long) (number / rate * 1e9);
    }

    private void write(Sender sender, long number) {
        byte[] word =
                number % EVERY == 0
                        ? bytes("m" + number / EVERY)
                        : words.get((int) (number % words.size()));
        sender.send(word, word);
    }

    private static byte[] bytes(String word) {
        return word.getBytes(StandardCharsets.UTF_8);
    }

    /** From when the last marker of the first half was seen: the second half is what came then. */
    private static double rateOfSecondHalf(long[] seen) {
        long from = Arrays.stream(seen, 0, seen.length / 2).max().getAsLong();
        long to = Arrays.stream(seen).max().getAsLong();
        long came = Arrays.stream(seen).filter(it -> it > from).count();
        return came * EVERY / ((to - from) / 1e9);
    }

    /** In milliseconds, the latency that so large a share has at most. */
    private static double at(long[] sorted, double share) {
        return sorted[(int) Math.ceil(share * sorted.length) - 1] / 1e6;
    }
}
