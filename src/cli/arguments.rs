//! What every command that runs a job understands.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use tidegate::kafka::is_address;
use tidegate::metrics::MetricsFile;
use tidegate::rate::{Pid, RateControl};
use tidegate::recovery::Checkpoints;
use tidegate::{Cluster, Config, Secret, Strategy, Tls, Trigger};

use super::counted::counted;
use super::failure::Failure;
use super::progress::{ProgressLine, Terminal};
use super::source::records_a_second;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Workers and processes")]
pub struct ClusterArguments {
    /// Worker threads in each process
    #[arg(short, long, default_value_t = 1, value_name = "N", value_parser = from_one())]
    pub workers: usize,

    /// Processes in all; `tidegate launch` starts them on one host [default: 1]
    #[arg(short = 'n', long, value_name = "N")]
    pub processes: Option<usize>,

    /// Which of them this is, from 0
    #[arg(short, long, default_value_t = 0, value_name = "INDEX")]
    pub process: usize,

    /// A file with `HOST:PORT` of each process, a line each; without it, ports from 2101 on
    /// localhost
    #[arg(short = 'H', long, value_name = "FILE")]
    pub hostfile: Option<PathBuf>,

    /// A file with the secret that every process must know; or the variable TIDEGATE_SECRET
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,

    /// Speak TLS with the other processes, and believe those with a certificate by this authority
    /// (PEM); in builds with the feature `tls`
    #[arg(long, value_name = "FILE", requires_all = ["tls_certificate", "tls_key"])]
    pub tls_ca: Option<PathBuf>,

    /// With --tls-ca: this process's certificate, for the host of its address
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    pub tls_certificate: Option<PathBuf>,

    /// With --tls-ca: the certificate's private key
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    pub tls_key: Option<PathBuf>,

    /// Bind each worker to a core of its own
    #[arg(long)]
    pub pin: bool,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Batches")]
pub struct BatchArguments {
    /// The batch interval, and the unit of windows (1ms to 1h)
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub interval: Duration,

    /// When batches are cut: `interval`, `continuous` (as fast as possible), `available-now` (what
    /// is there, then stop), or `count:N` (every N records of each partition)
    #[arg(long, default_value = "interval", value_name = "TRIGGER", value_parser = trigger)]
    pub trigger: Trigger,

    /// At most so many records of each partition in a batch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub records_per_partition: Option<u64>,

    /// At most so many records of each partition in the first batch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub first_batch_records: Option<u64>,

    /// Read no faster than the batches can be processed, by Spark's PID estimate
    #[arg(long)]
    pub backpressure: bool,

    /// With --backpressure: so many records a second and source until there is an estimate
    #[arg(long, value_name = "RATE", requires = "backpressure", value_parser = records_a_second,
          allow_negative_numbers = true)]
    pub initial_rate: Option<f64>,

    /// At most so many records a second of each partition
    #[arg(long, value_name = "RATE", value_parser = records_a_second, allow_negative_numbers = true)]
    pub max_rate_per_partition: Option<f64>,

    /// Whatever the rate, this many records of each partition may be in a batch
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub min_records_per_partition: u64,

    /// At most so many batches cut but not yet confirmed by all sinks
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = from_one())]
    pub in_flight: usize,

    /// At most so many MiB of records ready per source and worker
    #[arg(long, default_value_t = 64, value_name = "MIB", value_parser = from_one().range(..=MIB_MAX))]
    pub queue_mib: usize,

    /// Stop after this time, finishing the open batch
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub run_for: Option<Duration>,

    /// Stop when a source or sink can't be reached, instead of trying again
    #[arg(long)]
    pub fail_fast: bool,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "State and metrics")]
pub struct StateArguments {
    /// How state is kept
    #[arg(long, value_enum, default_value_t = StrategyArgument::HashIndex)]
    pub strategy: StrategyArgument,

    /// Save the job here, and go on from what is saved here: a directory, or with the feature
    /// `object-store` a URL such as `s3://bucket/path`
    ///
    /// Object stores are S3 and what speaks like it, Google Cloud Storage (`gs:`) and Azure (`az:`).
    /// Credentials and endpoints come from the environment, by the names that the providers' own tools
    /// know.
    #[arg(long, value_name = "DIR")]
    pub checkpoint: Option<PathBuf>,

    /// With --checkpoint: save again after this time
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration,
          requires = "checkpoint")]
    pub checkpoint_every: Duration,

    /// With --checkpoint: begin with a batch only once it is written down what is in it, so that one that
    /// the job can't get through is known
    #[arg(long, requires = "checkpoint", overrides_with = "plan_first")]
    pub plan_first: bool,

    /// With --checkpoint: forget what is saved of this operator; may be given several times
    #[arg(long, value_name = "UID", requires = "checkpoint")]
    pub drop_state: Vec<String>,

    /// Write a record of each batch to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,

    /// With --metrics: also count what workers tell each other of how far they are; costs a little
    #[arg(long, requires = "metrics")]
    pub count_progress: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StrategyArgument {
    /// A hash index: the fastest for aggregates by key
    HashIndex,
    /// A differential arrangement
    Arrangement,
    /// Everything anew in each batch, to compare with
    Recompute,
    /// Windows anew in each batch, from partial aggregates, to compare with
    Partials,
}

impl From<StrategyArgument> for Strategy {
    fn from(argument: StrategyArgument) -> Self {
        match argument {
            StrategyArgument::HashIndex => Strategy::HashIndex,
            StrategyArgument::Arrangement => Strategy::Arrangement,
            StrategyArgument::Recompute => Strategy::Recompute,
            StrategyArgument::Partials => Strategy::Partials,
        }
    }
}

/// As many MiB as can be counted in bytes.
const MIB_MAX: u64 = (usize::MAX >> 20) as u64;

/// A number of what there has to be.
pub fn from_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

fn trigger(text: &str) -> Result<Trigger, String> {
    match text {
        "interval" => Ok(Trigger::Interval),
        "continuous" => Ok(Trigger::Continuous),
        "available-now" => Ok(Trigger::AvailableNow),
        _ => text
            .strip_prefix("count:")
            .and_then(|records| records.parse().ok())
            .filter(|records| *records > 0)
            .map(|records| Trigger::Count { records })
            .ok_or_else(|| "use `interval`, `continuous`, `available-now` or `count:N`".to_owned()),
    }
}

#[derive(Args, Clone, Debug)]
pub struct JobArguments {
    #[command(flatten)]
    pub batches: BatchArguments,
    #[command(flatten)]
    pub state: StateArguments,
    #[command(flatten)]
    pub cluster: ClusterArguments,
}

impl BatchArguments {
    /// The configuration of a job of one worker.
    pub fn config(&self, name: &str) -> Config {
        let mut config = Config::new(name)
            .interval(self.interval)
            .trigger(self.trigger.clone())
            .in_flight_max(self.in_flight)
            .queue_bytes_max(self.queue_mib << 20)
            .fail_fast(self.fail_fast)
            .stop_on_signals(true);
        if let Some(records) = self.records_per_partition {
            config = config.records_per_partition_max(records);
        }
        if let Some(records) = self.first_batch_records {
            config = config.first_batch_records_max(records);
        }
        config.rate_control(self.rate_control())
    }

    fn rate_control(&self) -> RateControl {
        let mut control =
            RateControl::new().min_records_per_partition(self.min_records_per_partition);
        if self.backpressure {
            control = control.backpressure(Pid::default());
        }
        control.initial_rate = self.initial_rate;
        control.max_rate_per_partition = self.max_rate_per_partition;
        control
    }
}

impl JobArguments {
    /// The configuration of a job.
    pub fn config(&self, name: &str, terminal: &Terminal) -> Result<Config, Failure> {
        let mut config = self
            .batches
            .config(name)
            .workers(self.cluster.workers)
            .strategy(self.state.strategy.into())
            .pin_workers(self.cluster.pin);
        if self.state.count_progress {
            config = config.count_progress();
        }
        if let Some(directory) = &self.state.checkpoint {
            let every = self.state.checkpoint_every;
            let mut checkpoints = Checkpoints::at(directory).every(every);
            checkpoints.dropped = self.state.drop_state.clone();
            config = config.checkpoints(checkpoints);
            if self.state.plan_first {
                config = config.plan_first();
            }
        }
        if let Some(cluster) = self.cluster.cluster()? {
            config = config.cluster(cluster);
        }
        config.check().map_err(|error| Failure::Usage(error.to_string()))?;
        if config.process() == 0 {
            if let Some(path) = &self.state.metrics {
                let file = MetricsFile::create(path).map_err(|error| {
                    let path = path.display();
                    Failure::Usage(format!(
                        "can't write metrics to `{path}` ({error}): check the path and its \
                         permissions"
                    ))
                })?;
                config = config.listener(Arc::new(file));
            }
            if !terminal.is_quiet() {
                config = config.listener(Arc::new(ProgressLine::new(terminal)));
            }
        }
        Ok(config)
    }
}

/// Timely's first port.
const FIRST_PORT: usize = 2101;

impl ClusterArguments {
    fn cluster(&self) -> Result<Option<Cluster>, Failure> {
        let process = self.process;
        let processes = match self.processes {
            Some(processes) => processes,
            None => self.refuse_flags_of_several().map(|()| 1)?,
        };
        if processes == 0 {
            return Err(Failure::Usage("`--processes 0`: use 1 or more".into()));
        }
        if process >= processes {
            return Err(Failure::Usage(format!(
                "`--process {process}` of `--processes {processes}`: processes are numbered from 0 \
                 to {}",
                processes - 1
            )));
        }
        if processes == 1 {
            return Ok(None);
        }
        let addresses = match &self.hostfile {
            None => (0..processes).map(|i| format!("localhost:{}", FIRST_PORT + i)).collect(),
            Some(path) => {
                let hosts = read_hosts(path)?;
                if hosts.len() < processes {
                    return Err(Failure::Usage(format!(
                        "host file `{}` has {} for {processes} processes: give one `HOST:PORT` a line \
                         for each",
                        path.display(),
                        counted(hosts.len() as u64, "address", "addresses")
                    )));
                }
                hosts.into_iter().take(processes).collect()
            }
        };
        let secret = match &self.secret_file {
            Some(path) => Secret::new(&std::fs::read_to_string(path).map_err(|error| {
                Failure::Usage(format!("can't read secret file `{}`: {error}", path.display()))
            })?),
            None => Secret::from_env().map_err(|error| Failure::Usage(error.to_string()))?,
        };
        if let (Some(path), true) = (&self.secret_file, secret.expose().is_empty()) {
            return Err(Failure::Usage(format!(
                "secret file `{}` is empty: write the same secret into it for every process",
                path.display()
            )));
        }
        let tls = match (&self.tls_ca, &self.tls_certificate, &self.tls_key) {
            (Some(authority), Some(certificate), Some(key)) => Some(Tls {
                authority: authority.clone(),
                certificate: certificate.clone(),
                key: key.clone(),
            }),
            _ => None,
        };
        Ok(Some(Cluster { process, addresses, secret, tls, join_timeout: None }))
    }

    /// Without their number, each of several processes would be a job of its own, all of them with the
    /// same sinks.
    fn refuse_flags_of_several(&self) -> Result<(), Failure> {
        let files = [
            ("--hostfile", &self.hostfile),
            ("--secret-file", &self.secret_file),
            ("--tls-ca", &self.tls_ca),
        ];
        match files.iter().find(|(_, file)| file.is_some()) {
            None => Ok(()),
            Some((flag, _)) => Err(Failure::Usage(format!(
                "`{flag}` is for a job of several processes: say of how many with `--processes`, and \
                 which of them this is with `--process`"
            ))),
        }
    }
}

/// The addresses in a host file.
pub fn read_hosts(path: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::Usage(format!("can't read host file `{}`: {error}", path.display()))
    })?;
    let lines = text.lines().map(str::trim);
    let hosts: Vec<String> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    check_hosts(path, &hosts)?;
    Ok(hosts)
}

/// Refuses what is no address, and an address that two processes would share.
fn check_hosts(path: &Path, hosts: &[String]) -> Result<(), Failure> {
    let refuse = |host: &str, why: &str| {
        let path = path.display();
        Err(Failure::Usage(format!("`{host}` in host file `{path}` {why}")))
    };
    for (index, host) in hosts.iter().enumerate() {
        if !is_address(host) {
            return refuse(host, "is no address: give one `HOST:PORT` a line for each process");
        }
        if hosts[..index].contains(host) {
            return refuse(host, "is there twice: give each process an address of its own");
        }
    }
    Ok(())
}
