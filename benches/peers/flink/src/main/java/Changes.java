import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.temporal.ChronoUnit;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.types.Row;
import org.apache.flink.types.RowKind;

/**
 * Writes rows, separated by commas, to a file for each subtask: the new ones, since a key has one
 * subtask; or all, if signed, with {@code +} or {@code -} as the first column. Times are a number of
 * units since 1970.
 */
record Changes(String directory, boolean signed, ChronoUnit unit) implements Sink<Row> {
    private static final LocalDateTime EPOCH = LocalDateTime.of(1970, 1, 1, 0, 0);

    @Override
    public SinkWriter<Row> createWriter(WriterInitContext context) throws IOException {
        int subtask = context.getTaskInfo().getIndexOfThisSubtask();
        BufferedWriter file = Files.newBufferedWriter(Path.of(directory, subtask + ".csv"));
        return new SinkWriter<>() {
            @Override
            public void write(Row row, Context at) throws IOException {
                RowKind kind = row.getKind();
                if (signed) {
                    boolean comes = kind == RowKind.INSERT || kind == RowKind.UPDATE_AFTER;
                    file.write(comes ? "+" : "-");
                } else if (kind == RowKind.UPDATE_BEFORE) {
                    return;
                }
                for (int field = 0; field < row.getArity(); field++) {
                    file.write(field == 0 && !signed ? "" : ",");
                    file.write(text(row.getField(field)));
                }
                file.newLine();
            }

            @Override
            public void flush(boolean endOfInput) throws IOException {
                file.flush();
            }

            @Override
            public void close() throws IOException {
                file.close();
            }
        };
    }

    private String text(Object field) {
        return field instanceof LocalDateTime time
                ? Long.toString(unit.between(EPOCH, time))
                : field.toString();
    }
}
