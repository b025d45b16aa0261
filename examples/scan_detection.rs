//! cargo run --example scan_detection -- examples/data/connections.log
//!
//! Port scans in a log of connections, one a line: second, source, target, port. Who knocks at
//! fifteen different doors (target and port) or more within a minute raises an alarm, once a minute;
//! who knocks at the same door a hundred times does not. Lines may come ten seconds late.

use tidegate::source::File;
use tidegate::{Config, DStream, TimeWindows, Trigger};

/// A connection: when, in milliseconds; from whom; to which door.
type Connection = (i64, String, (String, u16));

fn connection(line: &[u8]) -> Result<Connection, String> {
    let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let [second, source, target, port] = line.split(' ').collect::<Vec<_>>()[..] else {
        return Err("use `SECOND SOURCE TARGET PORT`".into());
    };
    let second: i64 = second.parse().map_err(|error| format!("second `{second}`: {error}"))?;
    let port = port.parse().map_err(|error| format!("port `{port}`: {error}"))?;
    Ok((second * 1000, source.to_owned(), (target.to_owned(), port)))
}

/// Sources that have knocked at so many different doors in a minute, as they reach that number.
fn scans(connections: DStream<'_, Connection>, doors_min: i64) -> DStream<'_, (i64, String)> {
    let events = connections.with_watermark(|(time_ms, _, _)| *time_ms, 10_000);
    let knocks =
        events.map(|(_, source, door)| (source, door)).window(TimeWindows::tumbling(60_000));
    // A row for each door of each source in each minute: what is counted next are doors.
    let doors = knocks
        .count_by_value()
        .open()
        .map(|((minute, (source, _door)), _times)| (minute.start_ms / 60_000, source));
    let busy = doors.count_by_value().filter(move |(_, doors)| *doors >= doors_min);
    let alarms = busy.map(|(source, _)| source).distinct().changes();
    alarms.filter(|change| change.diff > 0).map(|change| change.row)
}

fn main() -> Result<(), tidegate::RunError> {
    let path = std::env::args().nth(1).unwrap_or("examples/data/connections.log".into());
    let config = Config::new("scans").spread_from_env(2)?.trigger(Trigger::AvailableNow);
    tidegate::run(config.records_per_partition_max(50), move |ctx| {
        let connections = ctx.source(File::decoded(&path, connection));
        scans(connections, 15).foreach_batch(|tick, alarms| {
            for (minute, source) in alarms {
                println!("batch {:>2}: {source} scans in minute {minute}", tick.id);
            }
            Ok(())
        });
    })?;
    Ok(())
}
