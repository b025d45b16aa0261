//! `tidegate check-restore`, `verify-replay` and `rehearse`: a restart without its consequences.

use clap::Args;
use tidegate::plan::PlanRow;
use tidegate::{BatchId, RunError};

use super::counted::counted;
use super::failure::Failure;
use super::progress::Terminal;
use super::run::Run;

/// See whether a job could be started from its checkpoints, without starting it
///
/// Give the flags that the job would be run with. Says which operators have a state and which begin
/// empty, and what would be run again; ends with 2 if the start would be refused.
#[derive(Args)]
#[command(after_help = "Example:
  tidegate check-restore wordcount --source kafka://localhost:9092/lines --checkpoint state\n
Workloads, sources and sinks: `tidegate help run`")]
pub struct CheckRestore {
    #[command(flatten)]
    run: Run,
}

impl CheckRestore {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let (config, program) = self.run.without_metrics().prepare(terminal)?;
        let found = tidegate::check_restore(config, program)?;
        let mut text = match found.saved {
            Some(batch) => format!("the state is that of batch {batch}\n"),
            None => "there is no state yet\n".to_owned(),
        };
        for (uid, rows) in found.operators {
            let rows = match rows {
                Some(rows) => format!("{} saved", counted(rows, "row", "rows")),
                None => "begins empty".to_owned(),
            };
            text.push_str(&format!("  {uid:<28} {rows}\n"));
        }
        let records = found.replay.iter().map(PlanRow::records).sum();
        text.push_str(&format!(
            "to be run again: {} with {}\n",
            counted(found.replay.len() as u64, "batch", "batches"),
            counted(records, "record", "records")
        ));
        print(terminal, &text)
    }
}

/// Run saved batches again, and compare the state with what was saved
///
/// Give the flags that the job runs with; it may be running. Batches are run from the oldest
/// checkpoint to the newest, nothing is written, and the states are compared: a function that goes
/// by the clock, by chance or by the order of a hash map is found out. Ends with 1 if anything
/// differs.
#[derive(Args)]
#[command(after_help = "Example:
  tidegate verify-replay wordcount --source kafka://localhost:9092/lines --checkpoint state\n
Workloads, sources and sinks: `tidegate help run`")]
pub struct VerifyReplay {
    #[command(flatten)]
    run: Run,
}

impl VerifyReplay {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let (config, program) = self.run.without_metrics().prepare(terminal)?;
        let found = tidegate::verify_replay(config, program)?;
        terminal.clear();
        let mut text =
            format!("batches {} to {}, run again:\n", found.from.id + 1, found.through.id);
        for operator in &found.operators {
            let outcome = match (&operator.difference, operator.rows) {
                (Some(difference), _) => format!("DIFFERS: {difference}"),
                (None, Some(rows)) => format!("{}, the same", counted(rows, "row", "rows")),
                (None, None) => "can't be compared: only the program can read its rows".into(),
            };
            text.push_str(&format!("  {:<28} {outcome}\n", operator.uid));
        }
        print(terminal, &text)?;
        match found.is_same() {
            true => Ok(()),
            false => Err(Failure::Other(
                "the program does not give the same for the same records: look for a clock, for \
                 chance, and for the order of a hash map in its functions"
                    .into(),
            )),
        }
    }
}

/// Run again what is planned and not saved, without sinks
///
/// Give the flags that the job is run with. When a job fails again and again at its start, this says
/// whether it is a batch that it can't get through, and with `--through` which; sinks are not opened, and
/// nothing is written. A batch that it can't get through can be put aside: see `tidegate checkpoint
/// set-aside`. Ends with 3 if the program panics at a batch, with 1 or 2 if that can't be found out.
#[derive(Args)]
#[command(after_help = "Example:
  tidegate rehearse --through 181 wordcount --source kafka://localhost:9092/lines --checkpoint state\n
Workloads, sources and sinks: `tidegate help run`")]
pub struct Rehearse {
    /// Go no further than this batch [default: the last that is planned]
    #[arg(long, value_name = "BATCH")]
    through: Option<BatchId>,

    #[command(flatten)]
    run: Run,
}

impl Rehearse {
    pub fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let (config, program) = self.run.without_metrics().prepare(terminal)?;
        let rows = tidegate::rehearse(config, self.through, program);
        let rows = rows.map_err(|error| match error {
            RunError::WorkerPanicked { .. } => Failure::Poison(error),
            error => Failure::Run(error),
        })?;
        terminal.clear();
        let text = match (rows.first(), rows.last()) {
            (Some(first), Some(last)) => {
                format!("batches {} to {} can be got through\n", first.tick.id, last.tick.id)
            }
            _ => "nothing is planned that is not saved\n".to_owned(),
        };
        print(terminal, &text)
    }
}

fn print(terminal: &Terminal, text: &str) -> Result<(), Failure> {
    terminal
        .print(text)
        .map_err(|error| Failure::Other(format!("can't write to standard output: {error}")))
}
