//! The program for each operation, by family, as far as Tidegate has it.

mod dedup;
mod event_time;
mod joins;
mod kafka;
mod listeners;
mod per_batch;
mod process;
mod rate;
mod running;
mod state;
mod windows;

use tidegate::DStream;

use super::case::Case;
use super::datum::Datum;

/// Runs a fact on a number of workers; panics if it does not hold.
pub type Program = fn(&Case, usize);

/// Why a fact does not hold and is not meant to: `docs/spark.md` has the list.
pub fn differs(case: &Case) -> Option<&'static str> {
    let is_rejected = case.has("expect_error");
    match &*case.op {
        "union" | "transform" | "transformWith" | "context.transform" if is_rejected => {
            Some("a stream has a batch at every tick")
        }
        "join_then_window_count" if is_rejected => Some("accepted, as by later versions of Spark"),
        "listener.receiver" => Some("there are no receivers"),
        "mapWithState.checkpoint" => Some("checkpoints are made by time, not by batches"),
        "remember" => Some("nothing is retained for operators down the line"),
        _ => None,
    }
}

/// The program for a fact, or what is missing for it.
pub fn find(case: &Case) -> Result<Program, String> {
    let by_time = [event_time::find, dedup::find, joins::find, process::find];
    let by_time = by_time.into_iter().find_map(|find| find(case));
    if let Some(found) = by_time {
        return found;
    }
    for (param, what) in [("watermark_delay_s", "watermarks"), ("expect_error", "what is rejected")]
    {
        if case.has(param) && case.op != "slice" {
            return Err(format!("{what}: {}", case.op));
        }
    }
    let families = [
        per_batch::find,
        windows::find,
        state::find,
        running::find,
        listeners::find,
        rate::find,
        kafka::find,
    ];
    let found = families.into_iter().find_map(|find| find(case));
    found.unwrap_or_else(|| Err(case.op.clone()))
}

/// Whether a fact is about an operator or a formula alone, which need no job.
pub fn runs_no_job(case: &Case) -> bool {
    let formulas = [
        "pid_rate",
        "pid_rate.validate",
        "pid_rate.property",
        "kafka_rate_limit",
        "event_time_stats",
    ];
    let operators = ["mapWithState.record", "mapWithState.chain", "state_object"];
    formulas.contains(&&*case.op) || operators.contains(&&*case.op)
}

fn ones(words: DStream<'_, Datum>) -> DStream<'_, (Datum, i64)> {
    words.map(|word| (word, 1))
}
