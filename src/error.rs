//! What can go wrong, by phase: each phase has its own error, and [`RunError`] is the umbrella.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::batch::BatchId;
use crate::recording::BatchRange;

/// Why a job did not start, or did not end well.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The configuration contradicts itself.
    #[error("invalid configuration")]
    Config(#[from] ConfigError),
    /// The program is not one that can run.
    #[error("invalid program")]
    Build(#[from] BuildError),
    /// A source can't be opened, or failed while it was read.
    #[error("source `{name}` failed")]
    Source {
        /// The source.
        name: String,
        /// What it said.
        source: SourceError,
        /// Whether the job had begun to read.
        started: bool,
    },
    /// A sink can't be opened, or failed while it was written.
    #[error("sink `{name}` failed{}", at_batch(.batch))]
    Sink {
        /// The sink.
        name: String,
        /// The batch that could not be written; `None` if the job had not begun.
        batch: Option<BatchId>,
        /// What it said.
        source: SinkError,
    },
    /// The plan of a batch can't be written.
    #[error("the plan of batch {batch} can't be written")]
    Plan {
        /// The batch.
        batch: BatchId,
        /// What the disk said.
        source: io::Error,
    },
    /// What was saved can't be read, or what is to be saved can't be written.
    #[error("checkpoints failed")]
    Recovery(#[from] RecoveryError),
    /// The processes of a cluster can't find together.
    #[error("the cluster can't be formed")]
    Cluster(#[from] ClusterError),
    /// User code or the engine panicked on a worker.
    #[error("worker {worker} panicked: {message}")]
    WorkerPanicked {
        /// The worker's index over all processes.
        worker: usize,
        /// The panic's text.
        message: String,
    },
    /// A worker's loop stood still.
    #[error(
        "worker {worker} has not turned for {} s{}; the job is stopped, since its batches can't \
         be completed", .stalled_for.as_secs(),
        if *.in_operator { ", inside an operator: look for a call that blocks or never ends" } else { "" }
    )]
    WorkerStalled {
        /// The worker's index over all processes.
        worker: usize,
        /// For how long.
        stalled_for: Duration,
        /// Whether an operator was running.
        in_operator: bool,
    },
    /// An iteration that must settle was not through after the rounds that it is allowed.
    #[error(
        "`{operator}` was not settled in batch {batch} after {rounds_max} rounds: allow more, or \
         let it go on with what is there then"
    )]
    RoundsExhausted {
        /// The iteration.
        operator: String,
        /// The batch.
        batch: BatchId,
        /// The rounds that it may take.
        rounds_max: u64,
    },
    /// Another process of the cluster is gone.
    #[error("process {process} is lost: {reason}")]
    PeerLost {
        /// The process's index.
        process: usize,
        /// What was seen of it.
        reason: String,
    },
    /// A second signal ended the run before the open batch was finished.
    #[error("interrupted: the open batch was not finished")]
    Interrupted {
        /// The signal's number.
        signal: i32,
    },
    /// The operating system refused a thread or a signal handler.
    #[error("can't {what}")]
    System {
        /// What was tried.
        what: String,
        /// What it said.
        source: io::Error,
    },
}

fn at_batch(batch: &Option<BatchId>) -> String {
    batch.map(|batch| format!(" at batch {batch}")).unwrap_or_default()
}

fn either(below: &Duration, above: &Duration) -> String {
    if below == above { format!("{above:?}") } else { format!("{below:?} or {above:?}") }
}

impl RunError {
    /// Whether the job never began: nothing was read, nothing was written.
    pub fn is_before_start(&self) -> bool {
        match self {
            RunError::Config(_) | RunError::Build(_) | RunError::Cluster(_) => true,
            RunError::Recovery(error) => error.is_before_start(),
            RunError::Source { started, .. } => !started,
            RunError::Sink { batch, .. } => batch.is_none(),
            _ => false,
        }
    }
}

/// A setting that can't be.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The batch interval is too short or too long.
    #[error("a batch interval of {0:?}: use 1 ms to 1 h")]
    Interval(Duration),
    /// A number that must be at least 1 is 0.
    #[error("`{setting}` is 0: use 1 or more")]
    Zero {
        /// The setting.
        setting: &'static str,
    },
    /// A rate, or a factor of one, that is out of its range.
    #[error("`{setting}` is {value}: use {least}")]
    Rate {
        /// The setting.
        setting: &'static str,
        /// What it is.
        value: f64,
        /// What it may be.
        least: &'static str,
    },
    /// Rates are limited where batches end by their number of records.
    #[error(
        "rate limits need batches that are cut by time: use the trigger `interval` or \
         `continuous`, or limit the records of a batch"
    )]
    RateTrigger,
    /// This process's index is not below the number of processes.
    #[error("process {process} of {processes}: processes are numbered from 0 to {}", .processes - 1)]
    Process {
        /// The index given.
        process: usize,
        /// The number of processes.
        processes: usize,
    },
    /// Something that needs checkpoints.
    #[error("no checkpoints: say where they lie (`--checkpoint DIR`)")]
    NoCheckpoints,
    /// The number of addresses is not the number of processes.
    #[error("{addresses} addresses for {processes} processes: give one `HOST:PORT` for each")]
    Addresses {
        /// How many addresses were given.
        addresses: usize,
        /// The number of processes.
        processes: usize,
    },
}

/// A program that can't run: found when the program is built, before anything is opened.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// Nothing comes out of the program.
    #[error("the program has no output: end a stream with `sink`, `foreach_batch` or `print`")]
    NoOutput,
    /// Nothing goes into the program.
    #[error("the program has no input: begin with `source`")]
    NoInput,
    /// A span of time is not a whole number of batches.
    #[error(
        "{what} of {span:?} is no multiple of the batch interval of {interval:?}: use {}",
        either(.below, .above)
    )]
    NoMultiple {
        /// What has this span: the window's length or its slide.
        what: &'static str,
        /// The span given.
        span: Duration,
        /// The job's batch interval.
        interval: Duration,
        /// The next shorter multiple, at least one interval.
        below: Duration,
        /// The next longer multiple.
        above: Duration,
    },
    /// A window without length, or that never slides.
    #[error("{what} of 0: use one batch interval or more")]
    EmptySpan {
        /// What is 0: the window's length or its slide.
        what: &'static str,
    },
    /// Two streams that don't have a batch at the same times.
    #[error(
        "`{operation}` of streams with different slides: one has an output every {left} batches, \
         the other every {right}"
    )]
    Slides {
        /// The operation.
        operation: &'static str,
        /// How often the first has an output, in batches.
        left: u64,
        /// How often the second has.
        right: u64,
    },
    /// A window of no records, or one that does not move.
    #[error("a window of {length} records that slides by {slide}: use 1 or more for both")]
    CountWindow {
        /// The length, in records of a key.
        length: usize,
        /// The slide, in records of a key.
        slide: u64,
    },
    /// A stream can't have no partition.
    #[error("`repartition(0)`: use 1 partition or more")]
    NoPartitions,
    /// An option that the chosen strategy does not have.
    #[error("{what} needs the hash index: remove `strategy({strategy})` from this operator")]
    Strategy {
        /// What was asked for.
        what: &'static str,
        /// The strategy chosen.
        strategy: &'static str,
    },
    /// A watermark that would run ahead of event time.
    #[error("a watermark delay of {delay_ms} ms: it should not be negative")]
    NegativeDelay {
        /// The delay given.
        delay_ms: i64,
    },
    /// A stream that would be idle at once.
    #[error("a stream that is idle after {idle_after_ms} ms without a record: use 1 ms or more")]
    IdleTime {
        /// The time given.
        idle_after_ms: i64,
    },
    /// An operation that has to know when its state expires.
    #[error("`{operation}` is not supported without watermark: use `with_watermark` before it")]
    NoWatermark {
        /// The operation.
        operation: &'static str,
    },
    /// A join whose rows can wait for others for ever, where it must be known that they do not.
    #[error(
        "`{operation}` of a join whose rows wait for ever: give both streams a watermark, and the \
         join an end by `within`, `at_same_time` or `in_windows`"
    )]
    NeverOver {
        /// The operation.
        operation: &'static str,
    },
    /// Late rows are wanted, but the policy for them is another.
    #[error("`late_rows` of windows that do not give them: use `late(Late::SideOutput)`")]
    NoSideOutput,
    /// A strategy that is there to be compared with, and whose state is not saved.
    #[error(
        "checkpoints don't save what is computed anew (`{what}`): use the hash index or arrangements, \
         or no checkpoints"
    )]
    NotSaved {
        /// The strategy.
        what: &'static str,
    },
    /// Two stateful operators with one name.
    #[error("two operators are named `{uid}`: state is found again by name, so names must differ")]
    DuplicateUid {
        /// The name.
        uid: String,
    },
}

/// What is wrong with checkpoints.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// A file or directory.
    #[error(
        "can't read or write `{}`: check its permissions and the space left; nothing of the batch \
         at hand counts as written", path.display()
    )]
    Store {
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process holds the directory.
    #[error(
        "`{}` is in use: another job runs with these checkpoints; end it first, or give each job a \
         directory of its own", path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A URL that can't be used.
    #[error("can't keep checkpoints at `{url}`: {reason}")]
    Place {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The job was started again while it ran.
    #[error(
        "`{}` was taken over: the job was started again as generation {by}, and this is {generation}; \
         nothing that this one has not committed counts", path.display()
    )]
    TakenOver {
        /// The place of the checkpoints.
        path: PathBuf,
        /// This start.
        generation: u64,
        /// The other.
        by: u64,
    },
    /// A batch that can't be put aside.
    #[error(
        "batch {batch} is not among those that a start from `{}` runs again: {}", path.display(),
        if behind.is_empty() { "there are none".into() } else { format!("{behind:?}") }
    )]
    NotPlanned {
        /// The directory.
        path: PathBuf,
        /// The batch.
        batch: BatchId,
        /// Those that could be.
        behind: Vec<BatchId>,
    },
    /// Nothing was ever saved there.
    #[error(
        "`{}` has no checkpoints: give the directory that a job was given with `--checkpoint`",
        path.display()
    )]
    NoCheckpoints {
        /// The directory.
        path: PathBuf,
    },
    /// A directory that should be empty.
    #[error("`{}` is not empty: give a directory that is, or that does not exist yet", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// Batches can't be run again: there is nothing to begin with.
    #[error(
        "`{}` has one checkpoint only: batches are run again from an older one to the newest; let \
         the job run until it has saved twice", path.display()
    )]
    OneCheckpoint {
        /// The directory.
        path: PathBuf,
    },
    /// A checkpoint that is not there.
    #[error(
        "`{}` has no checkpoint{}: `tidegate checkpoint ls` shows which there are",
        path.display(), batch.map_or(String::new(), |batch| format!(" of batch {batch}"))
    )]
    NoCheckpoint {
        /// The directory.
        path: PathBuf,
        /// The batch; any, if `None`.
        batch: Option<BatchId>,
    },
    /// Another process of the job has checkpoints elsewhere.
    #[error(
        "`{}` does not have the checkpoints of process 0 (generation {generation}): give every \
         process the same directory, on a file system that all hosts share", path.display()
    )]
    NotShared {
        /// The directory.
        path: PathBuf,
        /// What process 0 has claimed in its own.
        generation: u64,
    },
    /// A file is not what was written.
    #[error("`{}` is damaged: {what}", path.display())]
    Damaged {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The plan does not reach back to the checkpoint.
    #[error(
        "no checkpoint can be used: the plan has nothing between batch {from} and batch {to}; \
         restore the files that are gone, or begin anew with an empty directory"
    )]
    PlanGap {
        /// The batch through which there is a state.
        from: BatchId,
        /// The first batch that was planned behind it.
        to: BatchId,
    },
    /// An operator with a saved state is not in the program.
    #[error(
        "the checkpoint has the state of operator `{uid}`, which the program does not have: was it \
         renamed? Names are given with `uid`; `--drop-state {uid}` forgets it"
    )]
    OperatorGone {
        /// Its name.
        uid: String,
    },
    /// An operator keeps rows of another type now.
    #[error(
        "the state of operator `{uid}` can't be read any more: {difference}; go back to what was, \
         register what becomes of its rows (`Checkpoints::migrate`), or give the operator a new `uid` and \
         drop the old one's state (`--drop-state {uid}`)"
    )]
    SchemaChanged {
        /// Its name.
        uid: String,
        /// What is different.
        difference: String,
    },
    /// A saved row does not fit its new type.
    #[error(
        "the row {row}, to which the state of operator `{uid}` was migrated, does not fit: {reason}; mend \
         the function given to `Checkpoints::migrate`: nothing has been changed"
    )]
    Migration {
        /// The operator's name.
        uid: String,
        /// What the function gave.
        row: String,
        /// Why it does not fit.
        reason: String,
    },
    /// A batch that is run again finds other records.
    #[error(
        "batch {batch} can't be run again: source {source_index} was planned as {planned}, and is \
         now {found}; its records have changed since"
    )]
    InputChanged {
        /// The batch.
        batch: BatchId,
        /// The source's number in the program.
        source_index: u32,
        /// What was planned of a partition.
        planned: String,
        /// What is there.
        found: String,
    },
    /// A sink has more than was planned.
    #[error(
        "sink `{sink}` has written batch {written}, but only batch {planned} was planned: these are \
         not its checkpoints"
    )]
    SinkAhead {
        /// The sink.
        sink: String,
        /// What it has written.
        written: BatchId,
        /// The last batch that was planned.
        planned: BatchId,
    },
}

impl RecoveryError {
    /// Whether the job never began.
    fn is_before_start(&self) -> bool {
        !matches!(
            self,
            RecoveryError::Store { .. }
                | RecoveryError::TakenOver { .. }
                | RecoveryError::InputChanged { .. }
        )
    }
}

/// What is wrong with a recording.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// It can't be read.
    #[error("can't read `{}`: check the path and its permissions", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It can't be written.
    #[error("can't write `{}`: check the path, its permissions and the space left", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file is there already.
    #[error("`{}` is there already: remove it first, or record to another file", path.display())]
    Exists {
        /// Its path.
        path: PathBuf,
    },
    /// Some other file.
    #[error(
        "`{}` is no recording: give a file that `tidegate record` has written", path.display()
    )]
    NoRecording {
        /// Its path.
        path: PathBuf,
    },
    /// Another version of the format.
    #[error(
        "`{}` has version {version} of the format, and this program reads version 1: use the \
         program that has recorded it", path.display()
    )]
    Version {
        /// Its path.
        path: PathBuf,
        /// The version.
        version: u64,
    },
    /// It is not what was written.
    #[error("`{}` is damaged: {what}; {}", path.display(), until(.whole))]
    Damaged {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// The last batch before that.
        whole: Option<BatchId>,
    },
    /// Its end is missing.
    #[error(
        "`{}` was not finished: whoever recorded it was ended before it could write the end; {}",
        path.display(), until(.whole)
    )]
    Unfinished {
        /// Its path.
        path: PathBuf,
        /// The last batch.
        whole: Option<BatchId>,
    },
    /// It does not have the batches that are asked for.
    #[error("`{}` has no such batch ({range}): {}", path.display(), has_batches(.has))]
    NoBatch {
        /// Its path.
        path: PathBuf,
        /// What was asked for.
        range: BatchRange,
        /// The first and the last batch that it has.
        has: Option<(BatchId, BatchId)>,
    },
    /// Its rows are of another type.
    #[error(
        "`{}` has other rows than are read: {difference}; replay it with the workload that it was \
         recorded for", path.display()
    )]
    OtherRows {
        /// Its path.
        path: PathBuf,
        /// What is different.
        difference: String,
    },
}

fn until(whole: &Option<BatchId>) -> String {
    match whole {
        Some(batch) => format!("batches through {batch} can be used (`--batches ..{batch}`)"),
        None => "record it again".to_owned(),
    }
}

fn has_batches(has: &Option<(BatchId, BatchId)>) -> String {
    match has {
        Some((first, last)) => format!("it has batches {first} to {last}"),
        None => "it has none".to_owned(),
    }
}

/// What a source can say.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A setting that the source can't work with.
    #[error("{0}")]
    Invalid(String),
    /// A file or directory.
    #[error("can't read `{}`: check the path and its permissions", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The journal, in which a source that can't be read again is written down.
    #[error("its records can't be written down")]
    Journal(#[source] RecoveryError),
    /// A recording.
    #[error(transparent)]
    Recording(RecordingError),
    /// A connection.
    #[error("can't reach `{address}`: does something listen there?")]
    Connection {
        /// Where to.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Anything else that the source's own client said.
    #[error("{message}")]
    Client {
        /// What went wrong, and the remedy.
        message: String,
        /// The client's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What a sink can say.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SinkError {
    /// A setting that the sink can't work with.
    #[error("{0}")]
    Invalid(String),
    /// A file or directory.
    #[error("can't write `{}`: check the path, its permissions and the space left", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A stream, such as the terminal.
    #[error("can't write to {to}")]
    Stream {
        /// Where to.
        to: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// A row can't be written in the sink's format.
    #[error("can't write a row as {format}")]
    Format {
        /// The format.
        format: &'static str,
        /// What the format's library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Anything else that the sink's own client said.
    #[error("{message}")]
    Client {
        /// What went wrong, and the remedy.
        message: String,
        /// The client's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why processes did not find together.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// This process can't listen at its own address.
    #[error("can't listen at `{address}`: is the port in use, or the address not this host's?")]
    Listen {
        /// The address.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A peer did not answer in time.
    #[error("process {process} at `{address}` did not join within {} s: is it started, with the same flags?", .waited.as_secs())]
    Absent {
        /// The peer's index.
        process: usize,
        /// Its address.
        address: String,
        /// For how long this process waited.
        waited: Duration,
    },
    /// A peer turned this process away.
    #[error("process {process} at `{address}` refused: {reason}")]
    Refused {
        /// The peer's index.
        process: usize,
        /// Its address.
        address: String,
        /// Its reason.
        reason: String,
    },
    /// A file for TLS can't be used.
    #[error("can't use `{}` for TLS: {reason}", .path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A connection broke during the handshake.
    #[error("the handshake with process {process} at `{address}` broke off")]
    Handshake {
        /// The peer's index.
        process: usize,
        /// Its address.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
}
