//! What an operator says of itself when it has closed a batch.

use std::ops::AddAssign;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::StateSize;
use crate::Chunks;

/// How large an operator's state is, and what the batch was for it, on one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Report {
    /// The state after the batch.
    pub size: StateSize,
    /// What the batch took.
    pub load: Load,
}

/// What an operator did for a batch, on one worker.
///
/// ```
/// use std::time::Duration;
/// use tidegate_operators::batched::Load;
///
/// let mut load = Load { rows: 3, busy: Duration::from_micros(5) };
/// load += load;
/// assert_eq!(load, Load { rows: 6, busy: Duration::from_micros(10) });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Load {
    /// The rows that came in, after the exchange.
    pub rows: u64,
    /// How long closing the batch took; zero where differential does the work, whenever it likes.
    pub busy: Duration,
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.busy += other.busy;
    }
}

/// Messages whose rows can be counted: the input of every operator.
///
/// ```
/// use tidegate_operators::Chunks;
/// use tidegate_operators::batched::RowCount;
///
/// assert_eq!((Chunks::loose(vec!['a', 'b']).row_count(), vec!['c'].row_count()), (2, 1));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the input of an operator: its rows can't be counted",
    note = "`Chunks<D>` and `Vec<D>` can be; implement `RowCount` for a container of your own"
)]
pub trait RowCount {
    /// The number of rows in the message.
    fn row_count(&self) -> usize;
}

impl<D> RowCount for Chunks<D> {
    fn row_count(&self) -> usize {
        self.rows().len()
    }
}

impl<D> RowCount for Vec<D> {
    fn row_count(&self) -> usize {
        self.len()
    }
}
