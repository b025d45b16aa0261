//! What a run came to, as text.

use std::fmt::Write;

use indicatif::HumanCount;
use tidegate::Summary;

/// A table of a run's figures. `counted` is how many records were counted at the other end, where
/// somebody did.
pub fn text(summary: &Summary, counted: Option<u64>) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string can't fail.
        let _ = writeln!(text, "  {name:<20} {value}");
    };
    let counted =
        counted.map_or(String::new(), |counted| format!("  (counted {})", HumanCount(counted)));
    line("records in", format!("{}{counted}", HumanCount(summary.rows_in)));
    if summary.dead_letters > 0 {
        line("dead letters", HumanCount(summary.dead_letters).to_string());
    }
    line("rows out", HumanCount(summary.rows_out).to_string());
    line("batches", HumanCount(summary.batches).to_string());
    line("events per second", HumanCount(summary.rows_in_per_s() as u64).to_string());
    let latency = &summary.processing;
    line(
        "batch latency",
        format!(
            "p50 {:.2} ms  p99 {:.2} ms  max {:.2} ms  (cut to sink)",
            latency.p50_ms, latency.p99_ms, latency.max_ms
        ),
    );
    line("time", format!("{:.1} s", summary.seconds));
    for load in summary.skewed() {
        let busiest = load.busiest();
        line(
            "uneven load",
            format!(
                "`{}`: worker {} took in {} of {} rows, {:.1} times its share",
                load.operator,
                busiest.worker,
                HumanCount(busiest.rows),
                HumanCount(load.rows()),
                load.imbalance()
            ),
        );
    }
    text
}
