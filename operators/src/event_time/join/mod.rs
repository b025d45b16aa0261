//! Joins of two streams by key and event time.
//!
//! Each side keeps its rows by key and time until the watermark says that no row of the other side
//! can meet them any more. Why the result is right: a row that is in time is compared with all that
//! the other side has kept, and is itself kept for whatever comes later, so that every pair is found
//! once, by that of its two rows which comes second. A row goes when all rows that it could meet
//! would be late, and only then is it known to be alone.
//!
//! The order within a batch is Spark's (`StreamingSymmetricHashJoinExec`): first the left rows meet
//! what is kept on the right, then the right rows meet what is kept on the left, the new ones
//! included.

mod bounds;
mod operator;
mod rows;
mod shape;
mod spec;
#[cfg(test)]
mod tests;

pub use bounds::Bounds;
pub use operator::EventJoin;
pub use rows::{Kept, SavedJoin};
pub use shape::Shape;
pub use spec::{JoinSpec, On, PairTime};
