//! Incremental against recompute: one program, on one input, in several ways.
//!
//! A [`Mode`] says how state is kept; [`check`] runs every mode and holds each batch of its output
//! against that of the first, as multisets; [`measure`] takes their times. The baselines are held to
//! something, too: beside a mode that computes anew stands a plain loop that does the same work
//! ([`plain`](PlainLoop)), since being faster than a slow baseline proves nothing.
//!
//! What is timed is what a mode gives by itself: incremental modes the rows that changed, the others
//! the whole table. What is checked is the same for all, the changes of each batch; tables whose
//! changes are equal in every batch are equal. So the changes of what is computed anew are derived
//! outside the timed part.
//!
//! ```
//! use tidegate::Span;
//! use tidegate::compare::{Input, Limits, Mode, check, measure};
//!
//! let batches = (0..8).map(|batch| (0..100).map(|n| n * batch % 7).collect());
//! let input = Input::of(batches.collect::<Vec<Vec<u64>>>(), 2);
//! let modes = Mode::every(|rows| rows.window(Span::batches(3), Span::batches(1)).count_by_value());
//! let checked = check(&input, &modes, 2)?;
//! assert_eq!((checked.modes, checked.batches), (4, 8));
//! let row = measure(&input, &modes[0], &Limits { settle: 3, ..Limits::default() })?;
//! assert_eq!(row.batches, 5);
//! # Ok::<(), tidegate::compare::CompareError>(())
//! ```

mod check;
mod curve;
mod drive;
mod input;
mod measure;
mod mode;
mod plain;
mod report;
mod shares;
mod table;
mod text;
mod verdict;
mod windows;

pub use check::{Checked, CompareError, Difference, check};
pub use curve::{Curve, Point};
pub use input::Input;
pub(crate) use measure::median;
pub use measure::{Limits, ModeRow, measure, since_due};
pub use mode::Mode;
pub use plain::{PlainLoop, Rows, plain};
pub use report::{CompareReport, Machine};
pub use shares::{share_changed, shares_of_a_graph, shares_of_a_join};
pub use windows::{over_keys, over_window_lengths};

/// How thorough a comparison is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Fewer points and fewer batches: done in a minute or two.
    pub quick: bool,
    /// Worker threads.
    pub workers: usize,
}
