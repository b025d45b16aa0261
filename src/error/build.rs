//! Programs that can't run.

use std::time::Duration;

use thiserror::Error;

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

fn either(below: &Duration, above: &Duration) -> String {
    if below == above { format!("{above:?}") } else { format!("{below:?} or {above:?}") }
}
