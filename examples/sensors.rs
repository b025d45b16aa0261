//! cargo run --example sensors < examples/data/sensors.csv
//!
//! Temperatures from standard input, `SENSOR,TIME_MS,CELSIUS` a line: mean, highest and lowest of
//! each sensor in every ten seconds of its own time, and an alarm above 80 degrees. A line is judged
//! by those before it, so that the result does not depend on how fast they are read.

use tidegate::source::{Source, Stdin};
use tidegate::{
    Config, DStream, Max, Mean, Min, OrderedFloat, RunError, Summary, TimeWindows, Trigger,
    WatermarkRule,
};

const ALARM_CELSIUS: f64 = 80.0;

/// A sensor, when it was read, and what it said in degrees.
pub type Reading = (String, i64, OrderedFloat<f64>);

/// Reads a line of the input.
pub fn parse(line: &[u8]) -> Result<Reading, String> {
    let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let mut fields = line.split(',');
    let mut field = |name| fields.next().ok_or(format!("no {name} in `{line}`"));
    let sensor = field("sensor")?.to_owned();
    let at_ms = field("time")?.parse().map_err(|error| format!("time in `{line}`: {error}"))?;
    let celsius = field("value")?.parse().map_err(|error| format!("value in `{line}`: {error}"))?;
    Ok((sensor, at_ms, OrderedFloat(celsius)))
}

fn report(readings: DStream<'_, Reading>) -> DStream<'_, String> {
    let events = readings.with_watermark(|reading| reading.1, WatermarkRule::new(2_000).by_row());
    let by_sensor = events.map(|(sensor, _, celsius)| (sensor, celsius));
    let windows = by_sensor.window(TimeWindows::tumbling(10_000));
    let spans = windows.aggregate_by_key((Mean, Max, Min)).finals();
    spans.map(|((window, sensor), (mean, high, low))| {
        let alarm = if *high > ALARM_CELSIUS { "  ALARM" } else { "" };
        let seconds = window.start_ms / 1000 % 60;
        format!("{seconds:02} s {sensor:<7} {mean:5.1} ({low:.1} to {high:.1}){alarm}")
    })
}

/// Runs the job, and shows each line of the report.
pub fn run<S: Source<Item = Reading>>(
    source: impl Fn() -> S + Send + Sync + 'static,
    show: impl Fn(&str) + Clone + Send + Sync + 'static,
) -> Result<Summary, RunError> {
    let config = Config::new("sensors")
        .spread_from_env(2)?
        .trigger(Trigger::AvailableNow)
        .records_per_partition_max(25);
    tidegate::run(config, move |ctx| {
        let show = show.clone();
        report(ctx.source(source())).foreach_batch(move |_tick, lines| {
            lines.iter().for_each(|line| show(line));
            Ok(())
        });
    })
}

fn main() -> Result<(), RunError> {
    let summary = run(|| Stdin::decoded(parse), |line| println!("{line}"))?;
    println!("{} readings in {} batches", summary.rows_in, summary.batches);
    Ok(())
}
