//! What is said about a workload, wherever its records come from.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::learning::Learning;
use crate::cli::sink::SinkUrl;

/// What is said about a workload, wherever its records come from.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// Where results go (see below); may be given several times
    #[arg(long, value_name = "SINK", default_value = "console")]
    pub sink: Vec<SinkUrl>,

    /// Which results of a table: all of it in each batch, or what came and went. Rows that are given
    /// once are written as they come
    #[arg(long, value_enum, default_value_t = OutputMode::Snapshots)]
    pub output: OutputMode,

    /// Length of the window, a multiple of the interval
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub window: Duration,

    /// By how much the window slides, a multiple of the interval [default: the interval]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub slide: Option<Duration>,

    /// top-k: how many words
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub k: u16,

    /// sessions: after how long without a click a session is over, by the times of the clicks
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub gap: Duration,

    /// sessions, ad-analytics: how far the watermark stays behind the latest record
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub delay: Duration,

    /// Rounds that a graph workload may take in a batch [default: 1000; pagerank 30, which leaves
    /// less than a hundredth of a rank to be guessed]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub rounds_max: Option<u64>,

    /// End the job at a batch that was not through after its rounds, rather than go on with what
    /// is there then
    #[arg(long)]
    pub must_settle: bool,

    /// Write records that can't be decoded to this file, as JSON lines, with their offsets and the
    /// reason
    #[arg(long, value_name = "FILE")]
    pub dead_letters: Option<PathBuf>,

    #[command(flatten)]
    pub learning: Learning,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputMode {
    /// The whole table, in each batch (Spark's complete mode)
    Snapshots,
    /// The rows that went and came (Spark's update mode, with retractions)
    Changes,
}
