//! `tidegate launch`: the processes of a job on this host, started, watched, and started again.

mod family;
mod hosts;
mod poison;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tidegate::BatchId;
use tidegate::plan::PlanRow;
use tidegate::recovery::Archive;

use self::family::{Brood, Ending, Family};
use self::hosts::Hosts;
use self::poison::Poison;
use super::arguments::from_one;
use super::failure::Failure;

/// Start the processes of a job on this host, watch them, and start them again
///
/// Each process is this program with the command that follows, and with the flags that make it one
/// of several: free ports, and a secret of their own. When one fails, the others are ended. A job
/// with checkpoints is then started again, and goes on where it was; one without ends. When this is
/// told to stop, all of them are.
///
/// On several hosts, run the same command with the same host file, secret and (shared) checkpoint
/// directory on each: the processes whose addresses are a host's own are started there.
#[derive(Args)]
#[command(after_help = "Examples:
  tidegate launch -n 2 -w 2 run wordcount --source kafka://localhost:9092/lines
  tidegate launch -n 2 run wordcount --source kafka://localhost:9092/lines --checkpoint state
  TIDEGATE_SECRET=... tidegate launch --hosts hosts.txt run clickstream --source ...")]
pub struct Launch {
    /// How many processes
    #[arg(short = 'n', long, default_value_t = 2, value_name = "N")]
    processes: usize,

    /// Worker threads in each process
    #[arg(short, long, default_value_t = 1, value_name = "N", value_parser = from_one())]
    workers: usize,

    /// A file with `HOST:PORT` of every process, a line each, the same on all hosts
    #[arg(long, value_name = "FILE", conflicts_with = "processes")]
    hosts: Option<PathBuf>,

    /// Give up a job with checkpoints after it has failed this often without getting any further;
    /// 1 means at once
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    failures: u32,

    /// When that is so: give the job up, or find the batch that it can't get through and make its records
    /// dead letters
    #[arg(long, default_value = "stop", value_name = "WHAT")]
    poison: Poison,

    /// What each process runs, as without `launch`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "COMMAND"
    )]
    command: Vec<String>,
}

/// Before a job is started again; doubled each time that it has got no further.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

impl Launch {
    pub fn run(self) -> Result<(), Failure> {
        if self.processes == 0 {
            return Err(Failure::Usage("`--processes 0`: use 1 or more".into()));
        }
        let checkpoints = super::launched(&self.command)?;
        let system =
            |what: &str, error: std::io::Error| Failure::Other(format!("can't {what}: {error}"));
        let program = std::env::current_exe().map_err(|e| system("find this program", e))?;
        let secret = match self.hosts {
            None => Some(random_secret().map_err(|e| system("make a secret", e))?),
            // All hosts must know it.
            Some(_) => None,
        };
        let mut signals =
            Signals::new([SIGINT, SIGTERM]).map_err(|e| system("listen for signals", e))?;
        let mut brood = Brood {
            program: &program,
            command: self.command.clone(),
            workers: self.workers,
            secret: secret.as_deref(),
        };

        let (mut stopping, mut is_first) = (false, true);
        let mut standing = Standing::default();
        loop {
            let hosts = match &self.hosts {
                None => Hosts::local(self.processes).map_err(|e| system("find free ports", e))?,
                Some(path) => Hosts::of_file(path)?,
            };
            if standing.failures > 0 && self.poison == Poison::DeadLetters {
                // A batch that can't be got through has to be known before it is tried.
                brood.plan_first();
            }
            let family = Family::start(&brood, &hosts).map_err(|e| system("start a process", e))?;
            let (process, status) = match family.watch(&mut signals, &mut stopping) {
                Ending::Well => return Ok(()),
                Ending::Failed { process, status } => (process, status),
            };
            // Its own text has said why.
            if status.code() == Some(2) && is_first {
                return Err(Failure::Usage("the job did not start".into()));
            }
            is_first = false;
            let failed = format!("process {process} failed ({status})");
            let Some(directory) = checkpoints.as_deref().filter(|_| !stopping) else {
                return Err(Failure::Other(format!("{failed}; the job has ended")));
            };
            let failures = standing.failed(directory);
            if failures >= self.failures {
                match self.put_aside(&program, directory, &standing.behind) {
                    Some(row) => {
                        log::warn!("{failed}; put aside is what it can't get through: {row}")
                    }
                    None => return Err(Failure::Other(standing.given_up(&failed))),
                }
                standing.failures = 0;
                continue;
            }
            let pause = PAUSE_MAX.min(PAUSE * 2u32.saturating_pow(failures - 1));
            log::warn!("{failed} {standing}; the job is started again");
            wait(pause, &mut signals, &mut stopping);
            if stopping {
                return Err(Failure::Other(format!("{failed}; the job has ended")));
            }
        }
    }
}

impl Launch {
    /// The batch that is out of the way now, if that was asked for and one was found.
    fn put_aside<'a>(
        &self,
        program: &Path,
        checkpoints: &Path,
        behind: &'a [PlanRow],
    ) -> Option<&'a PlanRow> {
        let run = self.command.iter().position(|word| word == "run")?;
        match self.poison {
            Poison::Stop => None,
            Poison::DeadLetters => {
                poison::put_aside(program, &self.command[run + 1..], checkpoints, behind)
            }
        }
    }
}

/// Waits, unless told to stop.
fn wait(pause: Duration, signals: &mut Signals, stopping: &mut bool) {
    let begun = Instant::now();
    while begun.elapsed() < pause && !*stopping {
        *stopping = signals.pending().next().is_some();
        std::thread::sleep(PAUSE.min(pause) / 4);
    }
}

fn random_secret() -> std::io::Result<String> {
    let mut secret = [0u8; 32];
    getrandom::fill(&mut secret).map_err(std::io::Error::other)?;
    Ok(secret.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Where a job stood when it failed.
#[derive(Default)]
struct Standing {
    saved: Option<BatchId>,
    /// What was planned behind the last checkpoint: the batch that fails is one of these.
    behind: Vec<PlanRow>,
    /// How often it has failed there.
    failures: u32,
}

impl Standing {
    /// The job has failed: how often now without getting any further.
    fn failed(&mut self, directory: &Path) -> u32 {
        let (saved, behind) = match Archive::open(directory).and_then(|archive| archive.standing())
        {
            Ok(found) => found,
            Err(error) => {
                log::warn!("where the job stood is not known: {error}");
                (None, Vec::new())
            }
        };
        let last = |rows: &[PlanRow]| rows.last().map(|row| row.tick.id);
        let is_further = saved > self.saved || last(&behind) > last(&self.behind);
        self.failures = if is_further { 1 } else { self.failures + 1 };
        (self.saved, self.behind) = (saved, behind);
        self.failures
    }

    fn given_up(&self, failed: &str) -> String {
        let mut text =
            format!("{failed} {self}: {} times without getting any further", self.failures);
        if !self.behind.is_empty() {
            text.push_str("; what it can't get through is among");
        }
        for row in self.behind.iter().take(SHOWN_MAX) {
            text.push_str(&format!("\n  {row}"));
        }
        if self.behind.len() > SHOWN_MAX {
            text.push_str(&format!("\n  ... and {} batches more", self.behind.len() - SHOWN_MAX));
        }
        text.push_str(
            "\nmend the program or the record, and start the job again: it goes on there",
        );
        text
    }
}

/// So many batches are told of.
const SHOWN_MAX: usize = 4;

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let saved = self.saved.unwrap_or(0);
        match self.behind.last() {
            None => write!(f, "behind batch {saved}, which is saved"),
            Some(row) => {
                write!(f, "between batch {saved}, which is saved, and batch {}", row.tick.id)
            }
        }
    }
}
