//! A run of the program as a user would start it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use super::{Cell, Grid, GridError};
use crate::bench::PARENT_VARIABLE;
use crate::metrics::BatchRecord;

/// What a run left behind.
pub(super) struct Ended {
    pub(super) command: String,
    pub(super) records: Vec<BatchRecord>,
    /// What all its threads and processes have computed, in seconds, where the system says so.
    pub(super) cpu_s: Option<f64>,
    /// From its start to its end, in seconds.
    pub(super) wall_s: f64,
}

/// Runs a cell for the time of the grid.
pub(super) fn run(program: &Path, cell: &Cell, grid: &Grid) -> Result<Ended, GridError> {
    let place = tempfile::tempdir().map_err(system("make a directory"))?;
    let metrics = place.path().join("metrics");
    let Cell { workload, workers, processes, interval_ms, rate } = cell;
    let run = match processes {
        1 => format!("run {workload} --workers {workers}"),
        _ => format!("launch -n {processes} -w {workers} run {workload}"),
    };
    let (seed, time) = (grid.seed, grid.warm_up_ms + grid.measured_ms);
    // As many partitions as workers: each makes its part of the records.
    let source = format!("generate:?rate={rate}&seed={seed}&partitions={}", cell.peers());
    let shown = format!(
        "{run} --interval {interval_ms}ms --for {time}ms --source {source} --output changes --sink null \
         --quiet --count-progress --metrics"
    );
    let arguments: Vec<&str> = shown.split_whitespace().collect();
    let shown = format!("tidegate {shown} FILE");
    let mut command = Command::new(program);
    command.args(&arguments).arg(&metrics);
    let (begun, computed) = (Instant::now(), computed_by_children());
    end(command, &place, &shown)?;
    let wall_s = begun.elapsed().as_secs_f64();
    let cpu_s = computed_by_children().zip(computed).map(|(after, before)| after - before);
    let text = std::fs::read_to_string(&metrics).map_err(system("read what was measured"))?;
    let records = text.lines().map(serde_json::from_str).collect::<Result<Vec<_>, _>>();
    let mut records = records
        .map_err(|error| GridError::Nothing { command: shown.clone(), why: error.to_string() })?;
    // The last batch is cut because the time is over, not because it is due: if the job is behind, it
    // seems to be in time.
    records.pop();
    Ok(Ended { command: shown, records, cpu_s, wall_s })
}

/// Runs a command in a directory to its end; `shown` is how people would write it.
pub(super) fn end(mut command: Command, place: &TempDir, shown: &str) -> Result<(), GridError> {
    command
        .current_dir(place.path())
        .env(PARENT_VARIABLE, std::process::id().to_string())
        .stdin(Stdio::null());
    let ended = command.output().map_err(system("start what is measured"))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    // What went wrong comes first, the usage last.
    let said = said.lines().find(|line| line.starts_with("error")).unwrap_or(&said);
    let (command, said) = (shown.to_owned(), said.trim().to_owned());
    Err(GridError::Run { command, status: ended.status.to_string(), said })
}

/// An error of the operating system, at what was tried.
pub(super) fn system(what: &'static str) -> impl Fn(std::io::Error) -> GridError {
    move |source| GridError::System { what, source }
}

/// What the processes that this one has waited for have computed, in seconds, and those that they have
/// waited for.
fn computed_by_children() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name, which may have spaces: the 16th and the 17th field of all (proc(5)).
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(13);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    let (user, system) = (ticks()?, ticks()?);
    // Ticks are hundredths of a second wherever Linux tells them to programs.
    Some((user + system) / 100.0)
}
