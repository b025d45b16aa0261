//! Settings that can't be.

use std::time::Duration;

use thiserror::Error;

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
    /// More workers than there are key groups: the last ones would own nothing.
    #[error("{workers} workers in all: use at most {most}, one for each key group")]
    Workers {
        /// The workers of all processes.
        workers: usize,
        /// How many there may be.
        most: usize,
    },
    /// An environment variable that is not what it should be.
    #[error("the environment variable {name} is `{value}`: set it to {wanted}, or unset it")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What it is.
        value: String,
        /// What it should be.
        wanted: &'static str,
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
