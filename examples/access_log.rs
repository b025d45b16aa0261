//! cargo run --example access_log -- examples/data/access.log
//!
//! The access log of a web server, in the common log format: how many requests of each minute
//! failed, and who asked five times or more in a minute for what is not there. Goes by the times in
//! the log, ten seconds late at most; lines that are none are counted.

use tidegate::source::File;
use tidegate::{Config, Count, DStream, RunError, Sum, Summary, TimeWindow, TimeWindows, Trigger};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
struct Request {
    client: String,
    at_ms: i64,
    status: u16,
}

/// Reads `CLIENT IDENT USER [10/Oct/2024:13:55:36 +0000] "REQUEST" STATUS BYTES`.
fn parse(line: &str) -> Option<Request> {
    let (who, rest) = line.split_once(" [")?;
    let (time, rest) = rest.split_once("] \"")?;
    let (_request, result) = rest.rsplit_once("\" ")?;
    let client = who.split(' ').next()?.to_owned();
    let status = result.split(' ').next()?.parse().ok()?;
    Some(Request { client, at_ms: milliseconds(time)?, status })
}

/// The milliseconds from 1970 to `10/Oct/2024:13:55:36 +0000`.
fn milliseconds(time: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (time, zone) = time.split_once(' ')?;
    let parts: Vec<&str> = time.split(['/', ':']).collect();
    let [day, month, year, hour, minute, second] = parts[..] else { return None };
    let number = |text: &str| text.parse::<i64>().ok();
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    // Years that begin in March have the day that is sometimes there at their end.
    let year = number(year)? - i64::from(month <= 2);
    let days_of_year = (153 * ((month + 9) % 12) + 2) / 5 + number(day)? - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + days_of_year - 719_468;
    let minutes = (days * 24 + number(hour)?) * 60 + number(minute)?;
    let zone = number(zone)?;
    let ahead = zone / 100 * 60 + zone % 100;
    Some(((minutes - ahead) * 60 + number(second)?) * 1000)
}

fn clock(minute: TimeWindow) -> String {
    let minutes = minute.start_ms / 60_000;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

fn report(requests: DStream<'_, Request>) -> DStream<'_, String> {
    let events = requests.with_watermark(|request| request.at_ms, 10_000);
    let minutes = TimeWindows::tumbling(60_000);
    let failures = events.clone().map(|request| i64::from(request.status >= 500));
    let overall = failures.window(minutes).aggregate((Count, Sum)).finals();
    let overall = overall.map(|(minute, (requests, failed))| {
        let mark = if failed * 5 >= requests { "  ANOMALY" } else { "" };
        format!("{} {requests:>3} requests, {failed:>2} failed{mark}", clock(minute))
    });
    let missing = events.filter(|request| request.status == 404);
    let by_client = missing.key_by(|request| request.client.clone()).window(minutes);
    let scans = by_client.aggregate_by_key(Count).finals().filter(|(_, times)| *times >= 5);
    overall.union(scans.map(|((minute, client), times)| {
        format!("{} {client} asked {times} times for what is not there", clock(minute))
    }))
}

/// Runs the job, and shows each line of the report.
pub fn run(
    path: &str,
    show: impl Fn(&str) + Clone + Send + Sync + 'static,
) -> Result<Summary, RunError> {
    let config = Config::new("access log")
        .spread_from_env(2)?
        .trigger(Trigger::AvailableNow)
        .records_per_partition_max(20);
    let path = path.to_owned();
    tidegate::run(config, move |ctx| {
        let lines = File::decoded(&path, |line| {
            let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
            parse(line).ok_or_else(|| "not in the common log format".to_owned())
        });
        let show = show.clone();
        report(ctx.source(lines)).foreach_batch(move |_tick, lines| {
            lines.iter().for_each(|line| show(line));
            Ok(())
        });
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: access_log PATH")?;
    let summary = run(&path, |line| println!("{line}"))?;
    println!("{} requests, {} other lines", summary.rows_in, summary.dead_letters);
    Ok(())
}
